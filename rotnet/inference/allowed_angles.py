"""From probabilities to an angle that the caller allows: any, one of a range, or a right angle."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rotnet.errors import UsageError
from rotnet.geometry.angles import (
    angle_difference,
    class_angles,
    decode_angles,
    mass_near,
    signed_difference,
    wrap_angle,
)

AngleRange: TypeAlias = "tuple[float, float]"
RIGHT_ANGLES = (0.0, 90.0, 180.0, 270.0)
NEAR = 10.0  # degrees around an angle whose probabilities speak for it; few pictures stand quite straight


def check_allowed(angle_range: AngleRange | None, right_angles: bool) -> None:
    """Raise `UsageError` unless there are angles that both options allow; see `decode_allowed`."""
    if angle_range is None:
        return
    try:
        low, high = (float(angle) for angle in angle_range)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not 0 < high - low <= 360:  # NaN compares as false
        raise UsageError(
            "angle_range must be None or (low, high) degrees, low < high and at most 360 apart, as (-15, 15). "
            f"Received: angle_range={angle_range!r}."
        )
    if not right_angles:
        return
    allowed = allowed_right_angles(angle_range)
    if not allowed:
        raise UsageError(f"angle_range must hold a right angle to choose from. Received: angle_range={angle_range!r}.")
    if allowed == [0.0]:  # what is left to answer is that every picture stands upright
        raise UsageError(
            "angle_range leaves 0 as the only right angle, so that nothing would be turned: leave out right_angles "
            f"(--right-angles) or angle_range (--angle-range). Received: angle_range={angle_range!r}."
        )


def decode_allowed(
    probabilities: NDArray[np.floating],
    *,
    method: str = "local_mean",
    angle_range: AngleRange | None = None,
    right_angles: bool = False,
) -> float:
    """The most likely of the allowed angles.

    Args:
        probabilities: `(bins,)`, evenly spaced from 0 degrees.
        method: How probabilities become an angle, one that `rotnet.decode_angles` names.
        angle_range: `(low, high)` degrees, as `(-15, 15)`; None allows all angles.
        right_angles: Allow 0, 90, 180 and 270 only, those of them that lie in the range.

    Returns:
        Degrees in [0, 360).

    Example:
        >>> upside_down, tilted = np.eye(360)[180], np.eye(360)[5]
        >>> decode_allowed(0.9 * upside_down + 0.1 * tilted, angle_range=(-15, 15))
        5.0
        >>> decode_allowed(tilted, right_angles=True)
        0.0
    """
    if right_angles:
        return max(allowed_right_angles(angle_range), key=lambda angle: mass_near(probabilities, angle, NEAR))
    if angle_range is None:
        return float(decode_angles(probabilities, method=method))
    low, high = angle_range
    bins = class_angles(len(probabilities))
    # half a bin more, so that a range between two bins has one
    inside = _within(bins, (low - 180.0 / len(bins), high + 180.0 / len(bins)))
    angle = decode_angles(np.where(inside, probabilities, 0.0), method=method)
    # once more with its surroundings: what lies beyond the end of the range says how near to it the angle is
    around = np.asarray(angle_difference(bins, angle)) <= NEAR
    angle = decode_angles(np.where(around, probabilities, 0.0), method=method)
    middle, half = (low + high) / 2, (high - low) / 2
    return float(wrap_angle(middle + np.clip(signed_difference(angle, middle), -half, half)))


def is_allowed(angle: float, angle_range: AngleRange | None) -> bool:
    """Whether an angle, in degrees, lies in the range.

    Example:
        >>> is_allowed(350.0, (-15, 15)), is_allowed(20.0, (-15, 15)), is_allowed(20.0, None)
        (True, False, True)
    """
    return angle_range is None or bool(_within(angle, angle_range))


def allowed_right_angles(angle_range: AngleRange | None) -> list[float]:
    """Those of 0, 90, 180 and 270 that lie in the range.

    Example:
        >>> allowed_right_angles((-15, 100))
        [0.0, 90.0]
    """
    return [angle for angle in RIGHT_ANGLES if angle_range is None or _within(angle, angle_range)]


def _within(angle: ArrayLike, angle_range: AngleRange) -> NDArray[np.bool_]:
    low, high = angle_range
    return np.asarray(angle_difference(angle, (low + high) / 2)) <= (high - low) / 2
