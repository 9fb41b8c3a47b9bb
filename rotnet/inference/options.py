"""What a caller may ask of a prediction and of the decision that follows from it, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rotnet.errors import UsageError
from rotnet.inference.allowed_angles import AngleRange, check_allowed

Turns: TypeAlias = Literal[1, 4]
Refine: TypeAlias = Literal["lines"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is asked, handed through from the caller to whoever needs it.

    Attributes:
        turns: Views that are pooled for an answer: 4 for the picture and its quarter turns, or 1. None takes 1, 2 or
            4, until it is sure.
        angle_range: `(low, high)` degrees to choose the answer from, as `(-15, 15)`; None allows all angles. Whoever
            gives one says that the pictures are tilted: they are not left because they may stand upright.
        right_angles: Answer 0, 90, 180 or 270 only.
        min_confidence: Turn a picture if its confidence is at least this, in [0, 1]. None takes what the model's card
            says, and leaves pictures that may as well stand upright.
        level: What becomes of a slight tilt, up to 20 degrees, that may be meant so. None corrects it where the lines
            of the picture tell the level, so that it is known and not guessed; True wherever the model is sure of it;
            False leaves it, whatever else is asked.
        refine: `"lines"` refines a sure answer by the straight lines of the picture, where there are enough; None
            leaves what the network says.
        quarter_turns: Take an angle within 3 degrees of a quarter turn for that quarter turn, which costs nothing.

    Raises:
        UsageError: An option is not as described.

    Example:
        >>> Options(angle_range=(-15, 15)).turns is None
        True
        >>> Options(turns=3)
        Traceback (most recent call last):
        rotnet.errors.UsageError: turns must be 1 or 4, or None. Received: turns=3.
    """

    turns: Turns | None = None
    angle_range: AngleRange | None = None
    right_angles: bool = False
    min_confidence: float | None = None
    level: bool | None = None
    refine: Refine | None = "lines"
    quarter_turns: bool = True

    def __post_init__(self) -> None:
        if self.turns not in (None, 1, 4) or isinstance(self.turns, bool):
            raise UsageError(f"turns must be 1 or 4, or None. Received: turns={self.turns!r}.")
        if self.refine not in (None, "lines"):
            raise UsageError(f"refine must be 'lines' or None. Received: refine={self.refine!r}.")
        if self.level not in (None, False, True):
            raise UsageError(f"level must be True, False or None. Received: level={self.level!r}.")
        check_allowed(self.angle_range, self.right_angles)
        if self.min_confidence is not None:
            object.__setattr__(self, "min_confidence", _share(self.min_confidence))


def _share(min_confidence: float) -> float:
    try:
        value = float(min_confidence)
    except (TypeError, ValueError):
        value = float("nan")
    if not 0 <= value <= 1:  # NaN compares as false
        raise UsageError(f"min_confidence must be None or in [0, 1]. Received: min_confidence={min_confidence!r}.")
    return value
