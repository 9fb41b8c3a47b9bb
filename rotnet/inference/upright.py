"""Which pictures do not stand upright? A question with two answers, decided by all 360 probabilities.

The most likely angle alone is a poor judge: a picture without a clear up has one as well. What counts is whether the
model finds upright less likely than chance does, for whoever checks a folder expects most of it to be right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rotnet.errors import UsageError
from rotnet.geometry.angles import angle_difference, class_angles
from rotnet.images import reading
from rotnet.inference.options import Turns
from rotnet.inference.predictor import AnglePrediction, Model, is_many, predict_angle

__all__ = ["check_tolerance", "is_upright", "upright_probability"]

TOLERANCE = 10.0
FADING = 0.5  # of the tolerance, in which the prior of a tilt beyond it falls to a third


def is_upright(
    image: Any,
    *,
    tolerance: float = TOLERANCE,
    model: Model = "photo",
    turns: Turns | None = None,
    max_pixels: int | None = reading.MAX_PIXELS,
    strict: bool = True,
) -> Any:
    """Tell whether a picture stands upright.

    Args:
        image: A path, bytes, file object, PIL image or array, as `rotnet.read_image` takes, or a list (or 4-D array) of
            them.
        tolerance: Degrees that an upright picture may be off, in (0, 180).
        model: Name of a preset, path of an `.onnx` or `.keras` file, a `Predictor` or a Keras model.
        turns: Views that are pooled for an answer: 4 for the picture and its quarter turns, or 1. None takes 1, 2 or
            4, until it is sure.
        max_pixels: Refuse larger pictures; None for no limit.
        strict: Refuse damaged pictures; False answers for what is left of them.

    Returns:
        True where upright is at least as likely as not, see `upright_probability`; a list of answers for a list or a
        4-D array.

    Raises:
        ImageError: A picture cannot be read.
        UsageError: An option is not as described.
        WeightsError: The model cannot be loaded.

    Example:
        >>> is_upright("examples/photos/astronaut.jpg")
        False
    """
    check_tolerance(tolerance)
    answers = predict_angle(image, model=model, turns=turns, max_pixels=max_pixels, strict=strict)
    if is_many(image):
        return [_is_likely(answer, tolerance) for answer in answers]
    return _is_likely(answers, tolerance)


def upright_probability(probabilities: npt.ArrayLike, *, tolerance: float = TOLERANCE) -> npt.NDArray[np.float64]:
    """Probability that a picture stands upright, given that half of all pictures do.

    A model learns from pictures turned by any angle alike, of which few stand upright. Bayes' rule replaces that prior
    by even odds; a model that knows nothing comes out at one half, whatever the tolerance. Just beyond the tolerance
    the prior does not fall at once but fades, to a third within half the tolerance again, so that a small doubt does
    not make a sure tilt upright.

    Args:
        probabilities: `(..., bins)`, one for each part of a turn from 0 on, summing to 1.
        tolerance: Degrees that an upright picture may be off, in (0, 180).

    Returns:
        `(...)` in [0, 1].

    Raises:
        UsageError: The tolerance is out of range.

    Example:
        >>> round(float(upright_probability(np.full(360, 1 / 360))), 6)
        0.5
        >>> float(upright_probability(np.eye(360)[180]))
        0.0
    """
    check_tolerance(tolerance)
    values = np.asarray(probabilities, np.float64)
    distance = np.asarray(angle_difference(class_angles(values.shape[-1]), 0.0))
    near = distance <= tolerance
    off = distance - distance[near].max()
    fading = np.where(near, 0.0, np.exp(-np.maximum(off, 0.0) / (FADING * tolerance)))
    # so much likelier than far off that both sides have the same prior in all
    likelier = ((~near).sum() - fading.sum()) / (near.sum() - fading.sum())
    upright = likelier * values[..., near].sum(axis=-1)
    turned = (values * np.where(near, 0.0, 1.0 + (likelier - 1.0) * fading)).sum(axis=-1)
    return np.asarray(upright / np.maximum(upright + turned, np.finfo(np.float64).tiny))


def _is_likely(answer: AnglePrediction, tolerance: float) -> bool:
    return bool(upright_probability(answer.probabilities, tolerance=tolerance) >= 0.5)


def check_tolerance(tolerance: float) -> None:
    """Raise `UsageError` unless these are degrees that an upright picture may be off."""
    if not 0 < tolerance < 180:
        raise UsageError(f"tolerance must be degrees between 0 and 180. Received: tolerance={tolerance!r}.")
