"""JPEG files: their segments, and the further pictures behind the first one.

The segments are as in ITU-T T.81, annex B: a marker, two bytes of length that count themselves, and a payload.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rotnet.images.formats.block import Block, refuse_crumbs
from rotnet.images.formats.ifd import byte_order, first_directory
from rotnet.images.formats.xmp import with_lengths

__all__ = ["SCAN", "SEGMENT", "end", "join_blocks", "join_jpegs", "segments", "split_blocks", "split_jpegs"]
__all__ += ["without_index"]

SCAN = 0xDA
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")  # but for those inside a scan


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


SEGMENT = 65533  # bytes that one segment holds
_ENTRIES_TAG = 0xB002  # MP entries, of CIPA DC-007
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
    """The segments up to the first scan, the scans, and what follows the end; ValueError for a damaged file."""
    blocks: list[Block] = []
    parts: list[bytes] = []  # of EXIF that goes on from segment to segment, joined once
    for number, (at, marker, payload) in enumerate(segments(data)):
        refuse_crumbs(number, at)
        role, head = _role_of(marker, payload)
        goes_on = role == "exif" and parts and payload[len(head) : len(head) + 4] not in _TIFF_STARTS
        if len(parts) > 1 and not goes_on:
            blocks[-1] = replace(blocks[-1], content=b"".join(parts))
        if marker == SCAN:
            stop = end(data, at)
            return blocks, data[at:stop], data[stop:]
        content = payload[len(head) :]
        if goes_on:
            parts.append(content)
            continue
        parts = [content] if role == "exif" else []
        blocks.append(Block(data[at : at + 2], role, head, content))
    raise ValueError("its segments are damaged")


def _role_of(marker: int, payload: bytes) -> tuple[str, bytes]:
    """The role of a segment, and the first bytes that tell it."""
    if not 0xE0 <= marker <= 0xEF:
        return "other" if marker == 0xFE else "pixels", b""
    for (expected, start), known in _SEGMENTS.items():
        if marker == expected and payload.startswith(start):
            return known, start
    return "other", b""


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
        ValueError: The file or its index is damaged.
    """
    old = _index_of(originals[0])
    if old is None or len(old.entries) != len(originals):
        return parts[0]
    grown = [len(new) - len(before) for new, before in zip(parts, originals, strict=True)]
    lengths = [(size, size + more) for (size, _), more in zip(old.entries[1:], grown[1:], strict=True)]
    blocks, scan, tail = split_blocks(parts[0])
    blocks = [
        replace(block, content=with_lengths(block.content, lengths)) if block.role == "xmp" else block
        for block in blocks
    ]
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
    for at, marker, payload in segments(data):
        role, head = _role_of(marker, payload)
        if role != "index":
            continue
        content = payload[len(head) :]
        if tag := first_directory(content)[0].get(_ENTRIES_TAG):
            order, ends = byte_order(content), range(16, tag.count + 1, 16)
            entries = [struct.unpack_from(order + "II", tag.value, end - 12) for end in ends]
            return _Index(at + 4 + len(head), order, tag.position, entries)
    return None
