"""What JPEG loses of a picture, as tensor operations, for batches that are on the device already.

A file is not written: of the steps of ITU-T T.81 those that lose anything are done and undone again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from rotnet.training.compiling import compiled

BLOCK = 8
# ITU-T T.81, tables K.1 and K.2, which libjpeg scales by the quality
_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)
_CHROMINANCE = np.full((BLOCK, BLOCK), 99, np.float32)
_CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
# JFIF 1.02: rows for luma and the two chromas
_TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)
_FROM_YCC = np.linalg.inv(_TO_YCC).astype(np.float32)
# the orthonormal discrete cosine transform of 8 values: rows for frequencies
_COSINES = np.cos(np.outer(np.arange(BLOCK), 2 * np.arange(BLOCK) + 1) * np.pi / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
_COSINES[0] /= np.sqrt(2)
_COSINES = _COSINES.astype(np.float32)


@compiled
def jpeg_round_trip(images: Any, quality: Any) -> Any:
    """Pictures as they come back from JPEG files with halved chroma, as most programs write them.

    Args:
        images: `(N, H, W, C)` pixel values 0 to 255, H and W known, C = 1 or 3.
        quality: `(N,)` numbers from 1 to 100, as libjpeg takes them.

    Returns:
        `(N, H, W, C)` whole pixel values, float32: those of libjpeg, but for what it rounds the other way: less than 1
        in the mean, where JPEG itself takes several.

    Raises:
        ValueError: The pictures have another number of channels.

    Example:
        >>> tuple(jpeg_round_trip(np.zeros((2, 20, 30, 3), np.float32), np.array([50.0, 90.0])).shape)
        (2, 20, 30, 3)
    """
    images = ops.cast(images, "float32")
    height, width, channels = images.shape[1:]
    if channels not in (1, 3):
        raise ValueError(f"images must have 1 or 3 channels to be compressed. Received: shape {tuple(images.shape)}.")
    quality = ops.floor(ops.cast(quality, "float32"))
    percent = ops.where(quality < 50, ops.floor(5000.0 / quality), 200.0 - 2.0 * quality)
    if channels == 1:
        plane = _round_trip(images[..., 0] - 128.0, _LUMINANCE, percent)
        return ops.clip(ops.round(plane + 128.0), 0.0, 255.0)[..., None]
    planes = ops.round(ops.matmul(images, ops.convert_to_tensor(_TO_YCC.T)))
    luma = _round_trip(planes[..., 0] - 128.0, _LUMINANCE, percent) + 128.0
    chroma = [ops.round(_halve(_padded(planes[..., number], 2))) for number in (1, 2)]
    chroma = [_double(_round_trip(plane, _CHROMINANCE, percent))[:, :height, :width] for plane in chroma]
    images = ops.matmul(ops.stack([luma, *chroma], axis=-1), ops.convert_to_tensor(_FROM_YCC.T))
    return ops.clip(ops.round(images), 0.0, 255.0)


def _round_trip(plane: Any, table: Any, percent: Any) -> Any:
    """`(N, H, W)` around zero, transformed in blocks, rounded to the steps of a table, and transformed back."""
    height, width = plane.shape[1:]
    padded = _padded(plane, BLOCK)
    rows, columns = (length // BLOCK for length in padded.shape[1:])
    blocks = ops.reshape(padded, (-1, rows, BLOCK, columns, BLOCK))
    steps = ops.clip(ops.floor((ops.convert_to_tensor(table) * percent[:, None, None] + 50.0) / 100.0), 1.0, 255.0)
    steps = steps[:, None, :, None, :]
    cosines = ops.convert_to_tensor(_COSINES)
    waves = ops.einsum("ui,nrica,va->nrucv", cosines, blocks, cosines)
    waves = ops.round(waves / steps) * steps
    blocks = ops.einsum("ui,nrucv,va->nrica", cosines, waves, cosines)
    return ops.reshape(blocks, (-1, rows * BLOCK, columns * BLOCK))[:, :height, :width]


def _padded(plane: Any, multiple: int) -> Any:
    """`(N, H, W)` with the last row and column repeated up to a multiple."""
    for axis in (1, 2):
        length = plane.shape[axis]
        whole = -(-length // multiple) * multiple
        if whole > length:
            plane = ops.take(plane, np.minimum(np.arange(whole), length - 1), axis=axis)
    return plane


def _halve(plane: Any) -> Any:
    """Means of 2x2 of `(N, H, W)`."""
    rows, columns = plane.shape[1] // 2, plane.shape[2] // 2
    return ops.mean(ops.reshape(plane, (-1, rows, 2, columns, 2)), axis=(2, 4))


def _double(plane: Any) -> Any:
    """`(N, H, W)` at twice the size: three parts of a value and one of its neighbour, along each side."""
    for axis in (1, 2):
        length = plane.shape[axis]
        place = np.arange(2 * length)
        near, far = place // 2, np.clip(place // 2 + np.where(place % 2, 1, -1), 0, length - 1)
        plane = 0.75 * ops.take(plane, near, axis=axis) + 0.25 * ops.take(plane, far, axis=axis)
    return plane
