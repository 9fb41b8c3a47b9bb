"""XMP packets: what they say of orientation, size, thumbnails and further pictures, found and put right.

Nothing here parses XML: the few properties that matter are found by their names, in time that grows with the packet.
Places in the picture, which are structures, are the matter of `rotnet.images.formats.xmp_regions`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["LARGEST", "orientation_of_xmp", "refuse_large", "with_lengths", "with_orientation", "with_size"]
__all__ += ["without_xmp_thumbnails"]

LARGEST = 16 << 20
"""Bytes of a packet that is still looked into; the largest of cameras and editors have a tenth."""

_ORIENTATION = re.compile(rb'(tiff:Orientation(?:=["\']|>))([0-9])')
_SIDES = tuple(
    re.compile(rb'((?:exif|tiff):(?:%s)(?:=["\']|>))[0-9]+' % names)
    for names in (b"PixelXDimension|ImageWidth", b"PixelYDimension|ImageLength")
)
_LENGTH = re.compile(rb'(Item:Length(?:=["\']|>))([0-9]{1,20})(?![0-9])')


def orientation_of_xmp(xmp: bytes) -> int | None:
    """The orientation that XMP tells, any digit; None if it is silent.

    Example:
        >>> orientation_of_xmp(b'<rdf:Description tiff:Orientation="6"/>')
        6
    """
    match = _ORIENTATION.search(xmp, 0, LARGEST)
    return int(match[2]) if match else None


def with_orientation(xmp: bytes, orientation: int) -> bytes:
    """XMP, of the same length, that tells this orientation wherever it tells one."""
    refuse_large(xmp)
    return _ORIENTATION.sub(rb"\g<1>%d" % orientation, xmp)


def with_size(xmp: bytes, size: tuple[int, int]) -> bytes:
    """XMP that tells this `(width, height)` wherever it tells one."""
    refuse_large(xmp)
    for side, length in zip(_SIDES, size, strict=True):
        xmp = side.sub(rb"\g<1>%d" % length, xmp)
    return xmp


def without_xmp_thumbnails(xmp: bytes) -> bytes:
    """XMP without its thumbnails; an element that is not closed stays.

    Example:
        >>> without_xmp_thumbnails(b"<a><xmp:Thumbnails>...</xmp:Thumbnails></a>")
        b'<a></a>'
    """
    refuse_large(xmp)
    for prefix in (b"xmp", b"xap"):
        start, stop = b"<%s:Thumbnails>" % prefix, b"</%s:Thumbnails>" % prefix
        kept, at = [], 0
        while (first := xmp.find(start, at)) >= 0 and (last := xmp.find(stop, first)) >= 0:
            kept.append(xmp[at:first])
            at = last + len(stop)
        xmp = b"".join([*kept, xmp[at:]])
    return xmp


def with_lengths(xmp: bytes, lengths: Sequence[tuple[int, int]]) -> bytes:
    """XMP whose directory of pictures tells the new lengths of those that lie behind the first one.

    The directory lists items in the order in which they lie in the file, and may list more, such as a video: an item
    stands for the next picture that had its length.

    Args:
        xmp: With `Item:Length` for each item.
        lengths: Bytes before and now, of each further picture in the order of the file.

    Example:
        >>> with_lengths(b'<i Item:Length="7"/><i Item:Length="7"/>', [(7, 8), (7, 9)])
        b'<i Item:Length="8"/><i Item:Length="9"/>'
    """
    refuse_large(xmp)
    waiting = list(lengths)

    def told(match: re.Match[bytes]) -> bytes:
        places = [place for place, (before, _) in enumerate(waiting) if before == int(match[2])]
        if not places:
            return match[0]
        _, now = waiting[places[0]]
        del waiting[: places[0] + 1]
        return match[1] + b"%d" % now

    return _LENGTH.sub(told, xmp)


def refuse_large(xmp: bytes) -> None:
    """Raise ValueError for a packet that is larger than those of any program."""
    if len(xmp) > LARGEST:
        raise ValueError(f"its XMP has {len(xmp):,} bytes, more than the {LARGEST:,} that are looked into")
