"""JPEG files: their segments, and their pixels without detours.

The segments are as in ITU-T T.81, annex B: a marker, two bytes of length that count themselves, and a payload.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import IO

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from rotnet.images.formats.block import Block
from rotnet.images.formats.ifd import byte_order, first_directory

__all__ = ["SEGMENT", "decode", "join_blocks", "join_jpegs", "split_blocks", "split_jpegs", "without_index"]

SCAN = 0xDA
_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # amid the markers of frames
_COSINES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)  # sequential and progressive, either with Huffman's or with arithmetic codes
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")  # but for those inside a scan


def decode(image: Image.Image, short_side: int | None) -> NDArray[np.uint8] | None:
    """The pixels of a JPEG file as they are stored, at the least part of their size that suffices.

    They are what Pillow gives, without its copies. What simplejpeg does not read, other colours and damage, is left to
    Pillow, which is told of the part. Lossless files, which libjpeg, asked for a part, writes beyond its buffer, stay
    whole, and with them files whose segments do not say that they are none.

    Args:
        image: The file as Pillow opened it, not decoded yet.
        short_side: Pixels that suffice along the shorter side; None for all.

    Returns:
        RGB `uint8` of shape `(H, W, 3)`; None for what Pillow is to decode.
    """
    file: IO[bytes] = image.fp  # type: ignore[attr-defined]
    file.seek(0)
    data = file.read()
    if not _has_cosines(data):
        return None
    if image.mode in ("L", "RGB"):
        parts = [part for part in (8, 4, 2) if short_side is not None and min(image.size) // part >= short_side]
        width, height = (-(-side // max(parts, default=1)) for side in image.size)
        exact = {"fastdct": False, "fastupsample": False}
        with suppress(ValueError):
            return simplejpeg.decode_jpeg(data, "RGB", min_height=height, min_width=width, **exact)
    if short_side is not None:
        image.draft(None, (short_side, short_side))
    return None


def segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Place, marker and payload of the segments up to the first scan, as far as they are whole.

    Example:
        >>> [(at, hex(marker)) for at, marker, _ in segments(bytes.fromhex("ffd8 fffe 0003 41 ffda 0002"))]
        [(2, '0xfe'), (7, '0xda')]
    """
    at = 2
    while data[at : at + 1] == b"\xff":
        if data[at + 1 : at + 2] == b"\xff":  # a fill byte
            at += 1
            continue
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        payload = data[at + 4 : at + 2 + length]
        # such as have no payload do not come before a scan
        if marker < 0xC0 or 0xD0 <= marker <= 0xD9 or len(payload) != length - 2:
            return
        yield at, marker, payload
        if marker == SCAN:
            return
        at += 2 + length


def end(data: bytes, at: int) -> int:
    """Where a picture ends whose first scan begins at a place; ValueError if it does not."""
    while found := _MARKER.search(data, at):
        if data[found.end() - 1] == 0xD9:
            return found.end()
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    raise ValueError("its end is missing")


def _has_cosines(data: bytes) -> bool:
    """Whether a file is of a kind that can be decoded at a part of its size, as all are but the lossless ones.

    Example:
        >>> _has_cosines(bytes.fromhex("ffd8 ffc3 0002 ffda 0002"))
        False
    """
    frames = (marker for _, marker, _ in segments(data) if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES)
    return next(frames, None) in _COSINES


SEGMENT = 65533  # bytes that one segment holds
_TIFF_STARTS = (b"II*\0", b"MM\0*")
# marker and first bytes of the segments that are more than cargo
_SEGMENTS = {
    (0xE0, b"JFIF\0"): "jfif",
    (0xE0, b"JFXX\0"): "thumbnail",
    (0xE1, b"Exif\0\0"): "exif",
    (0xE1, b"http://ns.adobe.com/xap/1.0/\0"): "xmp",
    (0xE2, b"MPF\0"): "index",
    (0xED, b"Photoshop 3.0\0"): "photoshop",
    (0xEE, b"Adobe"): "pixels",
}


def split_blocks(data: bytes) -> tuple[list[Block], bytes, bytes]:
    """The segments up to the first scan, the scans, and what follows the end."""
    blocks: list[Block] = []
    for at, marker, payload in segments(data):
        if marker == SCAN:
            stop = end(data, at)
            return blocks, data[at:stop], data[stop:]
        role = "other" if 0xE0 <= marker <= 0xEF or marker == 0xFE else "pixels"
        head = b""
        for (expected, start), known in _SEGMENTS.items():
            if marker == expected and payload.startswith(start):
                role, head = known, start
        block = Block(data[at : at + 2], role, head, payload[len(head) :])
        if role == "exif" and blocks and blocks[-1].role == "exif" and block.content[:4] not in _TIFF_STARTS:
            blocks[-1] = replace(blocks[-1], content=blocks[-1].content + block.content)  # what went on in a second one
        else:
            blocks.append(block)
    raise ValueError("its segments are damaged")


def join_blocks(blocks: Sequence[Block], scan: bytes) -> bytes:
    parts = [b"\xff\xd8"]
    for block in blocks:
        most = SEGMENT - len(block.head)
        if len(block.content) > most and block.role != "exif":
            raise ValueError("its metadata leave no room")
        for start in range(0, max(1, len(block.content)), most):
            content = block.content[start : start + most]
            parts += [block.kind, (2 + len(block.head) + len(content)).to_bytes(2, "big"), block.head, content]
    return b"".join([*parts, scan])


def split_jpegs(data: bytes) -> list[bytes]:
    """The pictures of a JPEG file, each with what follows it: one, or as many as its index lists.

    The first of several is the picture itself, the others are previews, gain maps, depths, or the other eye's view.

    Raises:
        ValueError: The file or its index is damaged.
    """
    index = _index_of(data)
    starts = [0, *(index.base + offset for _, offset in index.entries[1:])] if index else [0]
    if all(data[start : start + 2] != b"\xff\xd8" for start in starts[1:]):  # some tool has left the index alone
        return [data]
    parts = [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]
    if starts != sorted({*starts}) or any(part[:2] != b"\xff\xd8" for part in parts):
        raise ValueError("its index of pictures is damaged")
    return parts


def join_jpegs(parts: Sequence[bytes], originals: Sequence[bytes]) -> bytes:
    """The inverse of `split_jpegs` when parts have changed: the index and XMP of the first learn the new lengths.

    Args:
        parts: The new pictures.
        originals: Those that they were made from, as `split_jpegs` gave them.

    Raises:
        ValueError: As for `split_jpegs`.
    """
    old = _index_of(originals[0])
    if old is None or len(old.entries) != len(originals):
        return parts[0]
    grown = [len(new) - len(before) for new, before in zip(parts, originals, strict=True)]
    lengths = {b"%d" % size: b"%d" % (size + more) for (size, _), more in zip(old.entries[1:], grown[1:], strict=True)}
    blocks, scan, tail = split_blocks(parts[0])
    for at, block in enumerate(blocks):
        if block.role == "xmp":
            pattern, told = rb'(Item:Length=["\'])([0-9]+)', block.content
            told = re.sub(pattern, lambda match: match[1] + lengths.get(match[2], match[2]), told)
            blocks[at] = replace(block, content=told)
    first = join_blocks(blocks, scan) + tail
    grown[0] = len(first) - len(originals[0])
    new, result, start = _index_of(first), bytearray(b"".join([first, *parts[1:]])), 0
    assert new is not None  # it is one of the blocks that `graft` and `retag` keep
    for number, ((size, _), part) in enumerate(zip(old.entries, [first, *parts[1:]], strict=True)):
        entry = new.base + new.position + 16 * number
        offset = start - new.base if number else 0
        struct.pack_into(new.order + "II", result, entry + 4, size + grown[number], offset)
        start += len(part)
    return bytes(result)


def without_index(data: bytes) -> bytes:
    """One of several pictures as a JPEG file that knows nothing of the others."""
    blocks, scan, _ = split_blocks(data)
    return join_blocks([block for block in blocks if block.role != "index"], scan)


@dataclass(frozen=True)
class _Index:
    """Where offsets count from, byte order, where the entries begin from there, and `(size, offset)` of each."""

    base: int
    order: str
    position: int
    entries: list[tuple[int, int]]


def _index_of(data: bytes) -> _Index | None:
    for block in split_blocks(data)[0]:
        if block.role == "index" and (tag := first_directory(block.content)[0].get(0xB002)):
            order, ends = byte_order(block.content), range(16, tag.count + 1, 16)
            entries = [struct.unpack_from(order + "II", tag.value, end - 12) for end in ends]
            return _Index(data.index(block.head + block.content) + len(block.head), order, tag.position, entries)
    return None
