"""The pixels of JPEG files without detours, and whether all of them are there.

libjpeg decodes a damaged file with no more than a warning, and fills with gray or garbage what it cannot tell. Its
warnings are heeded here, but for those about what cameras write and what does no harm.
"""

from __future__ import annotations

import re
from typing import IO

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from rotnet.images.formats.jpeg import SCAN, end, join_blocks, segments, split_blocks

__all__ = ["DamagedError", "decode"]

MOST_SCANS = 100  # of one picture; encoders make about ten, and each costs a pass over all of it
_NO_FRAMES = (0xC4, 0xC8, 0xCC)  # amid the markers of frames
_COSINES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)  # sequential and progressive, either with Huffman's or with arithmetic codes
_PROGRESSIVE = (0xC2, 0xCA)
_DAMAGE = re.compile(r"Corrupt JPEG data|Inconsistent progression")
_CUT_OFF = "Premature end of JPEG file"  # perhaps of nothing but its last marker
_EXTRA = re.compile(r"(\d+) extraneous bytes before marker 0x([0-9a-f]{2})")
# what does no harm; libjpeg tells one warning only, so that it may hide another
_HEADER = re.compile(r"JFIF revision|bad ICC marker|Adobe color transform|Invalid SOS parameters")
_FEW = 4  # bytes of whatever content with which cameras fill up a scan
_EXACT = {"fastdct": False, "fastupsample": False}
_COLORS = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}


class DamagedError(ValueError):
    """A picture is incomplete or garbled, though something of it can be decoded."""


def decode(
    image: Image.Image, short_side: int | None = None, *, colors: str | None = "RGB", strict: bool = True
) -> NDArray[np.uint8] | None:
    """The pixels of a JPEG file as they are stored, at the least part of their size that suffices.

    They are what Pillow gives, without its copies. What simplejpeg does not read, inks and what libjpeg cannot decode,
    is left to Pillow, which is told of the part. Lossless files, which libjpeg, asked for a part, writes beyond its
    buffer, stay whole, and with them files whose segments do not say what they are.

    Args:
        image: The file as Pillow opened it, not decoded yet.
        short_side: Pixels that suffice along the shorter side; None for all.
        colors: `"RGB"`, or None for those of the image, `"L"` or `"RGB"`.
        strict: Refuse a damaged picture; otherwise it comes gray or garbled from where the damage is.

    Returns:
        `uint8` of shape `(H, W, 3)`, or `(H, W)` for gray; None for what Pillow is to decode, checked likewise.

    Raises:
        DamagedError: The picture is damaged.
        ValueError: It has more scans than any encoder makes.
    """
    file: IO[bytes] = image.fp  # type: ignore[attr-defined]
    file.seek(0)
    data = file.read()
    has_cosines, is_one_scan, start = _layout(data)
    if not is_one_scan:
        _refuse_many_scans(data, start)
    if has_cosines and image.mode in ("L", "RGB"):
        parts = [part for part in (8, 4, 2) if short_side is not None and min(image.size) // part >= short_side]
        width, height = (-(-side // max(parts, default=1)) for side in image.size)
        pixels = _decoded(data, colors or _COLORS[image.mode], height, width, strict)
        if pixels is not None:
            return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    elif strict and image.mode in _COLORS:
        part = 8 if has_cosines else 1
        width, height = (-(-side // part) for side in image.size)
        _decoded(data, "CMYK" if image.mode == "CMYK" else "GRAY", height, width, strict)
    if short_side is not None and has_cosines:
        image.draft(None, (short_side, short_side))
    return None


def _decoded(data: bytes, colors: str, height: int, width: int, strict: bool) -> NDArray[np.uint8] | None:
    """The pixels, no smaller than that; None where libjpeg gives up, which Pillow then tells in its words."""
    size = {"min_height": height, "min_width": width}
    warning = _warning_of(data, colors, size)
    if isinstance(warning, np.ndarray):
        return warning
    is_header = _HEADER.search(warning) is not None
    if strict and is_header:
        hidden = _warning_of(_bare(data), colors, size)
        warning = hidden if isinstance(hidden, str) else ""
    damaged = _DAMAGE.search(warning) and not _HEADER.search(warning)
    if not (is_header or damaged or (_CUT_OFF in warning and not strict)):
        return None  # Pillow refuses what is cut off, unless all pixels are there
    if strict and damaged and not _is_harmless(data, warning):
        raise DamagedError(warning.removeprefix("Corrupt JPEG data: "))
    try:
        high, wide, _, _ = simplejpeg.decode_jpeg_header(data, strict=False, **size)
        # where libjpeg gives up after all, what it has not come to must not be what lay in memory
        buffer = np.full((high, wide, len(colors) if colors != "GRAY" else 1), 128, np.uint8)
        return simplejpeg.decode_jpeg(data, colors, strict=False, buffer=buffer, **size, **_EXACT)
    except ValueError:
        return None


def _warning_of(data: bytes, colors: str, size: dict[str, int]) -> NDArray[np.uint8] | str:
    """The pixels, or the first thing that libjpeg says against them."""
    try:
        return simplejpeg.decode_jpeg(data, colors, **size, **_EXACT)
    except ValueError as error:
        return str(error)


def _bare(data: bytes) -> bytes:
    """A file without the segments that tell nothing of its pixels."""
    blocks, scan, _ = split_blocks(data)
    return join_blocks([block for block in blocks if block.role == "pixels"], scan)


def _is_harmless(data: bytes, warning: str) -> bool:
    """Whether a warning is about bytes that are too many where they do no harm.

    Garbage amid a scan leaves bytes over at its end as well. But what cameras fill up with is one byte again and again,
    or a few bytes.
    """
    extra = _EXTRA.search(warning)
    if extra is None:
        return False
    scan = next((at for at, marker, _ in segments(data) if marker == SCAN), None)
    if scan is None:
        return True  # amid the header
    if extra[2] != "d9":
        return False
    stop = end(data, scan) - 2
    rest = data[max(0, stop - int(extra[1])) : stop]
    return len(rest) <= _FEW or len({*rest}) == 1


def _layout(data: bytes) -> tuple[bool, bool, int]:
    """Whether a file can be decoded at a part of its size, as all can but the lossless ones; whether one scan holds all
    of it; and where its first scan begins, 0 if it does not.

    Example:
        >>> _layout(bytes.fromhex("ffd8 ffc3 0002 ffda 0002"))
        (False, False, 6)
    """
    frame, components = None, -1
    for at, marker, payload in segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES and frame is None:
            frame, components = marker, int.from_bytes(payload[5:6], "big")
        if marker == SCAN:
            is_one = frame not in _PROGRESSIVE and payload[:1] == bytes([max(components, 0)])
            return frame in _COSINES, is_one, at
    return frame in _COSINES, False, 0


def _refuse_many_scans(data: bytes, start: int) -> None:
    """Raise ValueError for a picture that is decoded again and again, from the place of its first scan on."""
    if data.count(b"\xff\xda", start) <= MOST_SCANS:  # further pictures, or a video behind the end, may have some
        return
    if data.count(b"\xff\xda", start, end(data, start) if start else len(data)) > MOST_SCANS:
        raise ValueError(f"it has more than {MOST_SCANS} scans, which no encoder makes")
