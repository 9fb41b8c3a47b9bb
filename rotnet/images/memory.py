"""How much memory a picture takes to be read, estimated before it is decoded.

A few kilobytes can stand for hundreds of megapixels. What a photographer's laptop has to spare is 1 GiB; files that are
large themselves may take more, for no one sends such by mistake.
"""

from __future__ import annotations

from PIL import Image

from rotnet.errors import ImageError

__all__ = ["MAX_BYTES", "MAX_PIXELS", "check_memory", "scale_of"]

MAX_PIXELS = 500_000_000
MAX_BYTES = 1 << 30
"""Bytes that reading a picture may take, at the default limit of pixels; a file may take 32 times its own if more."""

_OF_FILE = 32
_SCALES = (8, 4, 2)  # parts of its size at which a JPEG can be decoded, as simplejpeg does too
# bytes a pixel, measured: Pillow's own store by mode, what decoders need besides, and what conversion to RGB takes
_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_DECODER = {"WEBP": 12, "AVIF": 6, "HEIF": 4, "JPEG2000": 16, "QOI": 4, "TIFF": 3}
_CONVERTED = {"I": 16, "F": 16, "I;16": 9, "I;16B": 9, "I;16L": 9, "I;16N": 9}
_COEFFICIENTS = 6  # of a progressive JPEG, at whatever scale


def check_memory(image: Image.Image, name: str, file_size: int, max_pixels: int | None, short_side: int | None) -> None:
    """Raise `ImageError` for a picture that takes more memory to read than is allowed.

    Args:
        image: As Pillow opened it, not decoded yet.
        name: What an error calls it.
        file_size: Bytes of its file.
        max_pixels: The limit of pixels; None for no limit of memory either. One above the default allows more memory
            in the same proportion.
        short_side: Pixels of the shorter side that suffice, so that a JPEG is decoded at a part of its size; None for
            all.
    """
    if max_pixels is None:
        return
    needed = image.width * image.height * _bytes_a_pixel(image, short_side)
    allowed = max(MAX_BYTES, _OF_FILE * file_size)
    if needed > allowed * max(1.0, max_pixels / MAX_PIXELS):
        enough = -(-int(needed) * MAX_PIXELS // allowed)
        raise ImageError(
            f"{name} has {image.width} × {image.height} pixels, which take {needed / 1e9:.1f} GB of memory, more than "
            f"the {allowed / 1e9:.1f} GB allowed; shrink it or raise max_pixels to {enough:,}"
        )


def scale_of(size: tuple[int, int], short_side: int | None) -> int:
    """The part, 1, 2, 4 or 8, at which a JPEG of this size keeps so many pixels along its shorter side.

    Example:
        >>> scale_of((4000, 3000), 700), scale_of((4000, 3000), None)
        (4, 1)
    """
    return next((part for part in _SCALES if short_side is not None and min(size) // part >= short_side), 1)


def _bytes_a_pixel(image: Image.Image, short_side: int | None) -> float:
    stored, converted = _STORED.get(image.mode, 4), _CONVERTED.get(image.mode, 4)
    if image.format in ("JPEG", "MPO"):
        coefficients = _COEFFICIENTS if image.info.get("progressive") else 0
        return coefficients + (stored + converted) / scale_of(image.size, short_side) ** 2
    return stored + _DECODER.get(image.format or "", 0) + converted
