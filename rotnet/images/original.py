"""Open a picture file with all that is needed to save its pixels again as they were saved.

That is its format, its own quality (the very quantisation tables of a JPEG; for other lossy formats the quality that
gives the same number of bytes), chroma subsampling, bits a channel, compression, and every block of metadata. Where the
library that writes a format cannot hold what the original holds, the original is refused instead of spoilt.
"""

from __future__ import annotations

import bisect
import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from rotnet.errors import ImageError
from rotnet.geometry.regions import Move
from rotnet.images import reading
from rotnet.images.formats import containers, gif, pixmap, webp
from rotnet.images.formats.exif import Facts, retag_exif, retag_xmp
from rotnet.images.orientation import TURNS, apply_orientation, shown_orientation
from rotnet.images.writing import encode, fitted

__all__ = ["TAGGED", "Original", "check_savable", "encode_like", "open_original"]

_log = logging.getLogger(__name__)

# formats whose metadata pass from file to file as they are, and that can hold an orientation
TAGGED = ("JPEG", "PNG", "TIFF", "WEBP")
_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "F")
_TIFF_COMPRESSIONS = ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "group3", "group4")
# what people and cameras choose
_QUALITIES = (20, 30, 40, 50, 60, 65, 70, 75, 80, 85, 88, 90, 92, 95, 98, 100)
_SECOND_TIME = 0.97  # a picture that was compressed before takes a little less
_SAMPLE = 1024  # pixels, side of the mosaic by which a quality is found
_TILE = 256
_BGRA = [2, 1, 0, 3]  # OpenCV's order of channels
_ADOBE_DEFLATE = 8  # TIFF's number for it


@dataclass(frozen=True)
class Original:
    """A picture file, decoded.

    Attributes:
        data: The file.
        name: What an error calls it.
        format: Pillow's name of its format.
        picture: Its pixels, upright as its EXIF says, in its mode.
        deep: The same as `uint16` `(H, W, C)`, C = 3 or 4, where Pillow would cut 16 bits to 8; else None.
        options: For `Image.save`, so that the format is used as it was.
        metadata: For `Image.save`, as they were: EXIF, XMP and ICC profile, raw.
        orientation: How the pixels that are stored were turned, or mirrored, to be upright as EXIF says.
    """

    data: bytes
    name: str
    format: str
    picture: Image.Image
    deep: NDArray[np.uint16] | None
    options: dict[str, Any]
    metadata: dict[str, Any]
    orientation: int = 1

    def moved(self, angle: float, size: tuple[int, int]) -> Move:
        """What becomes of stored pixels where the picture is turned back by an angle, to a new `(width, height)`."""
        width, height = self.picture.size
        stored = (width, height) if self.orientation < 5 else (height, width)
        return Move.oriented(stored, self.orientation).turned_back(angle, size)


def open_original(data: bytes, name: str, max_pixels: int | None, *, strict: bool = True) -> Original:
    """Decode a picture file, wholly or, when strict, not at all.

    Args:
        data: The file.
        name: What an error calls it.
        max_pixels: Refuse a larger picture before decoding it; None for no limit.
        strict: As for `rotnet.read_image`.

    Raises:
        ImageError: It is not a picture, damaged, incomplete, too large, one of several frames or pages, or has more
            bits a channel than could be saved again.
    """
    with reading.opened(data, name, max_pixels) as opened, reading.decoding(name):
        format = reading.format_of(opened)
        check_savable(opened, name, data)
        bits, options = _bits(opened, format, data), _OPTIONS.get(format, _no_options)(opened, data)
        is_deep = bits > 8 and opened.mode not in _DEEP_MODES
        metadata = {key: opened.info[key] for key in ("exif", "icc_profile", "xmp") if opened.info.get(key)}
        orientation = shown_orientation(opened)
        if orientation == 1 and opened.info.get("original_orientation") in TURNS:  # HEIC, turned when it was opened
            orientation = opened.info["original_orientation"]
        picture = reading.upright_pil(opened, strict=strict)
        picture.info.pop("xmp", None)  # that of the file is carried along
    deep = _deep_pixels(data, format, bits, picture, name) if is_deep else None
    return Original(data, name, format, picture, deep, options, metadata, orientation)


def check_savable(opened: Image.Image, name: str, data: bytes) -> None:
    """Refuse what could not be saved again as it was, as far as a file tells before its pixels are decoded.

    Args:
        opened: The file, opened by `rotnet.images.reading.opened`.
        name: What an error calls it.
        data: The file itself.

    Raises:
        ImageError: It holds several frames or pages, or what would be lost.
    """
    format = reading.format_of(opened)
    _refuse_many(opened, format, name)
    if format == "BMP" and opened.has_transparency_data:
        raise ImageError(f"{name} is a BMP with transparency, which could not be kept; convert it to PNG first")
    if format == "JPEG2000":
        raise ImageError(f"{name} is JPEG 2000, whose metadata could not be kept; convert it to TIFF or PNG first")
    if format == "JPEG" and not opened.quantization:  # type: ignore[attr-defined]
        raise ImageError(f"{name} is a lossless JPEG, which could not be saved as one; convert it to PNG first")
    _refuse_what_would_be_lost(data, format, opened, name)


def encode_like(original: Original, turned: Image.Image | NDArray[np.uint16], *, angle: float = 0.0) -> bytes:
    """A file like the original with other pixels, upright ones.

    Args:
        original: From `open_original`.
        turned: The new pixels: a PIL image, or an array where the original is deep.
        angle: Degrees that they were turned back by, around the centre: places that the metadata name go along.

    Raises:
        ImageError: Its metadata are too damaged to be carried over.
        OSError: The encoder fails.
    """
    picture = turned if isinstance(turned, Image.Image) else _shallow(turned)
    facts = Facts(1, picture.size, picture, original.moved(angle, picture.size), original.name)
    if original.format in ("AVIF", "HEIF"):
        metadata = dict(original.metadata)
        for key, made_true in (("exif", retag_exif), ("xmp", retag_xmp)):
            if key in metadata:
                metadata[key] = made_true(metadata[key], facts)
        return _save(picture, original.format, original.options | metadata | {"quality": _quality(original)})
    if original.format not in TAGGED:
        encoded = encode(picture, original.format)
        return pixmap.with_comments(encoded, original.data) if original.format == "PPM" else encoded
    if not isinstance(turned, Image.Image):
        bare = _encode_deep(turned, original.format)
    elif original.format == "WEBP" and not original.options["lossless"]:
        bare = _save(picture, original.format, original.options | {"quality": _quality(original)})
    else:
        bare = _save(picture, original.format, original.options)
    try:
        return containers.graft(original.data, bare, original.format, facts)
    except ValueError as error:
        raise ImageError(f"{original.name} cannot be turned without loss of metadata: {error}") from error


# What is refused ------------------------------------------------------------------------------------------------------


def _refuse_many(opened: Image.Image, format: str, name: str) -> None:
    """Refuse what holds more pictures than one; those beside the first in a JPEG are turned with it."""
    is_one = not getattr(opened, "is_animated", False)  # to count more would mean to read them all
    if format == "TIFF":
        tags = opened.tag_v2  # type: ignore[attr-defined]
        if not is_one:
            raise ImageError(f"{name} holds several pages, for which one angle is not enough; split it into pages")
        if 330 in tags or 50706 in tags:
            raise ImageError(f"{name} holds pictures inside a picture, as raw photographs do; develop it first")
        if tags.get(277, 1) > len(opened.getbands()):
            raise ImageError(f"{name} has {tags[277]} channels, not all of which are read; leave it out, or convert it")
    elif format != "JPEG" and not is_one:
        raise ImageError(f"{name} is an animation, which rotnet does not turn; turn its frames one by one")


def _refuse_what_would_be_lost(data: bytes, format: str, opened: Image.Image, name: str) -> None:
    """Refuse what Pillow neither reads nor writes, and would leave out without a word."""
    lost = None
    if format == "GIF":
        lost = gif.what_is_lost(data)
    elif format == "BMP" and _has_profile(data):
        lost = "its colour profile"
    elif format == "PPM" and opened.mode == "F":
        lost = "its floating-point values"
    if lost:
        raise ImageError(f"{name} is a {format}, in which {lost} could not be kept; convert it to PNG or TIFF first")


def _has_profile(data: bytes) -> bool:
    """Whether a BMP has a colour space of its own: embedded, linked, or told by numbers that are not zero."""
    if int.from_bytes(data[14:18], "little") < 108:  # headers before version 4 have none
        return False
    kind = data[70:74]
    return kind in (b"DEBM", b"KNIL") or (kind == bytes(4) and any(data[74:122]))


def _bits(opened: Image.Image, format: str, data: bytes) -> int:
    """Bits a channel in the file, where there may be more than Pillow reads."""
    if format == "TIFF":
        return max(opened.tag_v2.get(258, (1,)))  # type: ignore[attr-defined]
    if format == "PNG":
        return data[24]
    if format == "HEIF":
        return int(opened.info.get("bit_depth", 8))
    if format == "AVIF" and (at := data.find(b"av1C")) > 0:
        return 10 if data[at + 6] & 0x40 else 8
    if format == "PPM" and data[:2] in (b"P3", b"P6"):
        return 16 if pixmap.largest_value(data) > 255 else 8
    return 8


def _deep_pixels(data: bytes, format: str, bits: int, picture: Image.Image, name: str) -> NDArray[np.uint16]:
    """16 bits a channel of a file that Pillow reads as 8, if OpenCV sees the same picture in it."""
    if format in ("PNG", "TIFF") and picture.mode in ("RGB", "RGBA"):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
        if pixels is not None and pixels.dtype == np.uint16 and pixels.ndim == 3:
            pixels = pixels[:, :, _BGRA[: pixels.shape[2]]]
            if format == "PNG":  # in a TIFF, OpenCV heeds it whatever it is told
                pixels = apply_orientation(pixels, containers.orientation(data, format))
            shallow = np.asarray(picture)
            if shallow.shape == pixels.shape and np.abs((pixels >> 8) - shallow.astype(np.int16)).max() <= 1:
                return np.ascontiguousarray(pixels)
    raise ImageError(f"{name} has {bits} bits a channel, which cannot be kept in {format} {picture.mode}; convert it")


# How it was saved -----------------------------------------------------------------------------------------------------


def _no_options(_opened: Image.Image, _data: bytes) -> dict[str, Any]:
    return {}


def _jpeg_options(opened: Image.Image, _data: bytes) -> dict[str, Any]:
    tables, layers = opened.quantization, opened.layer  # type: ignore[attr-defined]
    used = dict.fromkeys(layer[3] for layer in layers)  # that of brightness, then that of colour
    identifiers = bytes(layer[0] for layer in layers)
    stored_as_rgb = opened.mode == "RGB" and (identifiers == b"RGB" or opened.info.get("adobe_transform") == 0)
    return {
        "qtables": [tables[number] for number in [*used][:2]],
        "subsampling": max(0, JpegImagePlugin.get_sampling(opened)),  # 0 for a layout that Pillow cannot write
        "progressive": bool(opened.info.get("progressive")),
        "keep_rgb": stored_as_rgb,
    }


def _tiff_options(opened: Image.Image, _data: bytes) -> dict[str, Any]:
    compression = opened.info.get("compression", "raw")
    if compression not in _TIFF_COMPRESSIONS:
        compression = "tiff_adobe_deflate"
    predictor = opened.tag_v2.get(317, 1)  # type: ignore[attr-defined]
    differences = predictor == 2 and compression in ("tiff_lzw", "tiff_adobe_deflate")
    return {"compression": compression, **({"tiffinfo": {317: 2}} if differences else {})}


def _webp_options(_opened: Image.Image, data: bytes) -> dict[str, Any]:
    return {"lossless": b"VP8L" in webp.webp_pixels(data), "exact": True}


def _avif_options(_opened: Image.Image, data: bytes) -> dict[str, Any]:
    at = data.find(b"av1C")
    across, down = (data[at + 6] & 0x08, data[at + 6] & 0x04) if at > 0 else (1, 1)
    return {"subsampling": "4:2:0" if down else "4:2:2" if across else "4:4:4"}


def _heif_options(opened: Image.Image, _data: bytes) -> dict[str, Any]:
    return {"chroma": opened.info.get("chroma") or 420}


_OPTIONS: dict[str, Callable[[Image.Image, bytes], dict[str, Any]]] = {
    "JPEG": _jpeg_options,
    "TIFF": _tiff_options,
    "WEBP": _webp_options,
    "AVIF": _avif_options,
    "HEIF": _heif_options,
}


# Saving ---------------------------------------------------------------------------------------------------------------


def _save(picture: Image.Image, format: str, options: dict[str, Any]) -> bytes:
    """The pixels alone, without the metadata that Pillow would take from `info`."""
    file = io.BytesIO()
    try:
        fitted(picture, format).save(file, format, **{"icc_profile": None, "comment": None, **options})
    except OSError:
        if not options.get("progressive"):
            raise
        # Pillow gives these a buffer that the noisiest pictures outgrow
        _log.info("a progressive JPEG is too noisy for that, and is saved as a sequential one")
        return _save(picture, format, options | {"progressive": False})
    return file.getvalue()


def _encode_deep(pixels: NDArray[np.uint16], format: str) -> bytes:
    extension, options = (".png", []) if format == "PNG" else (".tif", [cv2.IMWRITE_TIFF_COMPRESSION, _ADOBE_DEFLATE])
    stored = np.ascontiguousarray(pixels[:, :, _BGRA[: pixels.shape[2]]])
    return cv2.imencode(extension, stored, options)[1].tobytes()


def _shallow(pixels: NDArray[np.uint16]) -> Image.Image:
    return Image.fromarray((pixels >> 8).astype(np.uint8))


def _quality(original: Original) -> int:
    """The quality at which the original's own pixels, or a fair sample of them, take as many bytes as it does."""
    sample = _sample(original.picture)
    if original.format == "WEBP":
        size = sum(webp.webp_pixels(original.data).values())
    else:
        size = len(original.data) - sum(len(block) for block in original.metadata.values())
    target = size * sample.width * sample.height / (original.picture.width * original.picture.height)

    def size_at(quality: int) -> int:
        return len(_save(sample, original.format, original.options | {"quality": quality}))

    return _QUALITIES[bisect.bisect_left(_QUALITIES[:-1], _SECOND_TIME * target, key=size_at)]


def _sample(picture: Image.Image) -> Image.Image:
    """The picture itself, or tiles from all over it where it is large."""
    if picture.width * picture.height <= _SAMPLE**2 or min(picture.size) < _SAMPLE:
        return picture
    sample = Image.new(picture.mode, (_SAMPLE, _SAMPLE))
    tiles = _SAMPLE // _TILE
    for row in range(tiles):
        for column in range(tiles):
            x, y = (at * (side - _TILE) // (tiles - 1) for at, side in zip((column, row), picture.size, strict=True))
            sample.paste(picture.crop((x, y, x + _TILE, y + _TILE)), (column * _TILE, row * _TILE))
    return sample
