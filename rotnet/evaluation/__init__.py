"""How good a model really is: errors on saved, truly crooked pictures, and what its confidence is worth."""

from rotnet.evaluation.calibration import calibrate, held_out_confidence, largest_harmless
from rotnet.evaluation.measuring import Evaluation, evaluate, evaluate_views, rates, summary
from rotnet.evaluation.scores import Scores, calibration_error, is_guessing, score
from rotnet.evaluation.trials import PROTOCOLS, Trial

__all__ = [
    "PROTOCOLS",
    "Evaluation",
    "Scores",
    "Trial",
    "calibrate",
    "calibration_error",
    "evaluate",
    "evaluate_views",
    "held_out_confidence",
    "is_guessing",
    "largest_harmless",
    "rates",
    "score",
    "summary",
]
