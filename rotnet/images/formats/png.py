"""PNG files taken apart into chunks and joined again (ISO/IEC 15948)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from rotnet.images.formats.block import Block, refuse_crumbs

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"
_LARGEST = 16 << 20  # bytes of compressed metadata, unpacked
# chunks that tell how this very file stores its pixels; background and significant bits are in its pixel values
_PNG_PIXELS = {b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"hIST", b"bKGD", b"sBIT"}


def split_blocks(data: bytes) -> tuple[list[Block], bytes, bytes]:
    """The chunks up to the last one, that one, and what follows; ValueError for a damaged file."""
    blocks: list[Block] = []
    at = len(_SIGNATURE)
    while len(data) >= at + 12:
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"IEND":
            return blocks, data[at : at + 12], data[at + 12 :]
        blocks.append(_png_block(kind, data[at + 8 : at + 8 + length]))
        refuse_crumbs(len(blocks), at)
        at += 12 + length
    raise ValueError("its chunks are damaged")


def _png_block(kind: bytes, content: bytes) -> Block:
    """A chunk; compressed XMP and EXIF in the old way of ImageMagick come as what they are."""
    if kind == b"eXIf":
        return Block(kind, "exif", b"", content)
    if kind == b"iTXt" and content.startswith(b"XML:com.adobe.xmp\0"):
        compressed, packet = content[18:19], content[20:].split(b"\0", 2)[-1]
        xmp = _unpacked(packet) if compressed != b"\0" else packet
        if xmp is not None:
            return Block(kind, "xmp", _PNG_XMP, xmp)
    if kind in (b"tEXt", b"zTXt") and content.startswith(b"Raw profile type exif\0"):
        exif = exif_of_text(kind, content)
        if exif is not None:
            return Block(b"eXIf", "exif", b"", exif)
    return Block(kind, "pixels" if kind in _PNG_PIXELS else "other", b"", content)


def exif_of_text(kind: bytes, content: bytes) -> bytes | None:
    """The EXIF that ImageMagick once wrote into text: a line break, a name, a length, and the bytes as hexadecimals.

    None for what is damaged; ValueError for what is made to fill the memory.
    """
    text = content[22:] if kind == b"tEXt" else _unpacked(content[23:])
    try:
        *_, digits = (text or b"").split(maxsplit=2)
        return bytes.fromhex(digits.decode()).removeprefix(b"Exif\0\0")
    except ValueError:
        return None


def _unpacked(data: bytes) -> bytes | None:
    """What was compressed; None for what is damaged."""
    packed = zlib.decompressobj()
    try:
        result = packed.decompress(data, _LARGEST)
    except zlib.error:
        return None
    if len(result) == _LARGEST:
        raise ValueError(f"its compressed metadata have more than {_LARGEST:,} bytes")
    return result if packed.eof else None


def join_blocks(blocks: Sequence[Block], scan: bytes) -> bytes:
    parts = [_SIGNATURE]
    for block in blocks:
        body = block.kind + block.head + block.content
        parts += [(len(body) - 4).to_bytes(4, "big"), body, zlib.crc32(body).to_bytes(4, "big")]
    return b"".join([*parts, scan])
