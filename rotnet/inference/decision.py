"""Turn a picture, or leave it, and why: decided here alone, for every way in.

    AnglePrediction + Options ─▶ Decision(action, angle, reason, confidence)

A picture is better left than turned wrong. It is turned where the model is sure of the angle and hardly believes that
the picture stands upright already, or where its lines tell by how much a slight tilt is off. Of 504
answers to Street Views tilted by 2 to 10 degrees this turns 47 %, 70 % of them to within 0.7 degrees, and without lines
none (`weights/tools/calibrate_lines.py --tilts`; see `docs/level.md`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rotnet.geometry.angles import (
    QUARTER_WITHIN,
    UPRIGHT_WITHIN,
    angle_difference,
    class_angles,
    decode_angles,
    mass_near,
    quarter_turn,
    shown_angle,
)
from rotnet.inference.model_card import ModelCard
from rotnet.inference.options import Options
from rotnet.inference.prediction import AnglePrediction

__all__ = ["Action", "Decision", "decide"]

Action: TypeAlias = Literal["turned", "upright", "slight tilt", "unsure"]
ACTIONS: tuple[Action, ...] = ("turned", "upright", "slight tilt", "unsure")

LEVEL_WITHIN = 1.0  # degrees; where lines tell the level, a larger tilt is corrected on request
SLIGHT = 20.0  # degrees; a sure answer nearer to upright than this is a tilt, one beyond it another way up
APART = 20.0  # degrees between two answers that are told apart


@dataclass(frozen=True)
class Decision:
    """What is to become of one picture.

    Attributes:
        action: `"turned"`; `"upright"`, within 2 degrees; `"slight tilt"`, sure and small, and left because it may be
            meant so, no lines tell the level and levelling was not asked for; `"unsure"`. All but the first leave the
            picture as it is.
        angle: Degrees counter-clockwise, in [0, 360), that the picture is turned by: what is undone where `action` is
            `"turned"`, a quarter turn exactly where it is one within 3 degrees; else the likeliest.
        reason: Why, in words a person understands.
        confidence: Probability of this verdict, in [0, 1]: that the angle is right, or for `"maybe upright"` that the
            picture stands upright.

    Example:
        >>> Decision("turned", 90.0, "turned by 90.0°", 0.99).turn
        90.0
    """

    action: Action
    angle: float
    reason: str
    confidence: float

    @property
    def turn(self) -> float:
        """Degrees to undo; 0 where the picture is left."""
        return self.angle if self.action == "turned" else 0.0


def decide(prediction: AnglePrediction, card: ModelCard, options: Options = Options()) -> Decision:  # noqa: B008 - frozen
    """Say what is to become of a picture.

    Args:
        prediction: What the model says of it.
        card: The model's card, which has the thresholds.
        options: What was asked.

    Returns:
        The decision.

    Example:
        >>> sideways = AnglePrediction(91.0, 0.99, np.eye(360, dtype=np.float32)[91])
        >>> decide(sideways, ModelCard()).reason
        'turned by 90.0°'
    """
    angle = round(prediction.angle, 3) % 360.0  # what is reported is what is done
    least = card.min_confidence if options.min_confidence is None else options.min_confidence
    away = float(angle_difference(angle, 0.0))
    if prediction.confidence < least:
        return _unsure(prediction, card, angle, away, least)
    is_known = prediction.is_level_known
    is_exact = is_known and options.level is True
    if away <= (LEVEL_WITHIN if is_exact else UPRIGHT_WITHIN):
        return Decision("upright", angle, f"upright within {UPRIGHT_WITHIN:g}°", prediction.confidence)
    is_asked = options.min_confidence is not None or options.angle_range is not None
    may_be_upright = not is_asked and card.upright(prediction.probabilities) > card.max_upright
    if may_be_upright and away > SLIGHT:
        return _maybe_upright(prediction, card, angle)
    corrects = options.level if options.level is not None else is_known or not may_be_upright
    if away <= SLIGHT and not corrects:
        reason = f"slight tilt of {shown_angle(angle)}, may be meant so: left as it is"
        return Decision("slight tilt", angle, reason, prediction.confidence)
    quarter = quarter_turn(angle, LEVEL_WITHIN if is_exact else QUARTER_WITHIN) if options.quarter_turns else None
    used = angle if quarter is None else quarter
    return Decision("turned", used, f"turned by {shown_angle(used)}", prediction.confidence)


def _unsure(prediction: AnglePrediction, card: ModelCard, angle: float, away: float, least: float) -> Decision:
    if prediction.confidence >= card.min_confidence:
        reason = f"less sure than asked for: {prediction.confidence:.2f}, not {least:g}"
        return Decision("unsure", angle, reason, prediction.confidence)
    if away <= SLIGHT:
        return _maybe_upright(prediction, card, angle)
    other = _second(prediction.probabilities, angle)
    if other is None:
        reason = f"not sure which way: {shown_angle(angle)} is the best of many"
    else:
        reason = f"not sure which way: {shown_angle(angle)} or {shown_angle(other)}"
    return Decision("unsure", angle, reason, prediction.confidence)


def _maybe_upright(prediction: AnglePrediction, card: ModelCard, angle: float) -> Decision:
    likely = card.confidence(prediction.probabilities, 0.0, prediction.turns)
    if angle_difference(angle, 0.0) <= 2 * card.tolerance:
        return Decision("unsure", angle, f"maybe upright, maybe {shown_angle(angle)}", likely)
    # two answers that exclude each other: what one has, the other has not
    likely = min(likely, 1.0 - prediction.confidence)
    reason = f"maybe upright, though {shown_angle(angle)} is likelier: no turn is better than a wrong one"
    return Decision("unsure", angle, reason, likely)


def _second(probabilities: NDArray[np.float32], angle: float) -> float | None:
    """The best angle apart from another one; None where the rest is flat."""
    rest = np.where(np.asarray(angle_difference(class_angles(len(probabilities)), angle)) > APART, probabilities, 0.0)
    total = float(rest.sum())
    if total <= 0.0:
        return None
    other = float(decode_angles(rest))
    return other if mass_near(rest, other, APART / 2) > 3 * total * APART / 360.0 else None
