"""What a picture carries beside its pixels: orientation, EXIF and XMP, made true for an upright copy.

Damaged metadata is never a reason to refuse a picture: it is left out.
"""

from __future__ import annotations

import re

from PIL import Image

XMP_TAG, EXIF_TAG, GPS_TAG = 0x02BC, 0x8769, 0x8825
_ORIENTATION, _INTEROP = 0x0112, 0xA005
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# TIFF tags that say how this very file stores its pixels, wrong in any other, and those carried apart (XMP, ICC).
_STORAGE_TAGS = {*range(254, 264), 266, 273, *range(277, 280), 284, 317, 320, *range(322, 326), 330, 338, 339, 347}
_STORAGE_TAGS |= {*range(512, 522), *range(529, 533), XMP_TAG, 34675}


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
    image.load()
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF is no reason to refuse a picture
        orientation = 1
    exif, xmp = exif_for(image, image.size), xmp_of(image)
    result = image.transpose(_TURNS[orientation]) if orientation in _TURNS else image.copy()
    result.format = image.format
    for key in ("exif", "Raw profile type exif"):
        result.info.pop(key, None)
    if exif is not None:
        result.info["exif"] = exif.tobytes()
    if xmp:
        result.info["xmp"] = xmp
        result.info.pop("XML:com.adobe.xmp", None)
    return result


def exif_for(image: Image.Image, size: tuple[int, int]) -> Image.Exif | None:
    """EXIF of an image for a picture of this `(width, height)`, upright; None without, or too damaged to rewrite."""
    try:
        old, new = image.getexif(), Image.Exif()
        new.endian = old.endian
        for tag, value in old.items():
            if tag in (EXIF_TAG, GPS_TAG):
                new[tag] = dict(old.get_ifd(tag))
            elif tag not in _STORAGE_TAGS:
                new[tag] = value
        if EXIF_TAG in new:
            if _INTEROP in new[EXIF_TAG]:
                new[EXIF_TAG][_INTEROP] = old.get_ifd(_INTEROP)
            for tag, length in zip((0xA002, 0xA003), size, strict=True):  # PixelXDimension, PixelYDimension
                if tag in new[EXIF_TAG]:
                    new[EXIF_TAG][tag] = length
        if set(new) <= {_ORIENTATION}:
            return None
        new[_ORIENTATION] = 1
        new.tobytes()
        return new
    except Exception:
        return None


def xmp_of(image: Image.Image) -> bytes | None:
    """XMP of an image with its orientation reset to 1."""
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if not xmp:
        return None
    data = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    return re.sub(rb'(tiff:Orientation(?:="|>))[0-9]', rb"\g<1>1", data)
