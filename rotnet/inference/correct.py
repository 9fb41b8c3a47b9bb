"""Turning a picture upright, whatever kind of thing it came as."""

from __future__ import annotations

from typing import Any

import numpy as np

from rotnet.errors import UsageError
from rotnet.geometry.warping import Fill
from rotnet.images import reading
from rotnet.images.turning import check_options, turn_back
from rotnet.inference.allowed_angles import AngleRange
from rotnet.inference.predictor import as_predictor, each, is_many


def correct_rotation(
    image: Any,
    *,
    model: Any = "photo",
    crop: str = "inscribed",
    fill: Fill = 0,
    interpolation: str = "cubic",
    min_confidence: float | None = None,
    turns: int | None = None,
    angle_range: AngleRange | None = None,
    right_angles: bool = False,
    return_prediction: bool = False,
    strict: bool = True,
) -> Any:
    """Turn a picture upright, if the model is sure enough which way that is.

    Args:
        image: A path, bytes, file object, PIL image or array, as `rotnet.read_image` takes, or a list (or 4-D array) of
            them.
        model: Name of a preset, path of an `.onnx` or `.keras` file, a `Predictor` or a Keras model.
        crop: `"inscribed"` cuts to the largest rectangle without empty corners, `"expand"` keeps every pixel and fills
            the corners, `"same"` keeps the size.
        fill: Level of what lies outside the picture, in the picture's own levels. One number is for every channel,
            alpha too, so that 0 is transparent where there is alpha; otherwise one number a channel, or red, green and
            blue, which become gray where there is no colour, and opaque.
        interpolation: `"nearest"`, `"bilinear"`, `"cubic"` or `"lanczos"`.
        min_confidence: Below it the picture comes back unturned; 0 always turns. None takes the model's own threshold
            and, unless `angle_range` says that the pictures are tilted, also spares those that may well stand upright.
        turns, angle_range, right_angles: As for `rotnet.predict_angle`.
        strict: Refuse damaged pictures, as `rotnet.read_image` does.
        return_prediction: Return `(picture, AnglePrediction)` instead of the picture alone.

    Returns:
        An array of the same dtype and channels for an array; a PIL image for a PIL image, a path, bytes or a file, its
        EXIF orientation applied; a list for a list or a 4-D array. The input is never changed, nor returned itself.

    Raises:
        ImageError: A picture cannot be read, or is too large to be turned.
        UsageError: An option is not as described.
        WeightsError: The model cannot be loaded or is none.

    Example:
        >>> upright = correct_rotation(np.zeros((60, 80, 3), np.uint8), min_confidence=1.0)
        >>> upright.shape
        (60, 80, 3)
    """
    check_options(crop, fill, interpolation)
    predictor = as_predictor(model)
    threshold = None if min_confidence is None else _share(min_confidence)
    asked: dict[str, Any] = {"turns": turns, "angle_range": angle_range, "right_angles": right_angles}

    def correct(one: Any) -> Any:
        # a file object can be read only once
        loaded = one if isinstance(one, np.ndarray) else reading.open_pil(one, strict=strict)
        prediction = next(predictor.predict_views([predictor.view(loaded)], **asked))
        angle = prediction.angle if predictor.should_turn(prediction, threshold, angle_range=angle_range) else 0.0
        upright = turn_back(loaded, angle, crop=crop, fill=fill, interpolation=interpolation)
        return (upright, prediction) if return_prediction else upright

    return list(each(image, correct)) if is_many(image) else correct(image)


def _share(min_confidence: float) -> float:
    try:
        value = float(min_confidence)
    except (TypeError, ValueError):
        value = float("nan")
    if not 0 <= value <= 1:
        raise UsageError(f"min_confidence must be None or in [0, 1]. Received: min_confidence={min_confidence!r}.")
    return value
