"""What tells a picture by what it shows: a digest of its stored pixels and its orientation, not of its metadata.

A title, a rating or another name leave it as it is. Whoever turns the picture, by its pixels or its orientation, gives
it another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from rotnet.images.formats import containers
from rotnet.images.formats.block import Block
from rotnet.images.formats.ifd import byte_order, first_directory, most_claimed

__all__ = ["fingerprint"]

_STARTS = {b"\xff\xd8": "JPEG", b"\x89P": "PNG", b"RI": "WEBP", b"II": "TIFF", b"MM": "TIFF"}
# offsets and sizes of strips and of tiles
_PLACES = ((273, 279), (324, 325))
_TOLD = (256, 257, 258, 259, 262, 277, 317)  # tags without which strips mean nothing


def fingerprint(data: bytes) -> bytes:
    """A digest of 16 bytes.

    Args:
        data: A picture file. Of a format whose parts are not known here, or a damaged one, all bytes count.

    Example:
        >>> from pathlib import Path
        >>> data = Path("examples/photos/coffee.jpg").read_bytes()
        >>> fingerprint(data) == fingerprint(data + b"a note behind its end") != fingerprint(data[:-5])
        True
    """
    parts: Iterable[bytes | memoryview] = [data]
    format = _STARTS.get(data[:2])
    if format is not None:
        try:
            pixels: Sequence[bytes | memoryview] = _strips(data) if format == "TIFF" else _pixels(data, format)
            parts = [bytes([containers.orientation(data, format)]), *pixels] if pixels else [data]
        except (ValueError, IndexError):  # the latter of what is cut off in the middle of a marker
            parts = [data]
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _pixels(data: bytes, format: str) -> list[bytes]:
    blocks, scan, _ = containers.SPLIT[format](data)
    pixels = [block.kind + block.content for block in blocks if _counts(block)]
    return [*pixels, scan] if pixels else []


def _counts(block: Block) -> bool:
    return block.role == "pixels" and block.kind != b"VP8X"  # which tells what metadata there are


def _strips(data: bytes) -> list[bytes | memoryview]:
    order, (tags, _) = byte_order(data), first_directory(data)
    places: list[tuple[int, int]] = []
    for starts, sizes in _PLACES:
        if starts in tags and sizes in tags:
            places += zip(tags[starts].numbers(order), tags[sizes].numbers(order), strict=False)
    if sum(size for _, size in places) > most_claimed(len(data)):
        raise ValueError("its strips claim more bytes than it has")
    whole = memoryview(data)
    told = [bytes(tags[number].value) for number in _TOLD if number in tags]
    return [*told, *(whole[start : start + size] for start, size in places)]
