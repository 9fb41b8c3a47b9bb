"""PNG files taken apart into chunks and joined again (ISO/IEC 15948)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from rotnet.images.formats.block import Block

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"
# chunks that tell how this very file stores its pixels; background and significant bits are in its levels
_PNG_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"hIST", b"bKGD", b"sBIT"}


def split_blocks(data: bytes) -> tuple[list[Block], bytes, bytes]:
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


def join_blocks(blocks: Sequence[Block], scan: bytes) -> bytes:
    parts = [_SIGNATURE]
    for block in blocks:
        body = block.kind + block.head + block.content
        parts += [(len(body) - 4).to_bytes(4, "big"), body, zlib.crc32(body).to_bytes(4, "big")]
    return b"".join([*parts, scan])
