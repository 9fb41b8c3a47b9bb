"""What lies outside of a picture on a larger canvas: a plain colour, its mirror image, or that fading into a blur."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

FillName: TypeAlias = Literal["mirror", "blur"]
FILLS: tuple[FillName, ...] = get_args(FillName)
Fill: TypeAlias = float | tuple[float, ...] | FillName

_BLURRED_AT = 48  # pixels of the longer side at which the surroundings are blurred
_SIGMA = 3.0  # of those pixels
_BAND = 0.06  # share of the picture's shorter side within which the mirror image fades
_ROWS = 256  # that are blended at once, in floats


def faded(canvas: NDArray[Any], matrix: NDArray[np.float64], source_size: tuple[int, int]) -> NDArray[Any]:
    """Let the mirror image around a picture fade into a blur; the picture itself is left as it is.

    At the edge of the picture its mirror image goes on sharply, so that no seam is seen; what is further off is blurred
    too strongly for anybody to look twice.

    Args:
        canvas: `(H, W)` or `(H, W, C)` array, a picture surrounded by its mirror image.
        matrix: `(2, 3)` affine map from pixels of the canvas to those of the picture, as `window_matrix` gives it.
        source_size: `(height, width)` of the picture.

    Returns:
        `canvas`, changed in place.
    """
    height, width = canvas.shape[:2]
    scale = min(1.0, _BLURRED_AT / max(height, width))
    small = cv2.resize(
        canvas, (max(1, round(scale * width)), max(1, round(scale * height))), interpolation=cv2.INTER_AREA
    )
    small = cv2.GaussianBlur(small, (0, 0), _SIGMA, borderType=cv2.BORDER_REPLICATE)
    blurred = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).reshape(canvas.shape)
    band = max(1.0, _BAND * min(source_size))
    across = np.arange(width, dtype=np.float32)
    for top in range(0, height, _ROWS):
        down = np.arange(top, min(top + _ROWS, height), dtype=np.float32)[:, None]
        off = np.zeros((len(down), width), np.float32)  # squared distance from the picture
        for (a, b, c), side in zip(matrix.astype(np.float32), source_size[::-1], strict=True):
            off += np.maximum(np.abs(a * across + b * down + (c - (side - 1) / 2)) - side / 2, 0) ** 2
        if not off.any():
            continue
        share = np.minimum(np.sqrt(off) / band, 1).reshape(*off.shape, *(1,) * (canvas.ndim - 2))
        part = slice(top, top + len(down))
        mixed = blurred[part].astype(np.result_type(canvas, np.float32))
        mixed -= canvas[part]
        mixed *= share * share * (3 - 2 * share)
        mixed += canvas[part]
        if canvas.dtype.kind in "iu":
            np.rint(mixed, out=mixed)
        np.copyto(canvas[part], mixed, where=share > 0, casting="unsafe")
    return canvas
