"""From any pixel values to RGB or gray of 8 bits."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from rotnet.errors import ImageError, UsageError
from rotnet.images.orientation import apply_orientation

__all__ = ["as_channels", "binarize_images", "is_mask", "pixel_values", "to_rgb", "to_rgb_array"]

_BAND = 4_000_000  # pixels that are converted at a time


def binarize_images(images: npt.ArrayLike, *, threshold: float = 0.1) -> npt.NDArray[np.float32]:
    """Binarize pixel values: 0.0 below a threshold, 1.0 from there on.

    Args:
        images: Array of any shape: integers in 0..255, or 0 and 1 alone; `bool`; or floats, in [0, 1] if the largest is
            at most 1, else in [0, 255]. It is not changed.
        threshold: The least share of full brightness that counts as 1, in [0, 1].

    Returns:
        `float32` of the same shape, 1.0 where the value is at least `threshold` of full brightness.

    Raises:
        ImageError: The values are not numbers, not finite or out of range.

    Example:
        >>> binarize_images(np.array([0, 25, 26, 255], np.uint8)).tolist()
        [0.0, 0.0, 1.0, 1.0]
    """
    values = np.asarray(images)
    if values.size == 0:
        return np.zeros(values.shape, np.float32)
    scaled = _scaled(values.astype(bool) if is_mask(values) else values, "images")
    return (scaled >= threshold * 255).astype(np.float32)


def as_channels(image: npt.NDArray[np.uint8], channels: int) -> npt.NDArray[np.uint8]:
    """Give an RGB picture one channel or three.

    Args:
        image: RGB `uint8` of shape `(H, W, 3)`.
        channels: 1 for gray (ITU-R 601 luma), 3 to leave it as it is.

    Returns:
        `uint8` of shape `(H, W, channels)`.

    Raises:
        ValueError: `channels` is neither 1 nor 3.

    Example:
        >>> as_channels(np.full((1, 1, 3), 7, np.uint8), 1).tolist()
        [[[7]]]
    """
    if channels == 3:
        return image
    if channels != 1:
        raise UsageError(f"channels must be 1 or 3; got {channels!r}")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)[:, :, np.newaxis]


def to_rgb(image: Image.Image, name: str) -> Image.Image:
    """Any mode to RGB: deep gray scaled to 8 bits, transparency laid on white. What is RGB comes back itself."""
    if image.mode[0] in "IF":
        pixels = np.asarray(image)
        if image.mode == "I" and (image.format == "PNG" or pixels.max() > 255):  # 16 bits in 32
            if pixels.min() < 0 or pixels.max() > 65535:
                raise ImageError(f"{name} must hold pixel values in 0..65535; got {pixels.min()} to {pixels.max()}")
            pixels = pixels.astype(np.uint16)
        image = Image.fromarray(pixel_values(pixels, name)[:, :, 0])
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def to_rgb_array(image: Image.Image, name: str, orientation: int = 1) -> npt.NDArray[np.uint8]:
    """A loaded image of any mode as RGB `uint8` of shape `(H, W, 3)`, shown as an orientation, 1 to 8, says.

    It is converted in bands, so that memory holds the image and the result and nothing else of that size. Deep gray,
    whose scale only the whole picture tells, is converted at once.
    """
    width, height = image.size
    rows = height if image.mode[0] in "IF" else max(1, _BAND // width)
    result = np.empty((width, height, 3) if orientation > 4 else (height, width, 3), np.uint8)
    stored = apply_orientation(result, {6: 8, 8: 6}.get(orientation, orientation))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        band = image if rows >= height else image.crop((0, top, width, bottom))
        stored[top:bottom] = np.asarray(to_rgb(band, name))
    return result


def pixel_values(array: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    """An array of any accepted shape and type as `uint8` of shape `(H, W, C)`."""
    shape = array.shape if array.ndim == 3 else (*array.shape, 1)
    if len(shape) != 3 or shape[2] not in (1, 2, 3, 4):
        raise ImageError(
            f"a picture must have the shape (H, W) or (H, W, C) with C from 1 to 4; got {array.shape}: "
            "put channels last, and several pictures into a list"
        )
    if array.size == 0:
        raise ImageError(f"{name} has no pixels")
    if is_mask(array):
        array = array.astype(bool)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        values = (array.astype(np.uint32) + 128) // 257
    else:
        values = np.rint(_scaled(array, name)) if array.dtype != np.uint8 else array
    return np.asarray(values, np.uint8, order="C").reshape(shape)


def is_mask(array: npt.NDArray[Any]) -> bool:
    """Whether an array, not empty, holds zeros and ones as integers, as binarized digits are often handed over."""
    if array.dtype.kind not in "ui" or array.flat[array.size // 2] > 1:  # one pixel settles it for most pictures
        return False
    return bool(array.max() == 1 and array.min() == 0)


def _scaled(values: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Numbers on the scale 0..255: `bool` and floats up to 1 multiplied, others checked."""
    if values.dtype.kind not in "buif":
        raise ImageError(f"{name} must hold numbers: bool, integers or floats; got {values.dtype}")
    if values.dtype.kind == "b":
        return values * np.uint8(255)
    low, high = values.min(), values.max()
    if not np.isfinite([low, high]).all():
        raise ImageError(f"{name} must hold finite values; got NaN or infinity")
    if values.dtype.kind == "f" and high <= 1.001:
        if low < -0.001:
            raise ImageError(f"{name} must hold floats in [0, 1] or [0, 255]; got {low:g} to {high:g}")
        return np.clip(values.astype(np.float32), 0, 1) * np.float32(255)
    if low < 0 or high > 255:
        raise ImageError(f"{name} must hold values in 0..255; got {low:g} to {high:g}: scale them first")
    return values
