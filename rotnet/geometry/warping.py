"""Rotating and scaling of one image array.

Everything that turns a picture goes through `warp_view`: one affine sampling from the source straight to the output,
anti-aliased. A chain of resizes and rotations would leave traces of the angle that a network learns to read instead of
the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from rotnet.geometry.angles import sin_cos
from rotnet.geometry.cropping import (
    CropName,
    crop_around_center,
    crop_size,
    has_corners,
    largest_rotated_rect,
    named_crop,
)
from rotnet.geometry.filling import FILLS, Fill, faded

Interpolation: TypeAlias = Literal["nearest", "bilinear", "cubic", "lanczos"]
INTERPOLATIONS: dict[Interpolation, int] = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}
MAX_WARP_SIDE = 32766  # OpenCV addresses the pixels of a warp with 16 bits
MAX_SPACING = 1.5  # source pixels between samples, beyond which a finer grid is averaged


def rotate(
    image: NDArray,
    angle: float,
    resize: bool = False,
    *,
    preserve_range: Literal[True] = True,
    crop: CropName | None = None,
    fill: Fill = 0,
    interpolation: Interpolation = "bilinear",
) -> NDArray:
    """Turn an image counter-clockwise as seen.

    The first arguments are those of `skimage.transform.rotate`, but dtype and pixel values are always kept.

    Args:
        image: `(H, W)` or `(H, W, C)` with 1 to 4 channels; uint8, uint16, int16, float32, float64 or bool.
        angle: Degrees, any finite value. Multiples of 90 are exactly `np.rot90`, without resampling,
            unless `crop` is `"same"` and the quarter turn does not fit its canvas.
        resize: Grow the canvas until the whole picture fits; the same as `crop="keep"`.
        preserve_range: True, for pixel values are never rescaled.
        crop: `"same"` keeps the size of the canvas; `"keep"` grows it until the whole picture fits; `"fit"` keeps the
            largest rectangle without a corner of the fill, `"aspect"` the largest of the picture's proportions. None is
            `"keep"` with `resize`, else `"same"`. The older names `"expand"` and `"inscribed"` stand for `"keep"` and
            `"fit"`.
        fill: Pixel value outside the picture, one number or one a channel; `"mirror"` for its mirror image, `"blur"`
            for that fading into a blur.
        interpolation: `"nearest"`, `"bilinear"`, `"cubic"` or `"lanczos"`.

    Returns:
        A new array of the same dtype and number of channels.

    Raises:
        ValueError: An argument is not as described, or a side is over 32,766 pixels where the picture is resampled.

    Example:
        >>> image = np.arange(6, dtype=np.uint8).reshape(2, 3)
        >>> bool((rotate(image, 90, resize=True) == np.rot90(image)).all())
        True
    """
    _check_image(image)
    if preserve_range is not True:
        raise ValueError(f"preserve_range must be True: values stay. Received: preserve_range={preserve_range!r}.")
    how = named_crop(crop if crop is not None else "keep" if resize else "same")
    if resize and how != "keep":
        raise ValueError(f"crop must be None or 'keep' with resize=True. Received: crop={crop!r}.")
    if not math.isfinite(angle):
        raise ValueError(f"angle must be finite degrees. Received: angle={angle}.")
    height, width = image.shape[:2]
    quarters, rest = divmod(angle, 90.0)
    if rest == 0.0 and (how != "same" or quarters % 2 == 0 or width == height):
        return np.rot90(image, int(quarters % 4)).copy()
    sides = crop_size(width, height, math.radians(angle % 360.0), how)
    if how == "keep":
        w, h = (math.ceil(side - 1e-6) for side in sides)
    else:
        w, h = (max(1, math.floor(side + 1e-6)) for side in sides)
    around = fill if has_corners(how) else None
    return warp_view(image, angle, (h, w), view_size=(h, w), fill=around, interpolation=interpolation)


def warp_view(
    image: NDArray,
    angle: float,
    size: tuple[int, int],
    *,
    view_size: tuple[float, float],
    offset: tuple[float, float] = (0.0, 0.0),
    flip: bool = False,
    fill: Fill | None = 0,
    interpolation: Interpolation = "bilinear",
) -> NDArray:
    """Rotate an image about its centre and look at it through a rectangular window, in one anti-aliased sampling.

    Where the window holds more pixels than the output, no detail folds back as a pattern: while three or more go into
    one of the output along a side, the picture is halved by averaging; what is left is sampled on a grid finer by a
    whole factor, no further than 1.5 pixels apart, and averaged.

    Args:
        image: `(H, W)` or `(H, W, C)` with 1 to 4 channels; uint8, uint16, int16, float32, float64 or bool.
        angle: Degrees, counter-clockwise as seen.
        size: `(height, width)` of the output, pixels.
        view_size: `(height, width)` of the window, source pixels.
        offset: `(down, right)` from the centre of the rotated picture to that of the window, source pixels.
        flip: Mirror the picture left to right before it is rotated.
        fill: Pixel value outside the picture, one number or one a channel; `"mirror"` for its mirror image, `"blur"`
            for that fading into a blur; None repeats the edge, for a window that lies inside, so that no kernel reaches
            for a colour that is not there.
        interpolation: `"nearest"`, `"bilinear"`, `"cubic"` or `"lanczos"`; a finer grid is sampled bilinearly, for
            averaging hides the kernel.

    Returns:
        Array of `size`, dtype and channels of `image`.

    Raises:
        ValueError: An argument is not as described.
    """
    _check_image(image)
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"interpolation must be one of {sorted(INTERPOLATIONS)}. Received: {interpolation!r}.")
    _check_size(size)
    if not min(view_size) > 0:
        raise ValueError(f"view_size must be positive. Received: view_size={view_size}.")
    if not math.isfinite(angle):
        raise ValueError(f"angle must be finite degrees. Received: angle={angle}.")
    channels = 1 if image.ndim == 2 else image.shape[2]
    values, border = _border(fill, channels)
    full = 255.0 if image.dtype == bool else 1.0
    work = image.astype(np.uint8) * 255 if image.dtype == bool else image
    ratios = view_size[0] / size[0], view_size[1] / size[1]
    scale = 1
    while min(ratios) / scale >= 3.0:
        work, scale = halve(work), 2 * scale
    reduction = max(1, math.ceil(max(ratios) / scale / MAX_SPACING - 1e-6))
    height, width = size[0] * reduction, size[1] * reduction
    if max(*work.shape[:2], height, width) > MAX_WARP_SIDE:
        raise ValueError(
            f"image and canvas must have sides of at most {MAX_WARP_SIDE} pixels for other than quarter turns. "
            f"Received: an image of {work.shape[1]}x{work.shape[0]} for a canvas of {width}x{height}. Scale it down."
        )
    # an odd last row or column that halving dropped still counts for where the centre is
    source_size = image.shape[0] / scale, image.shape[1] / scale
    window = [length / scale for length in (*view_size, *offset)]
    matrix = window_matrix(source_size, sin_cos(angle), (height, width), window, flip=flip)
    kernel = INTERPOLATIONS[interpolation if reduction == 1 else "bilinear"]
    if rgb := channels == 3 and image.dtype == np.uint8 and reduction > 1:
        work = cv2.cvtColor(work, cv2.COLOR_RGB2RGBA)  # OpenCV samples four channels nearly twice as fast as three
    warped = cv2.warpAffine(
        work,
        matrix,
        (width, height),
        flags=kernel | cv2.WARP_INVERSE_MAP,
        borderMode=border,
        borderValue=[full * value for value in (4 * values)[:4]],
    )
    if isinstance(fill, str) and fill == "blur":
        warped = faded(warped, matrix, work.shape[:2])
    if reduction > 1:
        warped = cv2.resize(warped, (size[1], size[0]), interpolation=cv2.INTER_AREA)
    if rgb:
        warped = cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB)
    if image.dtype == bool:
        warped = warped > 127
    return warped.reshape(*size, *image.shape[2:])


def generate_rotated_image(
    image: NDArray,
    angle: float,
    size: tuple[int, int] | None = None,
    crop_center: bool = False,
    crop_largest_rect: bool = False,
    *,
    interpolation: Interpolation = "bilinear",
) -> NDArray:
    """Rotate an upright image as a training example: centre square, rotation, inscribed rectangle and resize at once.

    Args:
        image: Upright, `(H, W)` or `(H, W, C)` with 1 to 4 channels; uint8, uint16, int16, float32, float64 or bool.
        angle: Degrees, counter-clockwise as seen. Zero goes through the same sampling as every other angle.
        size: `(height, width)` of the result; None keeps the size of the crop. The crop takes the proportions of
            `size`, for a stretched picture would show another angle.
        crop_center: Look only at the centre square of the image.
        crop_largest_rect: Keep the largest rectangle free of black corners. Otherwise the picture keeps its canvas and
            its scale, and what the rotation brings in from outside is black. (The original RotNet let the canvas grow
            and then shrank it, so that a digit's size told the angle.)
        interpolation: `"nearest"`, `"bilinear"`, `"cubic"` or `"lanczos"`.

    Returns:
        Array of `size`, dtype and channels of `image`.

    Raises:
        ValueError: An argument is not as described.

    Example:
        >>> generate_rotated_image(np.zeros((60, 80, 3), np.uint8), 30.0, (32, 32), True, True).shape
        (32, 32, 3)
    """
    _check_image(image)
    height, width = image.shape[:2]
    if crop_center:
        side = min(height, width)
        image = crop_around_center(image, side, side)
        height = width = side
    size, view_size = example_window(height, width, angle, size, crop_largest_rect)
    fill = None if crop_largest_rect else 0
    return warp_view(image, angle, size, view_size=view_size, fill=fill, interpolation=interpolation)


def square_view(image: NDArray, size: tuple[int, int]) -> NDArray:
    """What a model looks at: the largest central window of its proportions, scaled with anti-aliasing.

    Args:
        image: `(H, W)` or `(H, W, C)` uint8.
        size: `(height, width)` of the result, pixels.

    Returns:
        uint8 array of `size` and the channels of `image`.

    Example:
        >>> square_view(np.zeros((60, 80, 3), np.uint8), (32, 32)).shape
        (32, 32, 3)
    """
    _check_image(image)
    _check_size(size)
    scale = min(image.shape[0] / size[0], image.shape[1] / size[1])
    width, height = (max(1, round(scale * length)) for length in (size[1], size[0]))
    window = np.ascontiguousarray(crop_around_center(image, width, height))
    if window.shape[:2] == tuple(size):
        return window.copy()
    interpolation = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    return cv2.resize(window, (size[1], size[0]), interpolation=interpolation).reshape(*size, *image.shape[2:])


def halve(image: NDArray) -> NDArray:
    """Average 2x2 pixels; an odd last row or column is dropped.

    Args:
        image: `(H, W)` or `(H, W, C)` of a dtype that `rotate` takes, but bool.

    Returns:
        A new array of half the sides, at least 1, and the dtype and channels of `image`.

    Example:
        >>> halve(np.array([[0, 2, 9], [4, 6, 9]], np.uint8))
        array([[3]], dtype=uint8)
    """
    height, width = (max(1, side // 2) for side in image.shape[:2])
    even = image[: 2 * height, : 2 * width]
    return cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA).reshape(height, width, *image.shape[2:])


def example_window(
    height: int, width: int, angle: float, size: tuple[int, int] | None, crop_largest_rect: bool
) -> tuple[tuple[int, int], tuple[float, float]]:
    """What `generate_rotated_image` makes of a picture: `(height, width)` of the result and of the window, pixels."""
    if crop_largest_rect:
        view_width, view_height = largest_rotated_rect(width, height, math.radians(angle))
    else:
        view_width, view_height = float(width), float(height)
    if size is None:
        size = (max(1, math.floor(view_height + 1e-6)), max(1, math.floor(view_width + 1e-6)))
    else:
        _check_size(size)
        scale = min(view_height / size[0], view_width / size[1])
        view_height, view_width = scale * size[0], scale * size[1]
    return size, (view_height, view_width)


def window_matrix(
    source_size: tuple[float, float],
    turn: Sequence[Any],
    size: tuple[int, int],
    window: Sequence[Any],
    *,
    flip: bool = False,
) -> NDArray[np.float64]:
    """`(2, 3)` affine map from output pixels to source pixels, `(x, y, 1)` to `(x, y)`.

    Args:
        source_size: `(height, width)` of the source, whose half is the centre of the rotation.
        turn: Sine and cosine of the angle, two floats or two `(N,)` arrays; of the latter come `(2, 3, N)`.
        size: `(height, width)` of the output.
        window: Height and width of the window in the source, and its offset down and right; floats or `(N,)`.
        flip: Mirror the source left to right before it is rotated.
    """
    sin, cos = turn
    view_height, view_width, down, right = window
    step_y, step_x = view_height / size[0], view_width / size[1]
    mirror = -1.0 if flip else 1.0
    # output pixel (x, y) -> offset from the centre of the rotated picture -> offset in the source
    x0, y0 = right + (0.5 - size[1] / 2) * step_x, down + (0.5 - size[0] / 2) * step_y
    return np.array(
        [
            [mirror * cos * step_x, -mirror * sin * step_y, mirror * (cos * x0 - sin * y0) + source_size[1] / 2 - 0.5],
            [sin * step_x, cos * step_y, sin * x0 + cos * y0 + source_size[0] / 2 - 0.5],
        ]
    )


def _border(fill: Fill | None, channels: int) -> tuple[list[float], int]:
    """Pixel value outside a picture, and OpenCV's number for what lies there."""
    if fill is None:
        return [0.0], cv2.BORDER_REPLICATE
    if isinstance(fill, str) and fill in FILLS:
        return [0.0], cv2.BORDER_REFLECT_101
    try:
        values = [float(value) for value in np.ravel(fill)]
    except (TypeError, ValueError):
        values = []
    if len(values) not in (1, channels) or not np.isfinite(values).all():
        raise ValueError(
            f"fill must be one finite number or one a channel, {channels} here, or one of {FILLS}. "
            f"Received: fill={fill!r}."
        )
    return values, cv2.BORDER_CONSTANT


def _check_size(size: tuple[int, int]) -> None:
    if np.shape(size) != (2,) or not all(isinstance(side, (int, np.integer)) and side >= 1 for side in size):
        raise ValueError(f"size must be (height, width), at least 1 pixel each. Received: size={size}.")


def _check_image(image: NDArray) -> None:
    if not isinstance(image, np.ndarray) or image.ndim not in (2, 3) or 0 in image.shape:
        shape = getattr(image, "shape", type(image).__name__)
        raise ValueError(f"image must be an (H, W) or (H, W, C) array. Received: {shape}.")
    if image.ndim == 3 and image.shape[2] > 4:
        raise ValueError(f"image must have 1 to 4 channels. Received: shape {image.shape}.")
    if image.dtype not in (np.uint8, np.uint16, np.int16, np.float32, np.float64, bool):
        raise ValueError(
            "image must be uint8, uint16, int16, float32, float64 or bool. "
            f"Received: dtype {image.dtype}. Convert it with astype first."
        )
