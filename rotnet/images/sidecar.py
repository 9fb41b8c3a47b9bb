"""What an XMP sidecar says of a picture's turn: made true for a picture that was turned, or written in its place.

A turn that a sidecar tells is `tiff:Orientation` for the quarter turns in it, and for the rest a tilted crop in the
words of Camera Raw (`crs:CropAngle` and the rest), which Lightroom and darktable read. A crop is told by two opposite
corners of the rectangle as it lies in the stored picture, shares of its sides, and by the angle, clockwise, that the
rectangle is turned by.
"""

from __future__ import annotations

import math

from rotnet.geometry.cropping import largest_rotated_rect
from rotnet.geometry.regions import Move, tilted_crop
from rotnet.images import reading
from rotnet.images.formats.exif import Facts, retag_xmp
from rotnet.images.formats.xmp_properties import properties, with_properties
from rotnet.images.orientation import shown_orientation, turned_orientation

__all__ = ["as_stored", "has_turn", "like_picture", "with_turn"]

_TIFF, _CRS = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/camera-raw-settings/1.0/"
_PREFIXES = {_TIFF: "tiff", _CRS: "crs"}
_ORIENTATION, _HAS_CROP = (_TIFF, "Orientation"), (_CRS, "HasCrop")


def as_stored(data: bytes, name: str) -> tuple[tuple[int, int], int]:
    """`(width, height)` of a picture file's pixels as stored, and the orientation, 1 to 8, in which they are shown."""
    with reading.opened(data, name, None) as opened, reading.decoding(name):
        return opened.size, shown_orientation(opened)


def like_picture(xmp: bytes, before: bytes, after: bytes, angle: float, *, by_tag: bool, name: str) -> bytes:
    """The sidecar of a picture that was turned, made true: orientation, size, and where faces and regions are.

    Args:
        xmp: The sidecar.
        before: The picture as it was.
        after: The picture as it is.
        angle: Degrees, counter-clockwise as seen, that it was turned back by.
        by_tag: Whether its pixels are the same, and its orientation tells the turn.
        name: What a warning calls the sidecar.

    Raises:
        ValueError: The sidecar is larger than any program writes.
    """
    (stored, orientation), (size, told) = as_stored(before, name), as_stored(after, name)
    if by_tag:
        return retag_xmp(xmp, Facts(told))
    return retag_xmp(
        xmp, Facts(told, size, move=Move.oriented(stored, orientation).turned_back(angle, size), name=name)
    )


def has_turn(xmp: bytes, orientation: int) -> bool:
    """Whether a sidecar tells a crop, or another orientation than its picture: somebody has decided already.

    Raises:
        ValueError: It is damaged.
    """
    told = properties(xmp)
    return told.get(_HAS_CROP, "").lower() == "true" or told.get(_ORIENTATION, str(orientation)) != str(orientation)


def with_turn(xmp: bytes, size: tuple[int, int], orientation: int, angle: float) -> bytes:
    """A sidecar that tells a turn, whose picture stays as it is.

    Args:
        xmp: The sidecar as it was, or `rotnet.images.formats.xmp_properties.EMPTY`.
        size: `(width, height)` of the picture as stored, pixels.
        orientation: In which it is shown.
        angle: Degrees, counter-clockwise as seen, that it is to be turned back by.

    Raises:
        ValueError: It is damaged.

    Example:
        >>> from rotnet.images.formats.xmp_properties import EMPTY
        >>> told = properties(with_turn(EMPTY, (400, 300), 1, 100.0))
        >>> [told[name] for name in told if name[1] in ("Orientation", "CropAngle")]
        ['6', '-10']
    """
    quarters = round(angle / 90.0)
    rest = angle - 90.0 * quarters
    turned = turned_orientation(orientation, -quarters)
    values = {_ORIENTATION: str(turned)}
    if rest:
        # by these darktable knows the proportions
        values |= {(_TIFF, "ImageWidth"): str(size[0]), (_TIFF, "ImageLength"): str(size[1])}
        # a mirrored picture is turned the other way round; as stored, the sides of the crop may be swapped
        clockwise = rest if turned in (2, 4, 5, 7) else -rest
        crop = largest_rotated_rect(*size, math.radians(abs(rest)))
        corners = tilted_crop(size, crop, clockwise)
        (left, top), (right, bottom) = ([min(max(one, 0.0), 1.0) for one in corner] for corner in corners)
        numbers = {"CropTop": top, "CropLeft": left, "CropBottom": bottom, "CropRight": right, "CropAngle": clockwise}
        values |= {(_CRS, name): f"{value:.6f}".rstrip("0").rstrip(".") for name, value in numbers.items()}
        values |= {(_CRS, "CropConstrainToWarp"): "0", _HAS_CROP: "True"}
        values |= {(_CRS, "HasSettings"): "True", (_CRS, "AlreadyApplied"): "False"}
    return with_properties(xmp, values, _PREFIXES)
