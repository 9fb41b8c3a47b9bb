"""The metadata of one TIFF with the pixels of another: its tags, in whatever byte order, and those they point to."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from PIL import ExifTags

from rotnet.images.formats.exif import (
    EXIF_TAG,
    GPS_TAG,
    INTEROP_TAG,
    LAYOUT_TAGS,
    ORIENTATION,
    XMP_TAG,
    Facts,
    retag_xmp,
    set_size,
    set_subject,
    without_thumbnails,
)
from rotnet.images.formats.ifd import Tag, append_directory, byte_order, first_directory, read_directory, with_number

_RESOURCES_TAG = int(ExifTags.Base.ImageResources)  # of Photoshop
_IPTC_TAG, _ICC_TAG = 33723, int(ExifTags.Base.InterColorProfile)
# bytes of other standards, whatever type they are declared as: Photoshop declares IPTC as numbers of four bytes
_OPAQUE = {XMP_TAG, _RESOURCES_TAG, _IPTC_TAG, _ICC_TAG}


def retag_tiff(data: bytes, facts: Facts) -> bytes:
    """As `rotnet.images.formats.containers.retag`, for a TIFF."""
    result = bytearray(with_number(data, ORIENTATION, facts.orientation))
    xmp = first_directory(result)[0].get(XMP_TAG)
    if xmp is not None:  # the same number of bytes
        result[xmp.position : xmp.position + len(xmp.value)] = retag_xmp(bytes(xmp.value), facts)
    return bytes(result)


# tags of TIFF that describe pixels, and that nothing here can turn along
_FALSE_AFTERWARDS = {
    37724: "Photoshop layers",
    33550: "places on the map (GeoTIFF)",
    33922: "places on the map (GeoTIFF)",
    34264: "places on the map (GeoTIFF)",
}


def graft_tiff(original: bytes, bare: bytes, facts: Facts) -> bytes:
    """As `rotnet.images.formats.containers.graft`, for a TIFF: a new directory at the end of the bare one."""
    result = bytearray(bare)
    order, (own, _) = byte_order(bare), first_directory(bare)
    tags = _tags_of(original, first_directory(original)[0], order, result)
    for number, told in _FALSE_AFTERWARDS.items():
        if number in tags:
            raise ValueError(f"its {told} would be those of the picture as it was")
    tags = {number: tag for number, tag in tags.items() if number not in LAYOUT_TAGS}
    tags |= {number: tag for number, tag in own.items() if number in LAYOUT_TAGS}
    if ORIENTATION in tags:
        tags[ORIENTATION] = Tag(3, 1, struct.pack(order + "H", facts.orientation))
    for number, made_true in ((XMP_TAG, lambda xmp: retag_xmp(xmp, facts)), (_RESOURCES_TAG, without_thumbnails)):
        if number in tags:
            value = made_true(bytes(tags[number].value))
            tags[number] = replace(tags[number], type=1, count=len(value), value=value)
    samples = own[277].number(order) if 277 in own else 1
    if 338 not in tags and samples in (2, 4) and own[262].number(order) in (1, 2):
        tags[338] = Tag(3, 1, struct.pack(order + "H", 2))  # OpenCV does not say that the last sample is alpha
    struct.pack_into(order + "I", result, 4, append_directory(result, tags))
    if facts.move is not None:
        set_subject(result, facts.move)
    if facts.size is not None:
        set_size(result, facts.size)
    return bytes(result)


def _tags_of(
    data: bytes, tags: dict[int, Tag], order: str, result: bytearray, pointers: Sequence[int] = (EXIF_TAG, GPS_TAG)
) -> dict[int, Tag]:
    """Tags in the byte order of another file, to which the directories that they point to are appended."""
    before, copied = byte_order(data), {}
    for number, tag in tags.items():
        if number not in pointers:
            copied[number] = tag if number in _OPAQUE else tag.reordered(before, order)
            continue
        with suppress(ValueError):  # a damaged directory is left out
            inner, _ = read_directory(data, tag.number(before) or 0)
            inner = _tags_of(data, inner, order, result, () if number == INTEROP_TAG else (INTEROP_TAG,))
            copied[number] = Tag(4, 1, struct.pack(order + "I", append_directory(result, inner)))
    return copied
