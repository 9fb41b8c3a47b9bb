"""Turning an array or a PIL image by a known angle."""

from __future__ import annotations

from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rotnet.errors import ImageError, UsageError
from rotnet.geometry.cropping import BEYOND, Crop, CropName, has_corners, named_crop
from rotnet.geometry.filling import FILLS, Fill, FillName, white_of
from rotnet.geometry.regions import Move
from rotnet.geometry.warping import INTERPOLATIONS, Interpolation, rotate
from rotnet.images.formats.exif import moved_info

__all__ = ["check_max_loss", "check_options", "turn_back"]

# types that the warp knows; others go through one that holds all their values
_WARPED = (np.uint8, np.uint16, np.int16, np.float32, np.float64, bool)
_WIDER = {"int8": np.int16, "float16": np.float32}
# modes in which a mixture of two pixels is not the colour between them: palettes, hues, colours under transparency
_MIXED_IN = {"LA": "La", "RGBA": "RGBa", "PA": "RGBa", "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB", "LAB": "RGB"}
_LUMA = (0.299, 0.587, 0.114)
# what undoes a quarter turn
_QUARTERS = {
    90.0: Image.Transpose.ROTATE_270,
    180.0: Image.Transpose.ROTATE_180,
    270.0: Image.Transpose.ROTATE_90,
}


def turn_back(
    image: NDArray[Any] | Image.Image,
    angle: float,
    *,
    crop: CropName = "fit",
    fill: Fill = 0,
    interpolation: Interpolation = "cubic",
) -> Any:
    """Undo a rotation by `angle`: an array gives an array of its dtype, a PIL image one of its mode.

    Quarter turns are exact in every mode; otherwise palettes, and a colour that means clear, become true colour.
    Metadata in `info` is kept; the faces and other places that EXIF and XMP name go along.

    Args:
        image: `(H, W)` or `(H, W, C)` array, or a PIL image.
        angle: Degrees, counter-clockwise as seen, that the picture has been turned by.
        crop: `"fit"` cuts to the largest rectangle without empty corners, `"aspect"` to the largest of the picture's
            proportions; `"keep"` keeps every pixel, and `"same"` the size, and they fill the corners.
        fill: Pixel value of what lies outside the picture: one number for every channel, one a channel, or red, green
            and blue; `"mirror"` for its mirror image, `"blur"` for that fading into a blur.
        interpolation: `"nearest"`, `"bilinear"`, `"cubic"` or `"lanczos"`.

    Returns:
        A new picture, a copy where `angle` is 0.

    Raises:
        ImageError: The picture is too large to be turned.
        UsageError: An option is not as described.

    Example:
        >>> turn_back(np.zeros((2, 3), np.int64), 90.0).shape
        (3, 2)
    """
    crop = check_options(crop, fill, interpolation)
    if angle % 360.0 == 0.0:
        return image.copy()
    if isinstance(image, np.ndarray):
        values = _fill_values(fill, 1 if image.ndim == 2 else image.shape[2], white_of(image))
        return _turn_array(image, -angle, crop, values, interpolation)
    if angle % 360.0 in _QUARTERS and (crop != "same" or angle % 180.0 == 0.0 or image.width == image.height):
        quarter = image.transpose(_QUARTERS[angle % 360.0])
        quarter.info = _info(image, angle, quarter.size)
        return quarter
    if image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode in ("1", "L", "RGB") and "transparency" in image.info:  # a colour that means clear
        image = image.convert("RGBA" if image.mode == "RGB" else "LA")
    mode = "RGBA" if image.mode == "PA" else image.mode
    mixed = image.convert(_MIXED_IN[image.mode]) if image.mode in _MIXED_IN else image
    values = _fill_of_mode(fill, mixed.mode)
    turned = _turn_array(np.asarray(mixed), -angle, crop, values, interpolation)
    if mixed.mode == "1":
        upright = Image.fromarray(turned)
    else:  # an array of four channels says nothing of inks, one of two bytes nothing of their order
        upright = Image.frombytes(mixed.mode, (turned.shape[1], turned.shape[0]), turned.tobytes())
    upright = upright.convert(mode)
    upright.info = _info(image, angle, upright.size)
    return upright


def _info(image: Image.Image, angle: float, size: tuple[int, int]) -> dict[Any, Any]:
    """The metadata of an image, whose places go along with its pixels."""
    return moved_info(image.info, Move.oriented(image.size, 1).turned_back(angle, size))


def _turn_array(
    image: NDArray[Any], angle: float, crop: Crop, fill: tuple[float, ...] | FillName, interpolation: Interpolation
) -> NDArray[Any]:
    dtype = image.dtype
    if dtype.kind in "iu" and not isinstance(fill, str):
        fill = tuple(np.rint(np.clip(fill, np.iinfo(dtype).min, np.iinfo(dtype).max)).tolist())
    wide = image if dtype in _WARPED else image.astype(_WIDER.get(dtype.name, np.float64))
    try:
        turned = rotate(wide, angle, crop=crop, fill=fill, interpolation=interpolation)
    except (ValueError, cv2.error) as error:
        raise ImageError(f"the picture cannot be turned: {error}") from error
    if dtype.kind == "b":
        return turned
    # some kernels overshoot, to values that the picture does not have
    values = (image.min(), image.max(), *(fill if has_corners(crop) and not isinstance(fill, str) else ()))
    low, high = min(values), max(values)
    turned = np.clip(turned, wide.dtype.type(low), wide.dtype.type(high))
    return (np.rint(turned) if dtype.kind in "iu" and turned.dtype.kind == "f" else turned).astype(dtype, copy=False)


def _fill_values(fill: Fill, channels: int, opaque: float) -> tuple[float, ...] | FillName:
    """`fill` as one pixel value a channel, the second or fourth of which is alpha, or its name."""
    if isinstance(fill, str):
        return fill
    values = tuple(np.ravel(fill).tolist())
    if np.ndim(fill) == 0:
        return values * channels
    if len(values) == channels:
        return values
    if len(values) != 3:
        raise UsageError(f"fill must be one number, three, or one a channel, {channels} here. Received: fill={fill!r}.")
    colour = values if channels > 2 else (float(np.dot(_LUMA, values)),)
    return (*colour, opaque) if channels in (2, 4) else colour


def _fill_of_mode(fill: Fill, mode: str) -> tuple[float, ...] | FillName:
    """`fill` for the channels of a PIL mode."""
    if isinstance(fill, str):
        return fill
    if mode == "CMYK" and np.size(fill) in (1, 3):  # inks take light away
        return (*(255.0 - value for value in np.broadcast_to(np.ravel(fill), 3).tolist()), 0.0)
    values = cast(tuple[float, ...], _fill_values(fill, len(Image.new(mode, (1, 1)).getbands()), 255.0))
    if mode == "1":
        return (values[0] / 255.0,)
    if mode in ("La", "RGBa"):
        return (*(value * values[-1] / 255.0 for value in values[:-1]), values[-1])
    return values


def check_max_loss(max_loss: float | None, beyond: str) -> None:
    """Check how much of a picture a crop may lose; else a `UsageError`."""
    is_share = isinstance(max_loss, (int, float)) and not isinstance(max_loss, bool) and 0.0 <= max_loss <= 1.0
    if max_loss is not None and not is_share:
        raise UsageError(f"max_loss must be None or a share from 0 to 1. Received: max_loss={max_loss!r}.")
    if beyond not in BEYOND:
        raise UsageError(f"beyond must be one of {BEYOND}. Received: beyond={beyond!r}.")


def check_options(crop: str, fill: Fill, interpolation: str) -> Crop:
    """Check how a picture is to be turned; its crop, by the name of today."""
    try:
        named = named_crop(crop)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if interpolation not in tuple(INTERPOLATIONS):
        raise UsageError(f"interpolation must be one of {tuple(INTERPOLATIONS)}. Received: {interpolation!r}.")
    try:
        valid = fill in FILLS if isinstance(fill, str) else np.ndim(fill) < 2 and bool(np.isfinite(fill).all())
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise UsageError(f"fill must be one finite number, one a channel, or one of {FILLS}. Received: fill={fill!r}.")
    return named
