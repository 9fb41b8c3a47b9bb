"""The eight ways in which EXIF says that stored pixels are to be shown, and pixels turned as they say."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rotnet.geometry.regions import Move
from rotnet.images.formats.exif import ORIENTATION, exif_for, xmp_of

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# orientations from one quarter turn, counter-clockwise as seen, to the next: plain and mirrored ones
_CYCLES = ((1, 8, 3, 6), (2, 5, 4, 7))


def upright(image: Image.Image) -> Image.Image:
    """A fully loaded copy of an image with its EXIF orientation in the pixels, and reset to 1 in EXIF and XMP.

    Args:
        image: Any image; it stays as it is. What decoding raises passes through.

    Returns:
        A new image of the same mode; `format` and `info` (ICC profile, EXIF, XMP, DPI) are kept.

    Example:
        >>> picture = Image.new("L", (3, 2))
        >>> picture.getexif()[0x0112] = 6
        >>> upright(picture).size
        (2, 3)
    """
    turned = oriented(image)
    orientation = shown_orientation(image)
    move = Move.oriented(image.size, orientation) if orientation != 1 else None
    exif, xmp = exif_for(image, image.size, move), xmp_of(image, move)
    result = image.copy() if turned is image else turned
    result.format = image.format
    for key in ("exif", "Raw profile type exif"):
        result.info.pop(key, None)
    if exif is not None:
        result.info["exif"] = exif.tobytes()
    if xmp:
        result.info["xmp"] = xmp
        result.info.pop("XML:com.adobe.xmp", None)
    return result


def shown_orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8, by which Pillow, and so the model, shows an image; it may have to be loaded."""
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF is no reason to refuse a picture
        return 1
    return orientation if orientation in TURNS else 1


def oriented(image: Image.Image) -> Image.Image:
    """An image with its EXIF orientation in the pixels: itself, fully loaded, where that asks for no turn."""
    image.load()
    orientation = shown_orientation(image)
    return image if orientation == 1 else image.transpose(TURNS[orientation])


def turned_orientation(orientation: int, quarters: int) -> int:
    """The orientation with so many more quarter turns, counter-clockwise as seen, after it.

    Example:
        >>> turned_orientation(6, 1), turned_orientation(1, 2)
        (1, 3)
    """
    cycle = next(cycle for cycle in _CYCLES if orientation in cycle)
    return cycle[(cycle.index(orientation) + quarters) % 4]


def apply_orientation(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """What an orientation, 1 to 8, shows of stored pixels `(H, W)` or `(H, W, C)`.

    Example:
        >>> apply_orientation(np.array([[1, 2]]), 6).tolist()
        [[1], [2]]
    """
    mirrored = orientation in _CYCLES[1]
    return np.rot90(pixels[:, ::-1] if mirrored else pixels, _CYCLES[mirrored].index(orientation))
