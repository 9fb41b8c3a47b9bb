"""JPEG files: their segments, and their pixels without detours.

The segments are as in ITU-T T.81, annex B: a marker, two bytes of length that count themselves, and a payload.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

__all__ = ["SCAN", "decode", "end", "segments"]

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
