"""WebP files taken apart into chunks and joined again (RFC 9649)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from rotnet.images.formats.block import Block, refuse_crumbs

_WEBP_ROLES = {b"EXIF": "exif", b"XMP ": "xmp", **dict.fromkeys([b"VP8X", b"VP8 ", b"VP8L", b"ALPH"], "pixels")}
_WEBP_ORDER = (b"VP8X", b"ICCP", b"ALPH", b"VP8 ", b"VP8L", b"EXIF", b"XMP ")
_WEBP_FLAGS = {b"ICCP": 0x20, b"ALPH": 0x10, b"EXIF": 0x08, b"XMP ": 0x04}


def split_blocks(data: bytes) -> tuple[list[Block], bytes, bytes]:
    """The chunks, nothing, and what follows the file proper."""
    end = 8 + int.from_bytes(data[4:8], "little")
    blocks, at = [], 12
    while at + 8 <= min(end, len(data)):
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        blocks.append(Block(kind, _WEBP_ROLES.get(kind, "other"), b"", data[at + 8 : at + 8 + length]))
        refuse_crumbs(len(blocks), at)
        at += 8 + length + length % 2
    return blocks, b"", data[end:]


def webp_pixels(data: bytes) -> dict[bytes, int]:
    """Bytes of each kind of chunk that holds pixels: `b"VP8 "`, `b"VP8L"` or `b"ALPH"`."""
    return {block.kind: len(block.content) for block in split_blocks(data)[0] if block.role == "pixels"}


def join_blocks(blocks: Sequence[Block], _: bytes) -> bytes:
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
