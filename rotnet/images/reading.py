"""Read pictures of every kind.

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

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError

from rotnet.errors import ImageError
from rotnet.images.converting import pixel_values, to_rgb_array
from rotnet.images.formats import jpeg_pixels
from rotnet.images.formats.limits import check_blocks
from rotnet.images.memory import MAX_PIXELS, check_memory
from rotnet.images.orientation import apply_orientation, shown_orientation, upright

__all__ = [
    "EXTENSIONS",
    "FORMATS",
    "MAX_PIXELS",
    "decoding",
    "format_of",
    "open_file",
    "open_pil",
    "opened",
    "read_image",
    "readable_formats",
    "upright_pil",
]

StrPath: TypeAlias = "str | os.PathLike[str]"
Source: TypeAlias = "StrPath | bytes | bytearray | memoryview | IO[bytes] | Image.Image | npt.NDArray[Any]"

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
# Pillow's modules for them, a quarter of those that it has
_PLUGINS = ("Avif", "Bmp", "Gif", "Jpeg", "Jpeg2K", "Mpo", "Png", "Ppm", "Qoi", "Tiff", "WebP")
EXTENSIONS: frozenset[str] = frozenset(FORMATS) | {".mpo"}
"""Extensions, lower case with the dot, by which `find_images` knows a picture."""


def read_image(
    source: Source, *, short_side: int | None = None, max_pixels: int | None = MAX_PIXELS, strict: bool = True
) -> npt.NDArray[np.uint8]:
    """Read a picture from anything that holds one.

    Args:
        source: A path, an encoded file as bytes or as a binary file object, a PIL image, or an array `(H, W)` or
            `(H, W, C)` with C = 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGB, alpha). Arrays hold `bool`, `uint8`,
            `uint16` (divided by 257), other integers in 0..255, or finite floats: in [0, 1] if the largest is at most 1
            (1.001 allows for rounding), else in [0, 255]. Integers that are only zeros and ones are taken for `bool`.
        short_side: Pixels that suffice. A JPEG file is then decoded at 1/2, 1/4 or 1/8 of its size, which is several
            times as quick, if its shorter side keeps at least so many; everything else comes whole. None for all.
        max_pixels: Refuse a larger picture before decoding it, and one that takes more than 1 GiB of memory, or than 32
            times its file if that is more. A limit above the default allows more memory in the same proportion; None
            allows any size. Arrays are not limited.
        strict: Refuse a JPEG file that libjpeg finds damaged. False takes what is left of it: gray or garbled from the
            damage on. It makes no difference to PIL images, and to files of which nothing can be decoded.

    Returns:
        RGB `uint8` of shape `(H, W, 3)`, C-contiguous, sharing no memory with the source. EXIF orientation is applied,
        transparency lies on white, of an animation it is the first frame (of a PIL image, the current one).

    Raises:
        ImageError: The source is not a picture, is damaged or incomplete, too large, or cannot be opened.

    Example:
        >>> read_image(np.array([[0.0, 1.0]])).tolist()
        [[[0, 0, 0], [255, 255, 255]]]
    """
    name = _name(source)
    if isinstance(source, np.ndarray):
        with decoding(name):
            pixels = pixel_values(source, name)
            if pixels.shape[2] in (1, 3):
                return np.array(np.broadcast_to(pixels, (*pixels.shape[:2], 3)), order="C")
    with opened(source, name, max_pixels, short_side) as image, decoding(name):
        if image is not source and format_of(image) == "JPEG":
            stored = jpeg_pixels.decode(image, short_side, strict=strict)
            if stored is not None:
                return np.ascontiguousarray(apply_orientation(stored, shown_orientation(image)))
        image.load()
        return to_rgb_array(image, name, shown_orientation(image))


def open_pil(source: Source, *, max_pixels: int | None = MAX_PIXELS, strict: bool = True) -> Image.Image:
    """Read a picture as a fully loaded PIL image that keeps its mode, such as `"CMYK"` or `"I;16"`.

    Args:
        source: A path, an encoded file as bytes or as a binary file object, a PIL image, or an array `(H, W)` or
            `(H, W, C)`, with values as `read_image` takes them.
        max_pixels: Refuse a larger picture before decoding it, and one that takes far more memory than its file; None
            allows any size.
        strict: Refuse a JPEG file that libjpeg finds damaged. False takes what is left of it.

    Returns:
        A new image, independent of the source. EXIF orientation is applied to the pixels; `format` and `info` (ICC
        profile, EXIF, XMP, DPI) are kept, with the orientation in EXIF and XMP reset to 1.

    Raises:
        ImageError: The source is not a picture, is damaged or incomplete, too large, or cannot be opened.

    Example:
        >>> picture = open_pil(np.zeros((2, 3), np.uint8))
        >>> picture.mode, picture.size
        ('L', (3, 2))
    """
    name = _name(source)
    with opened(source, name, max_pixels) as image, decoding(name):
        return upright(image) if image is source else upright_pil(image, strict=strict)


def upright_pil(image: Image.Image, *, strict: bool = True) -> Image.Image:
    """As `rotnet.images.orientation.upright`, of a file that was opened and not decoded yet.

    Raises:
        DamagedError: It is a JPEG that libjpeg finds damaged, and `strict`.
    """
    if format_of(image) != "JPEG":
        return upright(image)
    stored = jpeg_pixels.decode(image, colors=None, strict=strict)
    if stored is None:
        return upright(image)
    decoded = Image.fromarray(stored)
    decoded.info, decoded.format = image.info, image.format
    return upright(decoded)


def format_of(image: Image.Image) -> str:
    """Pillow's name of a file's format, that of the first picture where more are joined to it; "" if it has no name."""
    return {"MPO": "JPEG", "DIB": "BMP"}.get(image.format or "", image.format or "")


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


def named(data: bytes, name: str) -> io.BytesIO:
    """Bytes as a file by whose name errors call them.

    Example:
        >>> read_image(named(b"no picture", "a.cr2"))
        Traceback (most recent call last):
        rotnet.errors.ImageError: a.cr2 is not a picture of a known format ...
    """
    file = io.BytesIO(data)
    file.name = name
    return file


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
    except Exception as error:  # a file object may raise whatever it likes
        reason = getattr(error, "strerror", None) or _reason(error)
        raise ImageError(f"{name} cannot be opened: {reason}; check path and permissions") from error
    with file:
        try:
            first = file.read(1)
            file.seek(0)
        except OSError as error:
            raise ImageError(f"{name} cannot be read: {_reason(error)}; check the disk it lies on") from error
        if not first:
            raise ImageError(f"{name} is empty (0 bytes), not a picture; restore it from a backup or leave it out")
        yield file


@contextmanager
def opened(source: Source, name: str, max_pixels: int | None, short_side: int | None = None) -> Iterator[Image.Image]:
    """Open anything that holds a picture as a PIL image of a fit size whose pixels may still be to be decoded."""
    if isinstance(source, np.ndarray):
        with decoding(name):
            pixels = pixel_values(source, name)
            image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        yield image
    elif isinstance(source, Image.Image):
        yield _checked(source, name, max_pixels)
    else:
        with open_file(source) as file:
            image = _checked(_identified(file, name), name, max_pixels)
            check_memory(image, name, _size(file), max_pixels, short_side)
            yield image


def _size(file: IO[bytes]) -> int:
    position = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(position)
    return size


def _identified(file: IO[bytes], name: str) -> Image.Image:
    with decoding(name):
        check_blocks(file)
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
    """Bring the pixel value that means clear to 8 bits, as Pillow does with the pixels but not with it."""
    position = file.tell()
    file.seek(24)  # of the header: bits a pixel
    bits = file.read(1)[0]
    file.seek(position)
    if bits < 8:
        image.info["transparency"] = image.info["transparency"] * 255 // (2**bits - 1)


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """Names of the formats that are read, after registering them with Pillow and, where installed, HEIF."""
    for name in _PLUGINS:
        importlib.import_module(f"PIL.{name}ImagePlugin")
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
    except jpeg_pixels.DamagedError as error:
        remedy = "restore it from a backup, or take what is left with strict=False or --lenient"
        raise ImageError(f"{name} is damaged or incomplete: {error}; {remedy}") from error
    except MemoryError as error:
        raise ImageError(f"{name} takes more memory than there is; shrink it, or close other programs") from error
    except Exception as error:
        problem = f"{name} cannot be decoded: {_reason(error)}"
        raise ImageError(f"{problem}; restore it from a backup or leave it out") from error


def _reason(error: BaseException) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split()) or type(error).__name__


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
    if image.format == "TIFF" and image.mode.startswith("I;16"):  # these Pillow takes for 16 bits above black
        tags = getattr(image, "tag_v2", {})  # which an image that was read before lacks
        if tags.get(258) == (12,) or tags.get(262) == 0:
            kind = "12 bits a pixel" if tags.get(258) == (12,) else "16 bits a pixel of which zero is white"
            raise ImageError(f"{name} has {kind}, a kind of TIFF that is not read; convert it to 16 bits above black")
    return image
