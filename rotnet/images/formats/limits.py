"""Files made to cost whoever reads them far more than pictures do, told before Pillow opens them.

Pillow walks through the blocks of a file and decodes its tags in Python, so that a million empty blocks cost it
seconds, and thousands of tags that each claim the whole file cost its size as often. No program writes such files.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from typing import IO

from rotnet.images.formats.block import refuse_crumbs
from rotnet.images.formats.ifd import SIZES, most_claimed
from rotnet.images.formats.png import exif_of_text

__all__ = ["check_blocks", "check_tags"]

LARGEST_EXIF = 4 << 20  # bytes; those of cameras have at most a few hundred kilobytes
MOST_RESOURCES = 1000  # of Photoshop, which defines about a hundred
MOST_NUMBERS = 1_000_000  # of one tag: lines of the tallest picture
MOST_DIRECTORIES = 64  # that are looked at: Pillow does not look at later ones before it is asked to
_BYTES = (1, 2, 6, 7)  # types of tags that Pillow does not turn into numbers one by one
_POINTERS = (0x8769, 0x8825, 0xA005)  # tags that point to directories: EXIF, GPS, interoperability
_TIFF_STARTS = (b"II*\0", b"MM\0*")
_EXIF = b"Exif\0\0"


def check_blocks(file: IO[bytes]) -> None:
    """Raise ValueError for a file of far more blocks, or tags that claim far more, than a picture has.

    Args:
        file: Seekable, at its start, where it will stand again.
    """
    start = file.read(12)
    if start[:2] == b"\xff\xd8":
        _check_jpeg(file)
    elif start[:4] == b"\x89PNG":
        _check_png(file)
    elif start[:4] in (*_TIFF_STARTS, b"II+\0", b"MM\0+"):
        check_tags(file)
    elif start[:4] == b"RIFF" and start[8:] == b"WEBP":
        _check_webp(file)
    elif start[4:8] == b"ftyp":  # HEIC and AVIF, whose boxes only their libraries read
        _check_anywhere(file)
    file.seek(0)


def _check_jpeg(file: IO[bytes]) -> None:
    exif, resources = [], 0
    file.seek(2)
    for number, (marker, length) in enumerate(_jpeg_segments(file)):
        refuse_crumbs(number, file.tell())
        if marker == 0xE1 and (content := file.read(length)).startswith(_EXIF):
            exif.append(content[len(_EXIF) :])  # Pillow, too, joins them all
        elif marker == 0xED:
            resources += file.read(length).count(b"8BIM")
            if resources > MOST_RESOURCES:
                raise ValueError(f"it has more than {MOST_RESOURCES:,} of Photoshop's resources")
        elif marker != 0xE1:
            file.seek(length, os.SEEK_CUR)
    _check_exif(b"".join(exif))


def _jpeg_segments(file: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Marker, and bytes of the payload to which the file has come, of each segment up to the first scan."""
    while True:
        byte = file.read(1)
        while byte == b"\xff":  # fill bytes
            marker = file.read(1)
            if marker != b"\xff":
                break
            byte = marker
        else:
            return
        length = int.from_bytes(file.read(2), "big") - 2
        if marker < b"\xc0" or marker == b"\xda" or length < 0:
            return
        yield marker[0], length


def _check_png(file: IO[bytes]) -> None:
    number = 0
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        number += 1
        refuse_crumbs(number, file.tell())
        after = file.tell() + length + 4
        if kind == b"eXIf":
            _check_exif(file.read(length))
        elif kind in (b"tEXt", b"zTXt") and (content := file.read(length)).startswith(b"Raw profile type exif\0"):
            _check_exif(exif_of_text(kind, content) or b"")
        file.seek(after)


def _check_webp(file: IO[bytes]) -> None:
    number = 0
    while len(head := file.read(8)) == 8:
        length = int.from_bytes(head[4:], "little")
        number += 1
        refuse_crumbs(number, file.tell())
        after = file.tell() + length + length % 2
        if head[:4] == b"EXIF":
            _check_exif(file.read(length))
        file.seek(after)


def _check_anywhere(file: IO[bytes]) -> None:
    file.seek(0)
    data = file.read()
    for start in _TIFF_STARTS:
        at = data.find(start)
        for _ in range(MOST_RESOURCES):
            if at < 0:
                break
            if 8 <= int.from_bytes(data[at + 4 : at + 8], "little" if start[:1] == b"I" else "big") <= LARGEST_EXIF:
                check_tags(io.BytesIO(data[at : at + LARGEST_EXIF]))
            at = data.find(start, at + 4)


def _check_exif(exif: bytes) -> None:
    if len(exif) > LARGEST_EXIF:
        raise ValueError(f"its EXIF has {len(exif):,} bytes, more than the {LARGEST_EXIF:,} that are read")
    exif = exif.removeprefix(_EXIF)
    if exif[:4] in _TIFF_STARTS:
        check_tags(io.BytesIO(exif))


def check_tags(file: IO[bytes]) -> None:
    """Raise ValueError for a TIFF, or EXIF, whose tags claim far more than it holds.

    What is damaged otherwise is left to who reads it.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(16).ljust(16, b"\0")
    order, is_big = "<" if head[:1] == b"I" else ">", head[2:4] in (b"+\0", b"\0+")
    waiting = [struct.unpack_from(order + ("Q" if is_big else "I"), head, 8 if is_big else 4)[0]]
    seen: set[int] = set()
    claimed = 0
    while waiting and len(seen) < MOST_DIRECTORIES:
        offset = waiting.pop()
        if offset in seen or not 8 <= offset < size:
            continue
        seen.add(offset)
        pointers, more = _directory(file, offset, order, is_big, size)
        waiting += pointers
        claimed += more
        if claimed > 2 * most_claimed(size):
            raise ValueError("its tags claim more bytes than it has")


def _directory(file: IO[bytes], offset: int, order: str, is_big: bool, size: int) -> tuple[list[int], int]:
    """Where one directory points to, and how many bytes its values claim that lie in the file."""
    head, word, width, inline = ("Q", "Q", 20, 8) if is_big else ("H", "I", 12, 4)
    file.seek(offset)
    count = file.read(struct.calcsize(head))
    length = struct.unpack(order + head, count)[0] if len(count) == struct.calcsize(head) else 0
    entries = file.read(min(length, 65_535) * width)
    pointers, claimed = [], 0
    for at in range(0, len(entries) - width + 1, width):
        number, kind, values = struct.unpack_from(f"{order}HH{word}", entries, at)
        (place,) = struct.unpack_from(order + word, entries, at + width - inline)
        bytes_ = values * SIZES.get(kind, 0)
        if number in _POINTERS:
            pointers.append(place)
        if bytes_ > inline and place + bytes_ <= size:
            claimed += bytes_
            if values > MOST_NUMBERS and kind not in _BYTES:
                raise ValueError(
                    f"one of its tags has {values:,} numbers, more than the {MOST_NUMBERS:,} that are read"
                )
    following = file.read(inline)
    if len(following) == inline:
        pointers.insert(0, struct.unpack(order + word, following)[0])  # the last to be looked at
    return pointers, claimed
