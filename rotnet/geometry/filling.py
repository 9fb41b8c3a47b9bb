"""What lies outside of a picture on a larger canvas: a plain colour, its mirror image, or that fading into a blur."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from rotnet.errors import UsageError

FillName: TypeAlias = Literal["mirror", "blur"]
FILLS: tuple[FillName, ...] = get_args(FillName)
Fill: TypeAlias = float | tuple[float, ...] | FillName
AnyFill: TypeAlias = Fill | str  # colours have names too

_BLURRED_AT = 48  # pixels of the longer side at which the surroundings are blurred
_SIGMA = 3.0  # of those pixels
_BAND = 0.06  # share of the picture's shorter side within which the mirror image fades
_ROWS = 256  # that are blended at once, in floats


def numbers_of(fill: AnyFill, *, white: float = 255.0) -> Fill:
    """What a fill stands for: the name of a colour, or `#ffffff`, as red, green and blue; all else as it is.

    Args:
        fill: As `rotnet.correct_rotation` takes it.
        white: The largest value of a pixel, which a colour is scaled to.

    Raises:
        UsageError: There is no such colour.

    Example:
        >>> numbers_of("white"), numbers_of("#ff0000", white=1.0), numbers_of("mirror"), numbers_of(7)
        ((255.0, 255.0, 255.0), (1.0, 0.0, 0.0), 'mirror', 7)
    """
    if not isinstance(fill, str):
        return fill
    for name in FILLS:
        if fill == name:
            return name
    from PIL import ImageColor

    try:
        return tuple(value * white / 255.0 for value in ImageColor.getrgb(fill))
    except ValueError:
        raise UsageError(
            "fill must be mirror, blur, a colour such as white, a number, or one a channel such as 255,0,0. "
            f"Received: fill={fill!r:.80}."
        ) from None


def read_fill(text: str) -> Fill:
    """Read a fill as people type it: `mirror`, `white`, `#ffffff`, `255` or `255,0,0`.

    Raises:
        UsageError: It is none of these.

    Example:
        >>> read_fill("7"), read_fill("255,0,0"), read_fill("red")
        (7.0, (255.0, 0.0, 0.0), (255.0, 0.0, 0.0))
    """
    try:
        values = tuple(float(value) for value in text.split(","))
    except ValueError:
        return numbers_of(text)
    if len(values) not in (1, 3, 4):
        raise UsageError(f"fill must be one number, three or four. Received: {text!r:.80}.")
    return values if len(values) > 1 else values[0]


def white_of(image: Any) -> float:
    """The pixel value of white in an array or a PIL image, by the type and range that `rotnet.read_image` goes by."""
    if not isinstance(image, np.ndarray):
        return 65535.0 if image.mode.startswith("I") else 255.0
    if image.dtype.kind == "b" or (image.dtype.kind == "f" and image.max(initial=0) <= 1.001):
        return 1.0
    return 65535.0 if image.dtype.kind == "u" and image.dtype.itemsize == 2 else 255.0


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
