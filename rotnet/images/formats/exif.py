"""What a picture carries beside its pixels: orientation, EXIF and XMP, made true for an upright copy.

Damaged metadata is never a reason to refuse a picture: it is left out.
"""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image

from rotnet.geometry.regions import Move, move_subject
from rotnet.images.formats.ifd import (
    Tag,
    byte_order,
    first_directory,
    read_directory,
    remove_tag,
    set_number,
    set_numbers,
    with_number,
)
from rotnet.images.formats.xmp import (
    LARGEST,
    orientation_of_xmp,
    with_orientation,
    with_size,
    without_xmp_thumbnails,
)
from rotnet.images.formats.xmp_regions import moved_regions

_log = logging.getLogger(__name__)

XMP_TAG, EXIF_TAG = int(ExifTags.Base.XMLPacket), int(ExifTags.IFD.Exif)
GPS_TAG, INTEROP_TAG = int(ExifTags.IFD.GPSInfo), int(ExifTags.IFD.Interop)
ORIENTATION = int(ExifTags.Base.Orientation)
_DIMENSIONS = (int(ExifTags.Base.ExifImageWidth), int(ExifTags.Base.ExifImageHeight))
_SUBJECTS = (0x9214, 0xA214)  # area and location
_SIDES = (int(ExifTags.Base.ImageWidth), int(ExifTags.Base.ImageLength))
_THUMBNAIL = (int(ExifTags.Base.JpegIFOffset), int(ExifTags.Base.JpegIFByteCount))
_THUMBNAIL_RESOURCES = (1033, 1036)  # of Photoshop: before version 5, and since
_EXIF_PREFIX = b"Exif\0\0"
_EMPTY_EXIF = b"II*\0\x08\0\0\0" + bytes(6)
# TIFF tags that say how this very file stores its pixels, wrong in any other
LAYOUT_TAGS = {*range(254, 264), 266, 273, *range(277, 280), 284, 292, 293, 317, 320, *range(322, 326), 330, 338, 339}
LAYOUT_TAGS |= {347, *range(512, 522), *range(529, 533)}
_STORAGE_TAGS = LAYOUT_TAGS | {XMP_TAG, 34675}  # and those carried apart: XMP and ICC


def exif_for(image: Image.Image, size: tuple[int, int], move: Move | None = None) -> Image.Exif | None:
    """EXIF of an image for a picture of this `(width, height)`, upright; None without, or too damaged to rewrite.

    The subject is where `move` takes it, if that is told.
    """
    try:
        old, new = image.getexif(), Image.Exif()
        new.endian = old.endian
        for tag, value in old.items():
            if tag in (EXIF_TAG, GPS_TAG):
                new[tag] = dict(old.get_ifd(tag))
            elif tag not in _STORAGE_TAGS:
                new[tag] = value
        if EXIF_TAG in new:
            if INTEROP_TAG in new[EXIF_TAG]:
                new[EXIF_TAG][INTEROP_TAG] = old.get_ifd(INTEROP_TAG)
            for tag, length in zip(_DIMENSIONS, size, strict=True):
                if tag in new[EXIF_TAG]:
                    new[EXIF_TAG][tag] = length
        if set(new) <= {ORIENTATION}:
            return None
        for tag in _SUBJECTS:
            values = new.get(EXIF_TAG, {}).get(tag)
            if move is not None and isinstance(values, tuple) and all(isinstance(one, int) for one in values):
                moved = move_subject(move, values)
                if moved is None:
                    del new[EXIF_TAG][tag]
                else:
                    new[EXIF_TAG][tag] = moved
        new[ORIENTATION] = 1
        new.tobytes()
        return new
    except Exception:  # damaged EXIF fails in Pillow in many ways, and is no reason not to write a picture
        return None


def xmp_of(image: Image.Image, move: Move | None = None) -> bytes | None:
    """XMP of an image with its orientation reset to 1 and its places moved; None without, or too large to look into."""
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if not xmp:
        return None
    data = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    if len(data) > LARGEST:
        return None
    return retag_xmp(data, Facts(orientation=1, move=move))


def moved_info(info: Mapping[Any, Any], move: Move) -> dict[Any, Any]:
    """What Pillow knows of an upright image beside its pixels, with the places that EXIF and XMP name moved."""
    moved = dict(info)
    if isinstance(exif := info.get("exif"), bytes):
        moved["exif"] = retag_exif(exif, Facts(1, move=move))
    if isinstance(xmp := info.get("xmp"), bytes) and len(xmp) <= LARGEST:
        moved["xmp"] = retag_xmp(xmp, Facts(1, move=move))
    return moved


@dataclass(frozen=True)
class Facts:
    """What the metadata of a turned picture must say.

    Attributes:
        orientation: 1 to 8, as in EXIF.
        size: `(width, height)` of new pixels; None where the pixels stay as they are.
        thumbnail: New picture from which a small one is made; None leaves the old thumbnail.
        move: Where its pixels come from; None where they stay, and with them the places that metadata name.
        name: What a warning calls the picture; None does not warn.
    """

    orientation: int
    size: tuple[int, int] | None = None
    thumbnail: Image.Image | None = None
    move: Move | None = None
    name: str | None = None


def orientation_of(exif: bytes | None, xmp: bytes | None, default: int = 1) -> int:
    """The orientation that raw EXIF or, where that is silent, XMP tells; the default if neither does, or nonsense."""
    found = None
    if exif:
        with suppress(ValueError):
            data = exif.removeprefix(_EXIF_PREFIX)
            tag = first_directory(data)[0].get(ORIENTATION)
            found = tag.number(byte_order(data)) if tag else None
    if found is None and xmp:
        found = orientation_of_xmp(xmp)
    return found if found is not None and 1 <= found <= 8 else default


def retag_exif(exif: bytes, facts: Facts, *, room: int = 1 << 32) -> bytes:
    """Raw EXIF made true for a new picture.

    Values are overwritten where they stand, so that the notes of the camera's maker, which point into the block, keep
    their meaning. The thumbnail is made anew if there is one and the new one fits, and removed otherwise.

    Args:
        exif: With or without the prefix that JPEG gives it; empty where there is no EXIF.
        facts: What is true now.
        room: Bytes that the result may take.

    Returns:
        EXIF with the same prefix; as it was if nobody can read it, empty if it was and there is nothing to say.
    """
    if not exif and facts.orientation == 1:
        return b""
    prefix = _EXIF_PREFIX if exif.startswith(_EXIF_PREFIX) else b""
    data = exif.removeprefix(_EXIF_PREFIX) or _EMPTY_EXIF
    try:
        if facts.orientation != 1 or ORIENTATION in first_directory(data)[0]:
            data = with_number(data, ORIENTATION, facts.orientation)
    except ValueError:
        return exif
    changed = bytearray(data)
    with suppress(ValueError):
        if facts.move is not None:
            set_subject(changed, facts.move)
        if facts.size is not None:
            set_size(changed, facts.size)
        if facts.thumbnail is not None:
            _set_thumbnail(changed, facts.thumbnail, room - len(prefix))
        elif thumbnail := _thumbnail_tags(changed):
            _set_if_there(changed, thumbnail, ORIENTATION, facts.orientation)
    return prefix + bytes(changed)


def retag_xmp(xmp: bytes, facts: Facts) -> bytes:
    """Raw XMP made true for a new picture: orientation and size put right, places moved, thumbnails removed.

    Damaged XMP keeps its places, with a warning.

    Raises:
        ValueError: It is larger than `rotnet.images.formats.xmp.LARGEST`.
    """
    xmp = with_orientation(xmp, facts.orientation)
    if facts.size is not None:
        xmp = with_size(xmp, facts.size)
    if facts.move is not None:
        try:
            xmp = moved_regions(xmp, facts.move)
        except ValueError as error:
            if facts.name:
                _log.warning("%s: faces and regions are left where they were, for %s", facts.name, error)
        if facts.name and b"HasExtendedXMP" in xmp:
            _log.warning("%s: its XMP goes on in further segments, which are left as they are", facts.name)
    return xmp if facts.thumbnail is None else without_xmp_thumbnails(xmp)


def without_thumbnails(resources: bytes) -> bytes:
    """Photoshop's image resources without their thumbnails; as they were if they are damaged."""
    kept, since, at = [], 0, 0
    while at < len(resources):
        if resources[at : at + 4] != b"8BIM" or len(resources) < at + 12:
            return resources
        number = int.from_bytes(resources[at + 4 : at + 6], "big")
        start = at + 6 + (resources[at + 6] // 2 + 1) * 2  # a name of even length, its own length counted in
        end = start + 4 + int.from_bytes(resources[start : start + 4], "big")
        if end > len(resources):
            return resources
        end += end % 2 != at % 2
        if number in _THUMBNAIL_RESOURCES:
            kept.append(resources[since:at])
            since = end
        at = end
    return b"".join([*kept, resources[since:]])


def set_size(data: bytearray, size: tuple[int, int]) -> None:
    """Overwrite width and height in raw EXIF without prefix, in both places where cameras write them.

    Raises:
        ValueError: The EXIF is damaged.
    """
    order, (tags, _) = byte_order(data), first_directory(data)
    details: dict[int, Tag] = {}
    if EXIF_TAG in tags:
        details, _ = read_directory(data, tags[EXIF_TAG].number(order) or 0)
    for found, numbers in ((tags, _SIDES), (details, _DIMENSIONS)):
        for number, length in zip(numbers, size, strict=True):
            _set_if_there(data, found, number, length)


def set_subject(data: bytearray, move: Move) -> None:
    """Overwrite where EXIF, raw and without prefix, says that the subject is; what is outside now is removed.

    Raises:
        ValueError: The EXIF is damaged.
    """
    order, (tags, _) = byte_order(data), first_directory(data)
    if EXIF_TAG not in tags:
        return
    offset = tags[EXIF_TAG].number(order) or 0
    for number in _SUBJECTS:
        tag = read_directory(data, offset)[0].get(number)
        if tag is None or not 2 <= len(values := tag.numbers(order)) <= 4:
            continue
        moved = move_subject(move, values)
        if moved is None:
            remove_tag(data, offset, number)
        else:
            set_numbers(data, tag, moved)


def _thumbnail_tags(data: bytes | bytearray) -> dict[int, Tag]:
    """The second directory of EXIF, which describes the thumbnail; empty without."""
    _, following = first_directory(data)
    return read_directory(data, following)[0] if following else {}


def _set_thumbnail(data: bytearray, image: Image.Image, room: int) -> None:
    order, tags = byte_order(data), _thumbnail_tags(data)
    if not tags:
        return
    start, length = ((tags[tag].number(order) or 0) if tag in tags else 0 for tag in _THUMBNAIL)
    end = start + length
    if start and end <= len(data) and data[start : start + 2] == b"\xff\xd8":
        last = len(data) - end < 4  # nothing but padding behind it, so that it may grow
        small = image.copy()
        small.thumbnail((160, 160), reducing_gap=3.0)
        small = small.convert("RGB")
        for quality in (85, 70, 50, 30):
            file = io.BytesIO()
            small.save(file, "JPEG", quality=quality)
            if file.tell() <= (room - start if last else length):
                data[start : len(data) if last else end] = file.getvalue().ljust(0 if last else length, b"\0")
                width, height = zip(_SIDES, small.size, strict=True)
                values = ((_THUMBNAIL[1], file.tell()), (ORIENTATION, 1), width, height)
                for number, value in values:
                    _set_if_there(data, tags, number, value)
                return
        data[start:end] = bytes(length)
    # no JPEG, or none that fits: the first directory becomes the last one
    (offset,) = struct.unpack_from(order + "I", data, 4)
    (entries,) = struct.unpack_from(order + "H", data, offset)
    struct.pack_into(order + "I", data, offset + 2 + 12 * entries, 0)


def _set_if_there(data: bytearray, tags: dict[int, Tag], number: int, value: int) -> None:
    if number in tags:
        set_number(data, tags[number], value)
