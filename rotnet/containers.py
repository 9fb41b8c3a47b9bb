"""JPEG, PNG, WebP and TIFF files taken apart into blocks, so that metadata pass from one to another byte for byte.

Only what must change is changed (orientation, size, thumbnail); blocks that no one here knows are carried along.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rotnet import jpeg
from rotnet.metadata import (
    Facts,
    orientation_of,
    retag_exif,
    retag_xmp,
    without_thumbnails,
)
from rotnet.tiff import byte_order, first_directory
from rotnet.tiff_grafting import graft_tiff, retag_tiff

__all__ = ["graft", "join_jpegs", "orientation", "retag", "split_jpegs", "without_index"]


@dataclass(frozen=True)
class Block:
    """A segment of JPEG or a chunk of PNG or WebP.

    Attributes:
        kind: What the format calls it.
        role: `"pixels"` for what only makes sense with the pixels beside it, `"exif"`, `"xmp"`, `"photoshop"`,
            `"jfif"`, `"index"` of further pictures, `"thumbnail"`, or `"other"`.
        head: Bytes that say what the content is.
        content: The rest.
    """

    kind: bytes
    role: str
    head: bytes
    content: bytes


def orientation(data: bytes, format: str, default: int = 1) -> int:
    """The orientation that a file asks for, 1 to 8.

    Args:
        data: The file.
        format: `"JPEG"`, `"PNG"`, `"WEBP"` or `"TIFF"`.
        default: The answer where the file asks for none, or for nonsense.

    Raises:
        ValueError: The file is damaged.
    """
    if format == "TIFF":
        return orientation_of(data, None, default)
    blocks, _, _ = _SPLIT[format](data)
    content = {block.role: block.content for block in reversed(blocks)}  # the first of its role counts
    return orientation_of(content.get("exif"), content.get("xmp"), default)


def retag(data: bytes, format: str, facts: Facts) -> bytes:
    """The same file, pixels untouched, with true metadata; EXIF is added where it lacks and is needed.

    Args:
        data: The file.
        format: `"JPEG"`, `"PNG"`, `"WEBP"` or `"TIFF"`.
        facts: What is true of it now.

    Raises:
        ValueError: The file is damaged, or the metadata have no room left.
    """
    if format == "TIFF":
        return retag_tiff(data, facts)
    blocks, scan, tail = _SPLIT[format](data)
    blocks = [_true_of(block, facts) for block in blocks]
    if facts.orientation != 1 and not any(block.role == "exif" for block in blocks):
        kind, head = _NEW_EXIF[format]
        first = 0 if format == "JPEG" and (not blocks or blocks[0].role != "jfif") else 1
        blocks.insert(first, Block(kind, "exif", head, retag_exif(b"", facts)))
    return _JOIN[format](blocks, scan) + tail


def graft(original: bytes, bare: bytes, format: str, facts: Facts) -> bytes:
    """The pixels of one file with the metadata of another, and with what lies behind its end, such as a video.

    Args:
        original: The file that gives the metadata.
        bare: The file that gives the pixels.
        format: `"JPEG"`, `"PNG"`, `"WEBP"` or `"TIFF"`, of both.
        facts: What is true of the pixels.

    Raises:
        ValueError: The original is damaged, or the metadata have no room left.
    """
    if format == "TIFF":
        return graft_tiff(original, bare, facts)
    blocks, _, tail = _SPLIT[format](original)
    kept = [_true_of(block, facts) for block in blocks if block.role not in ("pixels", "thumbnail")]
    new, scan, _ = _SPLIT[format](bare)
    pixels = [block for block in new if block.role == "pixels"]
    first = 1 if format == "PNG" else 0  # its header
    return _JOIN[format]([*pixels[:first], *kept, *pixels[first:]], scan) + tail


def _true_of(block: Block, facts: Facts) -> Block:
    content = block.content
    if block.role == "exif":
        room = max(_SEGMENT - len(block.head), len(content)) if block.kind == b"\xff\xe1" else 1 << 32
        content = retag_exif(content, facts, room=room)
        if len(content) > room:  # what is added would lie in a further segment, where most programs do not look
            raise ValueError("its metadata leave no room")
    elif block.role == "xmp":
        content = retag_xmp(content, facts)
    elif facts.thumbnail is not None and block.role == "photoshop":
        content = without_thumbnails(content)
    elif facts.thumbnail is not None and block.role == "jfif":
        content = content[:7] + b"\0\0"
    return replace(block, content=content)


# JPEG -----------------------------------------------------------------------------------------------------------------

_SEGMENT = 65533  # bytes that one segment holds
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


def _split_jpeg(data: bytes) -> tuple[list[Block], bytes, bytes]:
    """The segments up to the first scan, the scans, and what follows the end."""
    blocks: list[Block] = []
    for at, marker, payload in jpeg.segments(data):
        if marker == jpeg.SCAN:
            end = jpeg.end(data, at)
            return blocks, data[at:end], data[end:]
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


def _join_jpeg(blocks: Sequence[Block], scan: bytes) -> bytes:
    parts = [b"\xff\xd8"]
    for block in blocks:
        most = _SEGMENT - len(block.head)
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
    blocks, scan, tail = _split_jpeg(parts[0])
    for at, block in enumerate(blocks):
        if block.role == "xmp":
            pattern, told = rb'(Item:Length=["\'])([0-9]+)', block.content
            told = re.sub(pattern, lambda match: match[1] + lengths.get(match[2], match[2]), told)
            blocks[at] = replace(block, content=told)
    first = _join_jpeg(blocks, scan) + tail
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
    blocks, scan, _ = _split_jpeg(data)
    return _join_jpeg([block for block in blocks if block.role != "index"], scan)


@dataclass(frozen=True)
class _Index:
    """Where offsets count from, byte order, where the entries begin from there, and `(size, offset)` of each."""

    base: int
    order: str
    position: int
    entries: list[tuple[int, int]]


def _index_of(data: bytes) -> _Index | None:
    for block in _split_jpeg(data)[0]:
        if block.role == "index" and (tag := first_directory(block.content)[0].get(0xB002)):
            order, ends = byte_order(block.content), range(16, tag.count + 1, 16)
            entries = [struct.unpack_from(order + "II", tag.value, end - 12) for end in ends]
            return _Index(data.index(block.head + block.content) + len(block.head), order, tag.position, entries)
    return None


# PNG ------------------------------------------------------------------------------------------------------------------

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"
# chunks that tell how this very file stores its pixels; background and significant bits are in its levels
_PNG_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"hIST", b"bKGD", b"sBIT"}


def _split_png(data: bytes) -> tuple[list[Block], bytes, bytes]:
    """The chunks up to the last one, that one, and what follows."""
    blocks: list[Block] = []
    at = len(_SIGNATURE)
    while len(data) >= at + 12:
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"IEND":
            return blocks, data[at : at + 12], data[at + 12 :]
        blocks.append(_png_block(kind, data[at + 8 : at + 8 + length]))
        at += 12 + length
    raise ValueError("its chunks are damaged")


def _png_block(kind: bytes, content: bytes) -> Block:
    """A chunk; compressed XMP and EXIF in the old way of ImageMagick come as what they are."""
    if kind == b"eXIf":
        return Block(kind, "exif", b"", content)
    if kind == b"iTXt" and content.startswith(b"XML:com.adobe.xmp\0"):
        compressed, packet = content[18], content[20:].split(b"\0", 2)[-1]
        return Block(kind, "xmp", _PNG_XMP, zlib.decompress(packet) if compressed else packet)
    if kind in (b"tEXt", b"zTXt") and content.startswith(b"Raw profile type exif\0"):
        text = content[22:] if kind == b"tEXt" else zlib.decompress(content[23:])
        return Block(b"eXIf", "exif", b"", bytes.fromhex(text.split(maxsplit=2)[2].decode()).removeprefix(b"Exif\0\0"))
    return Block(kind, "pixels" if kind in _PNG_PIXELS else "other", b"", content)


def _join_png(blocks: Sequence[Block], scan: bytes) -> bytes:
    parts = [_SIGNATURE]
    for block in blocks:
        body = block.kind + block.head + block.content
        parts += [(len(body) - 4).to_bytes(4, "big"), body, zlib.crc32(body).to_bytes(4, "big")]
    return b"".join([*parts, scan])


# WebP -----------------------------------------------------------------------------------------------------------------

_WEBP_ROLES = {b"EXIF": "exif", b"XMP ": "xmp", **dict.fromkeys([b"VP8X", b"VP8 ", b"VP8L", b"ALPH"], "pixels")}
_WEBP_ORDER = (b"VP8X", b"ICCP", b"ALPH", b"VP8 ", b"VP8L", b"EXIF", b"XMP ")
_WEBP_FLAGS = {b"ICCP": 0x20, b"ALPH": 0x10, b"EXIF": 0x08, b"XMP ": 0x04}


def _split_webp(data: bytes) -> tuple[list[Block], bytes, bytes]:
    """The chunks, nothing, and what follows the file proper."""
    end = 8 + int.from_bytes(data[4:8], "little")
    blocks, at = [], 12
    while at + 8 <= min(end, len(data)):
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        blocks.append(Block(kind, _WEBP_ROLES.get(kind, "other"), b"", data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return blocks, b"", data[end:]


def webp_pixels(data: bytes) -> dict[bytes, int]:
    """Bytes of each kind of chunk that holds pixels: `b"VP8 "`, `b"VP8L"` or `b"ALPH"`."""
    return {block.kind: len(block.content) for block in _split_webp(data)[0] if block.role == "pixels"}


def _join_webp(blocks: Sequence[Block], _: bytes) -> bytes:
    by_kind = {block.kind: block.content for block in reversed(blocks)}
    header = by_kind.get(b"VP8X")
    if header is None and any(block.role != "pixels" for block in blocks):
        header = _webp_header(by_kind)
    if header is not None:
        flags = header[0] & ~0x2C
        for kind, flag in _WEBP_FLAGS.items():
            flags |= flag if kind in by_kind else 0
        blocks = [block for block in blocks if block.kind != b"VP8X"]
        blocks.append(Block(b"VP8X", "pixels", b"", bytes([flags]) + header[1:]))
    rank = {kind: number for number, kind in enumerate(_WEBP_ORDER)}
    parts = [b"WEBP"]
    for block in sorted(blocks, key=lambda block: rank.get(block.kind, len(rank))):
        length = len(block.content)
        parts += [block.kind, length.to_bytes(4, "little"), block.content, bytes(length % 2)]
    body = b"".join(parts)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _webp_header(by_kind: dict[bytes, bytes]) -> bytes:
    """The header that a file with metadata needs, from that of the pixels."""
    if b"VP8L" in by_kind:
        packed = int.from_bytes(by_kind[b"VP8L"][1:5], "little")
        width, height, alpha = packed & 0x3FFF, packed >> 14 & 0x3FFF, packed >> 28 & 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", by_kind[b"VP8 "], 6))
        width, height, alpha = width - 1, height - 1, 0
    return bytes([0x10 * alpha, 0, 0, 0]) + width.to_bytes(3, "little") + height.to_bytes(3, "little")


_SPLIT = {"JPEG": _split_jpeg, "PNG": _split_png, "WEBP": _split_webp}
_JOIN = {"JPEG": _join_jpeg, "PNG": _join_png, "WEBP": _join_webp}
_NEW_EXIF = {"JPEG": (b"\xff\xe1", b"Exif\0\0"), "PNG": (b"eXIf", b""), "WEBP": (b"EXIF", b"")}
