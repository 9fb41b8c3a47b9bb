"""Turning a picture upright, whatever kind of thing it came as."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rotnet import images as pictures
from rotnet.errors import UsageError
from rotnet.geometry import CROPS, Fill, rotate
from rotnet.inference import AnglePrediction, as_predictor, is_many

# types that the warp does not know, and one that holds all their values
_WIDER = {"int8": np.int16, "float16": np.float32}


def correct_rotation(
    image: Any,
    *,
    model: Any = "photo",
    crop: str = "inscribed",
    fill: Fill = 0,
    interpolation: str = "cubic",
    min_confidence: float | None = None,
    return_prediction: bool = False,
) -> Any:
    """Turn a picture upright, if the model is sure enough which way that is.

    Args:
        image: A path, bytes, file object, PIL image or array, or a list (or 4-D array) of them.
        model: Name of a preset, path of an `.onnx` or `.keras` file, a `Predictor` or a Keras model.
        crop: `"inscribed"` cuts to the largest rectangle without empty corners, `"expand"` keeps every pixel and fills the
            corners, `"same"` keeps the size.
        fill: Level of what lies outside the picture, one number or one a channel, in the picture's own levels.
        interpolation: `"nearest"`, `"bilinear"`, `"cubic"` or `"lanczos"`.
        min_confidence: Below it the picture comes back unturned; None takes the model's own threshold, 0 always turns.
        return_prediction: Return `(picture, AnglePrediction)` instead of the picture alone.

    Returns:
        An array of the same dtype and channels for an array; a PIL image for a PIL image, a path, bytes or a file, its
        EXIF orientation applied; a list for a list or a 4-D array.

    Raises:
        ImageError: A picture cannot be read.
        UsageError: An option is not as described.
        WeightsError: The model cannot be loaded or is none.

    Example:
        >>> upright = correct_rotation(np.zeros((60, 80, 3), np.uint8), min_confidence=1.0)
        >>> upright.shape
        (60, 80, 3)
    """
    if crop not in CROPS:
        raise UsageError(f"crop must be one of {CROPS}. Received: crop={crop!r}.")
    if min_confidence is not None and not 0 <= min_confidence <= 1:
        raise UsageError(f"min_confidence must be None or in [0, 1]. Received: min_confidence={min_confidence}.")
    predictor = as_predictor(model)
    threshold = predictor.card.min_confidence if min_confidence is None else min_confidence

    def correct(one: Any) -> Any:
        # a file object can be read only once
        loaded = one if isinstance(one, np.ndarray) else pictures.open_pil(one)
        prediction = predictor.predict([loaded])[0]
        angle = prediction.angle if prediction.confidence >= threshold else 0.0
        upright = turn_back(loaded, angle, crop=crop, fill=fill, interpolation=interpolation)
        return (upright, prediction) if return_prediction else upright

    return [correct(one) for one in image] if is_many(image) else correct(image)


def turn_back(
    image: NDArray[Any] | Image.Image,
    angle: float,
    *,
    crop: str = "inscribed",
    fill: Fill = 0,
    interpolation: str = "cubic",
) -> Any:
    """Undo a rotation by `angle`: an array gives an array of its dtype, a PIL image one of its mode.

    Palettes become true colour where pixels have to be mixed; metadata in `info` is kept.

    Args:
        image: `(H, W)` or `(H, W, C)` array, or a PIL image.
        angle: Degrees, counter-clockwise as seen, that the picture has been turned by.
        crop, fill, interpolation: As for `correct_rotation`.

    Example:
        >>> turn_back(np.zeros((2, 3), np.int64), 90.0).shape
        (3, 2)
    """
    options: dict[str, Any] = {"crop": crop, "fill": fill, "interpolation": interpolation}
    if isinstance(image, np.ndarray):
        return _turn_array(image, -angle, options)
    if angle % 360.0 == 0.0:
        return image.copy()
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    turned = Image.fromarray(_turn_array(np.asarray(image), -angle, options))
    # an array of four channels says nothing of inks
    if turned.mode != image.mode:
        turned = Image.frombytes(image.mode, turned.size, turned.tobytes()) if image.mode == "CMYK" else turned.convert(image.mode)
    turned.info = dict(image.info)
    return turned


def _turn_array(image: NDArray[Any], angle: float, options: dict[str, Any]) -> NDArray[Any]:
    if image.dtype in (np.uint8, np.uint16, np.int16, np.float32, np.float64, bool):
        return rotate(image, angle, **options)
    wide = rotate(image.astype(_WIDER.get(image.dtype.name, np.float64)), angle, **options)
    if image.dtype.kind in "iu":
        limits = np.iinfo(image.dtype)
        wide = np.clip(np.rint(wide), limits.min, limits.max)
    return wide.astype(image.dtype)


__all__ = ["AnglePrediction", "correct_rotation", "turn_back"]
