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

from .correct import carry_out, correct_bytes, correct_files, correct_targets
from .decide import FileCorrection, decide_files, with_digests
from .journal import Journal
from .options import Turning
from .plan import check_targets, is_nested, plan_in_place, plan_targets
from .predict import FilePrediction, predict_files
from .state import journal_path
from .watch import watch_files
