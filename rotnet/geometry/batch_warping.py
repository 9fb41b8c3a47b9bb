"""Batches of small pictures, of which each costs less to warp than to prepare: prepared for all at once.

The pixels are those of `rotnet.geometry.warping`, which says what is done; with the kernels `"cubic"` and `"lanczos"`
about one in 10,000 is rounded the other way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from rotnet.geometry.angles import sin_cos
from rotnet.geometry.warping import (
    INTERPOLATIONS,
    MAX_SPACING,
    MAX_WARP_SIDE,
    Interpolation,
    example_window,
    warp_view,
    window_matrix,
)

WIDE = ("cubic", "lanczos")  # kernels that OpenCV is slow with where one of their many taps lies outside the picture
MARGIN = 8  # pixels: the reach of these kernels, and what the corners of a turned small picture look beyond its edge


def warp_views(
    images: NDArray,
    angles: ArrayLike,
    size: tuple[int, int],
    *,
    view_sizes: ArrayLike,
    offsets: ArrayLike = (0.0, 0.0),
    interpolation: Interpolation | Sequence[Interpolation] = "bilinear",
    repeat_edge: bool = False,
) -> NDArray:
    """`warp_view` for each picture of a batch.

    Args:
        images: `(N, H, W)` or `(N, H, W, C)`, N >= 1, of a dtype that `rotate` takes. uint8 is what it is quick with.
        angles: `(N,)` degrees, counter-clockwise as seen.
        size: `(height, width)` of the output, pixels.
        view_sizes: `(N, 2)` or `(2,)`, `(height, width)` of the window in source pixels.
        offsets: `(N, 2)` or `(2,)`, `(down, right)` from the centre of the rotated picture to that of the window,
            source pixels.
        interpolation: `"nearest"`, `"bilinear"`, `"cubic"` or `"lanczos"`, one for all or one a picture.
        repeat_edge: Repeat the edge beyond the picture (`fill=None` of `warp_view`); otherwise it is black there.

    Returns:
        `(N, *size)` or `(N, *size, C)`, the dtype of `images`.

    Raises:
        ValueError: An argument is not as described.

    Example:
        >>> warp_views(np.zeros((5, 28, 28), np.uint8), range(5), (20, 20), view_sizes=(28, 28)).shape
        (5, 20, 20)
    """
    number = len(images)
    degrees = np.asarray(angles, np.float64).tolist()
    view_sizes = np.broadcast_to(np.asarray(view_sizes, np.float64), (number, 2))
    offsets = np.broadcast_to(np.asarray(offsets, np.float64), (number, 2))
    kernels = [interpolation] * number if isinstance(interpolation, str) else list(interpolation)
    if not len(degrees) == len(kernels) == number >= 1:
        raise ValueError(
            "images, angles and interpolation must be as many, at least one. "
            f"Received: {number} images, {len(degrees)} angles, {len(kernels)} interpolations."
        )
    if not _is_simple(images, degrees, size, view_sizes, kernels):
        options = zip(images, degrees, view_sizes.tolist(), offsets.tolist(), kernels, strict=True)
        fill = None if repeat_edge else 0
        return np.stack(
            [
                warp_view(image, angle, size, view_size=view, offset=offset, fill=fill, interpolation=kernel)
                for image, angle, view, offset, kernel in options
            ]
        )
    matrix = window_matrix(images.shape[1:3], sin_cos(degrees), size, (*view_sizes.T, *offsets.T))
    matrices = np.ascontiguousarray(matrix.transpose(2, 0, 1))
    planes = images[..., 0] if images.shape[3:] == (1,) else images  # OpenCV is quicker to take these
    warped = np.empty((number, *size, *planes.shape[3:]), np.uint8)
    border = cv2.BORDER_REPLICATE if repeat_edge else cv2.BORDER_CONSTANT
    flags = [INTERPOLATIONS[kernel] | cv2.WARP_INVERSE_MAP for kernel in kernels]
    sources = _with_margins(planes, matrices, kernels, repeat_edge=repeat_edge)
    canvas = size[1], size[0]
    for source, matrix, flag, view in zip(sources, matrices, flags, warped, strict=True):
        cv2.warpAffine(source, matrix, canvas, view, flag, border)
    return warped.reshape(number, *size, *images.shape[3:])


def generate_rotated_images(
    images: NDArray,
    angles: ArrayLike,
    size: tuple[int, int],
    crop_center: bool = False,
    crop_largest_rect: bool = False,
    *,
    interpolation: Interpolation = "bilinear",
) -> NDArray:
    """`generate_rotated_image` for each picture of a batch.

    Args:
        images: Upright, `(N, H, W)` or `(N, H, W, C)`, N >= 1, of a dtype that `rotate` takes.
        angles: `(N,)` degrees, counter-clockwise as seen.
        size: `(height, width)` of the result.
        crop_center: Look only at the centre square of each image.
        crop_largest_rect: Keep the largest rectangle free of black corners; otherwise the canvas and the scale.
        interpolation: `"nearest"`, `"bilinear"`, `"cubic"` or `"lanczos"`.

    Returns:
        `(N, *size)` or `(N, *size, C)`, the dtype of `images`.

    Example:
        >>> generate_rotated_images(np.zeros((5, 28, 28), np.uint8), range(5), (20, 20), True, True).shape
        (5, 20, 20)
    """
    height, width = images.shape[1:3]
    if crop_center:
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        images = images[:, top : top + side, left : left + side]
        height = width = side
    degrees = np.asarray(angles, np.float64).tolist()
    if crop_largest_rect:
        view_sizes = np.array([example_window(height, width, angle, size, True)[1] for angle in degrees])
    else:
        view_sizes = np.array(example_window(height, width, 0.0, size, False)[1])
    return warp_views(
        images, degrees, size, view_sizes=view_sizes, interpolation=interpolation, repeat_edge=crop_largest_rect
    )


def _is_simple(
    images: NDArray, angles: list[float], size: tuple[int, int], view_sizes: NDArray, kernels: list[Interpolation]
) -> bool:
    """Whether nothing is wrong with the arguments, and `warp_view` would neither halve nor sample a finer grid."""
    return (
        images.dtype == np.uint8
        and images.ndim in (3, 4)
        and 1 <= math.prod(images.shape[3:]) <= 4
        and 1 <= min(*images.shape[1:3], *size)
        and max(*images.shape[1:3], *size) + 2 * MARGIN <= MAX_WARP_SIDE
        and all(map(math.isfinite, angles))
        and view_sizes.min() > 0
        and (view_sizes / size).max() / MAX_SPACING - 1e-6 <= 1
        and INTERPOLATIONS.keys() >= set(kernels)
    )


def _with_margins(
    images: NDArray, matrices: NDArray[np.float64], kernels: list[Interpolation], *, repeat_edge: bool
) -> list[NDArray]:
    """Pictures for wide kernels with margins; `matrices` are adapted."""
    wide = [kernel in WIDE for kernel in kernels]
    if not any(wide):
        return list(images)
    matrices[:, :, 2] += MARGIN * np.array(wide)[:, np.newaxis]
    if repeat_edge:
        margins = [(0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)][: images.ndim]
        padded = np.pad(images, margins, mode="edge")
    else:  # np.pad takes ten times as long for zeros
        number, height, width, *channels = images.shape
        padded = np.zeros((number, height + 2 * MARGIN, width + 2 * MARGIN, *channels), np.uint8)
        padded[:, MARGIN:-MARGIN, MARGIN:-MARGIN] = images
    return [large if is_wide else small for small, large, is_wide in zip(images, padded, wide, strict=True)]
