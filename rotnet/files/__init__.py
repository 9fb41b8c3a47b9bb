"""Many files: predict them, or turn a tree of them upright without losing one.

plan_targets ─▶ decide_files ─▶ carry_out       each picture's target, angle and successor; `correct_files` is all
                     └──▶ report, preview       what was decided, for programs and for people; `carry_out` later
"""

from rotnet.files.correct import (
    carry_out,
    correct_bytes,
    correct_files,
    correct_targets,
)
from rotnet.files.decide import FileCorrection, decide_files
from rotnet.files.journal import Journal
from rotnet.files.options import Turning
from rotnet.files.plan import check_targets, is_nested, plan_in_place, plan_targets
from rotnet.files.predict import FilePrediction, predict_files
from rotnet.files.state import journal_path
from rotnet.files.turned_before import with_digests
from rotnet.files.watch import watch_files

__all__ = [
    "FileCorrection",
    "FilePrediction",
    "Journal",
    "Turning",
    "carry_out",
    "check_targets",
    "correct_bytes",
    "correct_files",
    "correct_targets",
    "decide_files",
    "is_nested",
    "journal_path",
    "plan_in_place",
    "plan_targets",
    "predict_files",
    "watch_files",
    "with_digests",
]
