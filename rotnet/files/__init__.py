"""Many files: predict them, or turn a tree of them upright without losing one.

plan_targets ─▶ decide_files ─▶ carry_out       each picture's target, angle and successor; `correct_files` is all
                     └──▶ report, preview       what was decided, for programs and for people; `carry_out` later

The public names stand in `__init__.pyi`; each loads its module when it is first used, so that whoever only predicts
loads nothing that writes.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
