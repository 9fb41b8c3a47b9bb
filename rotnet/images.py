"""Read pictures of every kind, find them in folders, and bring arrays to one form.

Reading answers with RGB `uint8` of shape `(H, W, 3)`, upright as its EXIF says, or with one `ImageError` whose sentence
names the source; there is no third way, in particular no half-decoded picture.
"""

from __future__ import annotations

import functools
import importlib
import io
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError

from rotnet import jpeg
from rotnet.errors import ImageError, UsageError
from rotnet.metadata import apply_orientation, oriented, shown_orientation, upright

__all__ = [
    "EXTENSIONS",
    "FORMATS",
    "as_channels",
    "binarize_images",
    "decoding",
    "format_of",
    "is_mask",
    "open_file",
    "open_pil",
    "opened",
    "read",
    "readable_formats",
    "to_rgb",
]

StrPath: TypeAlias = "str | os.PathLike[str]"
Source: TypeAlias = "StrPath | bytes | bytearray | memoryview | IO[bytes] | Image.Image | npt.NDArray[Any]"

MAX_PIXELS = 500_000_000
DETAIL = 1.5  # pixels along a side that are decoded for one that is looked at, where fewer would blur it

# What is written under which extension. Formats that run a program or hold no picture (EPS, PDF, WMF) are left out.
FORMATS = {
    **dict.fromkeys([".jpg", ".jpeg", ".jpe", ".jfif"], "JPEG"),
    **dict.fromkeys([".tif", ".tiff"], "TIFF"),
    **dict.fromkeys([".bmp", ".dib"], "BMP"),
    **dict.fromkeys([".jp2", ".j2k", ".jpx"], "JPEG2000"),
    **dict.fromkeys([".ppm", ".pgm", ".pbm", ".pnm"], "PPM"),
    **dict.fromkeys([".heic", ".heif"], "HEIF"),
    **{".png": "PNG", ".webp": "WEBP", ".gif": "GIF", ".avif": "AVIF", ".qoi": "QOI"},
}
EXTENSIONS: frozenset[str] = frozenset(FORMATS) | {".mpo"}
"""Extensions, lower case with the dot, by which `find_images` knows a picture."""


def read(
    source: Source, *, short_side: int | None = None, max_pixels: int | None = MAX_PIXELS
) -> npt.NDArray[np.uint8]:
    """Read a picture from anything that holds one.

    Args:
        source: A path, an encoded file as bytes or as a binary file object, a PIL image, or an array `(H, W)` or
            `(H, W, C)` with C = 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGB, alpha). Arrays hold `bool`, `uint8`,
            `uint16` (divided by 257), other integers in 0..255, or finite floats: in [0, 1] if the largest is at most 1
            (1.001 allows for rounding), else in [0, 255]. Integers that are only zeros and ones are taken for `bool`.
        short_side: Pixels that suffice. A JPEG file is then decoded at 1/2, 1/4 or 1/8 of its size, which is several
            times as quick, if its shorter side keeps at least so many; everything else comes whole. None for all.
        max_pixels: Refuse a larger picture before decoding it; None for no limit. Arrays are not limited.

    Returns:
        RGB `uint8` of shape `(H, W, 3)`, C-contiguous, sharing no memory with the source. EXIF orientation is applied,
        transparency lies on white, of an animation it is the first frame (of a PIL image, the current one).

    Raises:
        ImageError: The source is not a picture, is damaged or incomplete, too large, or cannot be opened.

    Example:
        >>> read(np.array([[0.0, 1.0]])).tolist()
        [[[0, 0, 0], [255, 255, 255]]]
    """
    if isinstance(source, np.ndarray):
        levels = _levels(source, _name(source))
        if levels.shape[2] in (1, 3):
            return np.array(np.broadcast_to(levels, (*levels.shape[:2], 3)), order="C")
    name = _name(source)
    with opened(source, name, max_pixels) as image, decoding(name):
        if image is not source and format_of(image) == "JPEG":
            stored = jpeg.decode(image, short_side)
            if stored is not None:
                return np.ascontiguousarray(apply_orientation(stored, shown_orientation(image)))
        return np.array(to_rgb(oriented(image), name), order="C")


def open_pil(source: Source, *, max_pixels: int | None = MAX_PIXELS) -> Image.Image:
    """Read a picture as a fully loaded PIL image that keeps its mode, such as `"CMYK"` or `"I;16"`.

    Args:
        source: As for `read`.
        max_pixels: As for `read`.

    Returns:
        A new image, independent of the source. EXIF orientation is applied to the pixels; `format` and `info` (ICC
        profile, EXIF, XMP, DPI) are kept, with the orientation in EXIF and XMP reset to 1.

    Raises:
        ImageError: As for `read`.

    Example:
        >>> picture = open_pil(np.zeros((2, 3), np.uint8))
        >>> picture.mode, picture.size
        ('L', (3, 2))
    """
    name = _name(source)
    with opened(source, name, max_pixels) as image, decoding(name):
        return upright(image)


def format_of(image: Image.Image) -> str:
    """Pillow's name of a file's format, that of the first picture where more are joined to it; "" if it has none."""
    return {"MPO": "JPEG", "DIB": "BMP"}.get(image.format or "", image.format or "")


def binarize_images(images: npt.ArrayLike, *, threshold: float = 0.1) -> npt.NDArray[np.float32]:
    """Turn gray levels into 0.0 and 1.0.

    Args:
        images: Array of any shape: integers in 0..255, or 0 and 1 alone; `bool`; or floats, in [0, 1] if the largest is
            at most 1, else in [0, 255]. It is not changed.
        threshold: The least share of full brightness that counts as 1, in [0, 1].

    Returns:
        `float32` of the same shape, 1.0 where the value is at least `threshold` of full brightness.

    Raises:
        ImageError: The values are not numbers, not finite or out of range.

    Example:
        >>> binarize_images(np.array([0, 25, 26, 255], np.uint8)).tolist()
        [0.0, 0.0, 1.0, 1.0]
    """
    values = np.asarray(images)
    if values.size == 0:
        return np.zeros(values.shape, np.float32)
    levels = _scaled(values.astype(bool) if is_mask(values) else values, "images")
    return (levels >= threshold * 255).astype(np.float32)


def as_channels(image: npt.NDArray[np.uint8], channels: int) -> npt.NDArray[np.uint8]:
    """Give an RGB picture one channel or three.

    Args:
        image: RGB `uint8` of shape `(H, W, 3)`.
        channels: 1 for gray (ITU-R 601 luma), 3 to leave it as it is.

    Returns:
        `uint8` of shape `(H, W, channels)`.

    Raises:
        ValueError: `channels` is neither 1 nor 3.

    Example:
        >>> as_channels(np.full((1, 1, 3), 7, np.uint8), 1).tolist()
        [[[7]]]
    """
    if channels == 3:
        return image
    if channels != 1:
        raise UsageError(f"channels must be 1 or 3; got {channels!r}")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)[:, :, np.newaxis]


# Sources: what they are called and how they open ---------------------------------------------------------------------


def _name(source: object) -> str:
    """What an error calls the source."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source) or "an empty path"
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"the picture of {len(source)} bytes"
    if isinstance(source, np.ndarray):
        return f"the array of shape {source.shape} and type {source.dtype}"
    if isinstance(source, Image.Image):
        return str(getattr(source, "filename", "") or "the PIL image")
    return str(getattr(source, "name", None) or f"the {type(source).__name__}")


@contextmanager
def open_file(source: Any) -> Iterator[IO[bytes]]:
    """Open a path, bytes or file object as a seekable file that is not empty, or raise `ImageError`."""
    name = _name(source)
    try:
        if isinstance(source, (str, os.PathLike)):
            status = os.stat(source)
            if stat.S_ISDIR(status.st_mode):
                unlisted = "" if os.access(source, os.R_OK | os.X_OK) else ", and may not be listed"
                raise ImageError(f"{name} is a folder, not a picture{unlisted}; name the pictures in it")
            if not stat.S_ISREG(status.st_mode):  # a pipe would block, a device may never end
                raise ImageError(f"{name} is not a regular file but a pipe, socket or device; give a file or its bytes")
            file: IO[bytes] = open(source, "rb")
        elif isinstance(source, (bytes, bytearray, memoryview)):
            file = io.BytesIO(source)
        elif hasattr(source, "read"):
            if getattr(source, "seekable", bool)():  # it may have been read or written before
                source.seek(0)
            data = source.read()
            if not isinstance(data, bytes):
                raise ImageError(f"{name} must be a binary file, opened with mode 'rb'; it gave {type(data).__name__}")
            file = io.BytesIO(data)
        else:
            expected = "a path, bytes, binary file, PIL image or array"
            raise ImageError(f"a picture must be {expected}; got {type(source).__name__}")
    except ImageError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{name} cannot be opened: {reason}; check path and permissions") from error
    with file:
        if not file.read(1):
            raise ImageError(f"{name} is empty (0 bytes), not a picture; restore it from a backup or leave it out")
        file.seek(0)
        yield file


@contextmanager
def opened(source: Source, name: str, max_pixels: int | None) -> Iterator[Image.Image]:
    """Open anything that holds a picture as a PIL image of a fit size whose pixels may still be to be decoded."""
    if isinstance(source, np.ndarray):
        levels = _levels(source, name)
        yield Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)
    elif isinstance(source, Image.Image):
        yield _checked(source, name, max_pixels)
    else:
        with open_file(source) as file:
            yield _checked(_identified(file, name), name, max_pixels)


def _identified(file: IO[bytes], name: str) -> Image.Image:
    with decoding(name):
        try:
            image = Image.open(file, formats=readable_formats())
            if image.format == "PNG" and image.mode == "L" and isinstance(image.info.get("transparency"), int):
                _scale_transparency(image, file)
            return image
        except UnidentifiedImageError:
            file.seek(0)
            is_heic = file.read(12)[4:11] in (b"ftyphei", b"ftypmif")
            advice = "HEIC needs pip install 'rotnet[heif]'" if is_heic else "convert it or leave it out"
            problem = f"{name} is not a picture of a known format (JPEG, PNG, TIFF, WebP, ...)"
            raise ImageError(f"{problem}; {advice}") from None


def _scale_transparency(image: Image.Image, file: IO[bytes]) -> None:
    """Bring the level that means clear to 8 bits, as Pillow does with those of the pixels but not with it."""
    position = file.tell()
    file.seek(24)  # of the header: bits a pixel
    bits = file.read(1)[0]
    file.seek(position)
    if bits < 8:
        image.info["transparency"] = image.info["transparency"] * 255 // (2**bits - 1)


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """Names of the formats that are read, after registering all of Pillow's and, where installed, HEIF."""
    Image.init()
    with suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()
    return tuple(format for format in (*dict.fromkeys(FORMATS.values()), "MPO", "DIB") if format in Image.OPEN)


class _StrictPillow:
    """Pillow without its own limit of pixels and without its leave to return half a picture, while anyone reads.

    Both are globals of Pillow: the first reader in sets them, the last one out puts back what was there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._readers == 0:
                self._saved = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
                Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = None, False
            self._readers += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = self._saved


_STRICT_PILLOW = _StrictPillow()


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Make one `ImageError` of all that Pillow raises on damaged files: OSError, SyntaxError, struct.error, ..."""
    try:
        with _STRICT_PILLOW:
            yield
    except ImageError:
        raise
    except Exception as error:
        problem = f"{name} cannot be decoded: {error or type(error).__name__}"
        raise ImageError(f"{problem}; restore it from a backup or leave it out") from error


# Pixels ---------------------------------------------------------------------------------------------------------------


def _checked(image: Image.Image, name: str, max_pixels: int | None) -> Image.Image:
    """The image itself, unless it has no pixels or too many."""
    width, height = image.size
    if width < 1 or height < 1:
        raise ImageError(f"{name} has no pixels: its size is {width} × {height}")
    if max_pixels is not None and width * height > max_pixels:
        raise ImageError(
            f"{name} has {width} × {height} = {width * height:,} pixels, more than max_pixels={max_pixels:,}; "
            "shrink it or raise max_pixels"
        )
    if image.format == "TIFF" and image.mode.startswith("I;16"):  # these Pillow takes for levels of 16 bits above black
        tags = image.tag_v2  # type: ignore[attr-defined]
        if tags.get(258) == (12,) or tags.get(262) == 0:
            kind = "12 bits a pixel" if tags.get(258) == (12,) else "16 bits a pixel of which zero is white"
            raise ImageError(f"{name} has {kind}, a kind of TIFF that is not read; convert it to 16 bits above black")
    return image


def to_rgb(image: Image.Image, name: str) -> Image.Image:
    """Any mode to RGB: deep gray scaled to 8 bits, transparency laid on white. What is RGB comes back itself."""
    if image.mode[0] in "IF":
        levels = np.asarray(image)
        if image.mode == "I" and (image.format == "PNG" or levels.max() > 255):  # 16 bits in 32
            if levels.min() < 0 or levels.max() > 65535:
                raise ImageError(f"{name} must hold gray levels in 0..65535; got {levels.min()} to {levels.max()}")
            levels = levels.astype(np.uint16)
        image = Image.fromarray(_levels(levels, name)[:, :, 0])
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _levels(array: npt.NDArray[Any], name: str) -> npt.NDArray[np.uint8]:
    """An array of any accepted shape and type as `uint8` of shape `(H, W, C)`."""
    shape = array.shape if array.ndim == 3 else (*array.shape, 1)
    if len(shape) != 3 or shape[2] not in (1, 2, 3, 4):
        raise ImageError(
            f"a picture must have the shape (H, W) or (H, W, C) with C from 1 to 4; got {array.shape}: "
            "put channels last, and several pictures into a list"
        )
    if array.size == 0:
        raise ImageError(f"{name} has no pixels")
    if is_mask(array):
        array = array.astype(bool)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        levels = (array.astype(np.uint32) + 128) // 257
    else:
        levels = np.rint(_scaled(array, name)) if array.dtype != np.uint8 else array
    return np.asarray(levels, np.uint8, order="C").reshape(shape)


def is_mask(array: npt.NDArray[Any]) -> bool:
    """Whether an array, not empty, holds zeros and ones as integers, as binarized digits are often handed over."""
    if array.dtype.kind not in "ui" or array.flat[array.size // 2] > 1:  # one pixel settles it for most pictures
        return False
    return bool(array.max() == 1 and array.min() == 0)


def _scaled(values: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Numbers on the scale 0..255: `bool` and floats up to 1 multiplied, others checked."""
    if values.dtype.kind not in "buif":
        raise ImageError(f"{name} must hold numbers: bool, integers or floats; got {values.dtype}")
    if values.dtype.kind == "b":
        return values * np.uint8(255)
    low, high = values.min(), values.max()
    if not np.isfinite([low, high]).all():
        raise ImageError(f"{name} must hold finite values; got NaN or infinity")
    if values.dtype.kind == "f" and high <= 1.001:
        if low < -0.001:
            raise ImageError(f"{name} must hold floats in [0, 1] or [0, 255]; got {low:g} to {high:g}")
        return np.clip(values.astype(np.float32), 0, 1) * np.float32(255)
    if low < 0 or high > 255:
        raise ImageError(f"{name} must hold values in 0..255; got {low:g} to {high:g}: scale them first")
    return values
