"""Turning a picture upright, whatever kind of thing it came as."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from rotnet.geometry.cropping import NOTABLE_LOSS, Beyond, CropName, chosen_crop
from rotnet.geometry.filling import AnyFill, numbers_of, white_of
from rotnet.geometry.warping import Interpolation
from rotnet.images import reading
from rotnet.images.turning import check_max_loss, check_options, turn_back
from rotnet.inference.allowed_angles import AngleRange
from rotnet.inference.options import Options, Refine, Turns
from rotnet.inference.predictor import Model, as_predictor, each, is_many

_log = logging.getLogger(__name__)


def correct_rotation(
    image: Any,
    *,
    model: Model = "photo",
    crop: CropName = "fit",
    fill: AnyFill = 0,
    max_loss: float | None = None,
    beyond: Beyond = "keep",
    interpolation: Interpolation = "lanczos",
    min_confidence: float | None = None,
    turns: Turns | None = None,
    angle_range: AngleRange | None = None,
    right_angles: bool = False,
    level: bool | None = None,
    refine: Refine | None = "lines",
    return_prediction: bool = False,
    max_pixels: int | None = reading.MAX_PIXELS,
    strict: bool = True,
) -> Any:
    """Turn a picture upright, if the model is sure enough which way that is.

    An angle within 3 degrees of a quarter turn is taken for that quarter turn, which moves pixels and changes none.

    Args:
        image: A path, bytes, file object, PIL image or array, as `rotnet.read_image` takes, or a list (or 4-D array) of
            them.
        model: Name of a preset, path of an `.onnx` or `.keras` file, a `Predictor` or a Keras model.
        crop: `"fit"` cuts to the largest rectangle without empty corners, `"aspect"` to the largest of the picture's
            proportions; `"keep"` keeps every pixel, and `"same"` the size, and they fill the corners. The older names
            `"inscribed"` and `"expand"` stand for `"fit"` and `"keep"`.
        fill: Pixel value of what lies outside the picture, on the picture's own scale. One number is for every channel,
            alpha too, so that 0 is transparent where there is alpha. Several are one a channel, or red, green and blue,
            which become gray where there is no colour, and opaque. The name of a colour, `"white"` or `"#ffffff"` say,
            stands for these. `"mirror"` for the picture's mirror image, `"blur"` for that fading into a blur.
        max_loss: The largest share of the picture's area, from 0 to 1, that the crop may lose; None for any.
        beyond: What is done where it would lose more: `"keep"` keeps everything, `"leave"` does not turn the picture.
        interpolation: `"nearest"`, `"bilinear"`, `"cubic"` or `"lanczos"`.
        min_confidence: Below it the picture comes back unturned; 0 turns whatever does not stand upright within 2
            degrees. None takes the model's own threshold and, unless `angle_range` says that the pictures are tilted,
            also leaves those that may as well stand upright.
        turns: Views that are pooled for an answer: 4 or 1; None takes 1, 2 or 4, until it is sure.
        angle_range: `(low, high)` degrees to choose the answer from, as `(-15, 15)` for a horizon that is not quite
            level; None allows all.
        right_angles: Answer 0, 90, 180 or 270 degrees only.
        level: Slight tilts, which may be meant so, are corrected where lines tell the level (None), wherever the model
            is sure of them (True), or not (False).
        refine: `"lines"` refines a sure answer by the straight lines of the picture; None leaves what the network says.
        return_prediction: Return `(picture, AnglePrediction)` instead of the picture alone.
        max_pixels: Refuse larger pictures; None for no limit.
        strict: Refuse damaged pictures; False takes what is left of them.

    Returns:
        An array of the same dtype and channels for an array; a PIL image for a PIL image, a path, bytes or a file, its
        EXIF orientation applied; a list for a list or a 4-D array. The input is never changed, nor returned itself.

    Raises:
        ImageError: A picture cannot be read, or is too large to be turned.
        UsageError: An option is not as described.
        WeightsError: The model cannot be loaded.

    Example:
        >>> upright = correct_rotation(np.zeros((60, 80, 3), np.uint8), min_confidence=1.0)
        >>> upright.shape
        (60, 80, 3)
    """
    asked = check_options(crop, numbers_of(fill), interpolation)
    check_max_loss(max_loss, beyond)
    predictor = as_predictor(model)
    options = Options(
        turns=turns,
        angle_range=angle_range,
        right_angles=right_angles,
        min_confidence=min_confidence,
        level=level,
        refine=refine,
    )

    def correct(one: Any) -> Any:
        # a file object can be read only once
        loaded = one if isinstance(one, np.ndarray) else reading.open_pil(one, max_pixels=max_pixels, strict=strict)
        prediction = next(predictor.predict_views([predictor.view(loaded, max_pixels=max_pixels)], options))
        turn = predictor.decide(prediction, options).turn
        height, width = loaded.shape[:2] if isinstance(loaded, np.ndarray) else loaded.size[::-1]
        taken, lost = chosen_crop(width, height, turn, asked, max_loss, beyond)
        if max_loss is None and lost > NOTABLE_LOSS:
            _log.warning("the crop loses %.0f %% of a picture's area: crop='keep' or max_loss keeps it", 100 * lost)
        corners = numbers_of(fill, white=white_of(loaded))
        upright = turn_back(
            loaded, turn if taken else 0.0, crop=taken or asked, fill=corners, interpolation=interpolation
        )
        return (upright, prediction) if return_prediction else upright

    return list(each(image, correct)) if is_many(image) else correct(image)
