"""Write pictures without ever losing one.

Writing goes to a temporary name in the target's folder, is flushed to disk and then renamed, so that a target is the
whole new file or the old one. Then the folder is flushed too: a power cut does not undo what was told to be done.
"""

from __future__ import annotations

import errno
import io
import math
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from rotnet.errors import ImageError, OutputError, UsageError
from rotnet.images.converting import to_rgb
from rotnet.images.formats.exif import EXIF_TAG, GPS_TAG, XMP_TAG, exif_for, xmp_of
from rotnet.images.reading import FORMATS, StrPath, open_pil, readable_formats

__all__ = [
    "TargetExistsError",
    "atomic_file",
    "copy_into",
    "encode",
    "fitted",
    "make_folder",
    "move",
    "move_new",
    "sync_folder",
    "write",
]

# Modes a format can hold; a picture in any other mode becomes RGBA where it is transparent and that fits, else RGB.
_MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("1", "L", "P", "RGB", "RGBA"),
    "JPEG2000": ("L", "LA", "RGB", "RGBA", "I;16"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "PPM": ("1", "L", "RGB", "I", "I;16"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB", "I;16", "I", "F"),
}
_LOSSY = ("JPEG", "WEBP", "AVIF", "HEIF")


class TargetExistsError(OutputError):
    """Another file lies where a new one should go. Exit code 1; remedy: choose another folder, or `--overwrite`."""


def write(
    image: Image.Image | npt.NDArray[Any],
    path: StrPath,
    *,
    quality: int | None = None,
) -> None:
    """Write a picture atomically, in the format that the extension names.

    Args:
        image: PIL image, or an array as `rotnet.read_image` takes it. What the format cannot hold is converted:
            transparency to white, other modes to RGB. EXIF (orientation reset to 1, thumbnail dropped), ICC profile
            where it fits the colours, XMP and DPI are written as well.
        path: The target, in a folder that exists. An existing file is replaced at once and keeps its permissions.
        quality: 1 to 100 for JPEG, WebP, AVIF and HEIF, 95 by default. JPEG keeps colour at full resolution (4:4:4).

    Raises:
        OutputError: The extension is unknown, the target cannot be written, or the format cannot hold the picture.
        ImageError: `image` is not a picture.
        UsageError: `quality` is out of range.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write(Image.new("RGB", (3, 2)), Path(folder, "black.png"))
        ...     open_pil(Path(folder, "black.png")).size
        (3, 2)
    """
    path = Path(path)
    format = FORMATS.get(path.suffix.lower())
    if format is None:
        known = " ".join(sorted(FORMATS))
        raise OutputError(f"{path} must end in one of {known}; got {path.suffix or 'no extension'!r}")
    if quality is not None and not 1 <= quality <= 100:
        raise UsageError(f"quality must be 1 to 100 or None; got {quality!r}")
    picture = open_pil(image, max_pixels=None)
    try:
        data = encode(picture, format, quality=quality)
    except Exception as error:
        raise OutputError(f"{path} cannot be written as {format}: {error}") from error
    with atomic_file(path) as file:
        file.write(data)


def encode(picture: Image.Image, format: str, *, quality: int | None = None) -> bytes:
    """Encode a picture as `write` does, into memory.

    Args:
        picture: An image, upright.
        format: Pillow's name of the format.
        quality: 1 to 100 for JPEG, WebP, AVIF and HEIF, 95 by default.

    Raises:
        OSError, ValueError: The format cannot hold the picture.
    """
    readable_formats()  # registers the writers as well
    if format not in Image.SAVE:
        raise ValueError(f"{format} needs a plugin of Pillow; choose JPEG or PNG instead")
    file, stored = io.BytesIO(), fitted(picture, format)
    stored.save(file, format, **_options(stored, format, picture, quality))
    return file.getvalue()


def copy_into(file: IO[bytes], original: IO[bytes], name: str) -> None:
    """Write what is left of an open file into another.

    Raises:
        ImageError: The original, called `name`, cannot be read to its end: not the fault of where it goes.
    """
    while True:
        try:
            block = original.read(1 << 20)
        except OSError as error:
            raise ImageError(f"{name} cannot be read: {error.strerror or error}; check the disk it lies on") from error
        if not block:
            return
        file.write(block)


@contextmanager
def atomic_file(
    path: StrPath, *, temporary: StrPath | None = None, replace: Callable[[Path, Path], object] | None = None
) -> Iterator[IO[bytes]]:
    """Open a file to write that becomes `path` when the block ends well, and vanishes when it does not.

    Args:
        path: The target. Its folder must exist.
        temporary: Where to write meanwhile, a file that does not exist, on the same disk; by default one beside the
            target, hidden, with a name of chance.
        replace: Called with the temporary file, closed and wholly on disk, and `path` in the place of `move`.

    Yields:
        A binary file, writable and readable.

    Raises:
        OutputError: The file cannot be created, written or renamed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_file(Path(folder, "note")) as file:
        ...         _ = file.write(b"all or nothing")
        ...     Path(folder, "note").read_bytes()
        b'all or nothing'
    """
    path = Path(path)
    temporary = Path(temporary or path.with_name(f".rotnet-{secrets.token_hex(8)}.part"))
    try:
        try:
            with open(temporary, "x+b") as file:
                with suppress(OSError):
                    shutil.copymode(path, temporary)
                yield file
                file.flush()
                os.fsync(file.fileno())
            (replace or move)(temporary, path)
        except BaseException:  # Ctrl-C leaves nothing behind either
            with suppress(OSError):
                temporary.unlink()
            raise
    except OutputError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{path} cannot be written: {reason}; choose another folder or name") from error


def move(temporary: StrPath, path: StrPath) -> None:
    """As `os.replace`, for good: a power cut does not undo it."""
    os.replace(temporary, path)
    sync_folder(Path(path).parent)


def move_new(temporary: StrPath, path: StrPath) -> None:
    """As `move`, but nothing is replaced.

    Raises:
        TargetExistsError: There is a file already.
    """
    try:
        os.link(temporary, path)
    except OSError as error:
        if isinstance(error, FileExistsError) or os.path.lexists(path):
            raise TargetExistsError(
                f"{path} has come there meanwhile and stays; choose another folder, or --overwrite"
            ) from error
        os.replace(temporary, path)  # a file system without hard links
    else:
        os.unlink(temporary)
    sync_folder(Path(path).parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder come to disk, where the system can be asked to.

    Raises:
        OSError: The disk fails or is full.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # as on Windows, or where names may be added but not listed
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in (errno.EIO, errno.ENOSPC, errno.EDQUOT):  # others are of file systems that cannot do it
            raise
    finally:
        os.close(descriptor)


def make_folder(folder: Path, *, like: Path | None = None) -> None:
    """Make a folder and those above it, where they are missing, or raise `OutputError`.

    Args:
        folder: Its path.
        like: A folder; one that is newly made is open to nobody to whom this one is not.
    """
    try:
        if not folder.is_dir():
            for one in reversed((folder, *folder.parents)):  # which may be deeper than calls may
                if not one.is_dir():
                    one.mkdir(exist_ok=True)
                    sync_folder(one.parent)
            if like is not None:
                with suppress(OSError):  # some file systems know no permissions
                    folder.chmod(folder.stat().st_mode & (like.stat().st_mode | 0o700))
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror or error}; choose another folder") from error


def fitted(image: Image.Image, format: str) -> Image.Image:
    """The image in a mode that the format can hold."""
    modes = _MODES.get(format, ("RGB", "RGBA"))
    if image.mode in ("I;16B", "I;16L"):
        image = Image.fromarray(np.asarray(image).astype(np.uint16))
    transparent_color = "transparency" in image.info and format not in ("PNG", "GIF")
    if image.mode in modes and not transparent_color:
        return image
    if image.has_transparency_data and "RGBA" in modes:
        return image.convert("RGBA")
    rgb = to_rgb(image, "the picture")
    return rgb.convert("L") if image.mode in ("1", "LA", "I", "F", "I;16") and "L" in modes else rgb


def _options(picture: Image.Image, format: str, like: Image.Image, quality: int | None) -> dict[str, Any]:
    """Arguments of `Image.save`: the quality, and the metadata of `like` as far as the format takes it."""
    options: dict[str, Any] = {"icc_profile": None}
    if format in _LOSSY:
        options["quality"] = 95 if quality is None else quality
    if format == "JPEG":
        options["subsampling"] = 0
    icc, dpi = like.info.get("icc_profile"), like.info.get("dpi")
    gray = picture.mode in ("1", "L", "LA", "I;16", "I", "F")
    if icc and icc[16:20] == (b"GRAY" if gray else b"CMYK" if picture.mode == "CMYK" else b"RGB "):
        options["icc_profile"] = icc
    with suppress(TypeError, ValueError):
        if dpi and all(math.isfinite(x) and 1 <= x < 65535 for x in dpi):
            options["dpi"] = dpi
    limit = 65_000 if format == "JPEG" else math.inf  # of one segment
    exif, xmp = exif_for(like, picture.size), xmp_of(like)
    if xmp and len(xmp) < limit:
        if format == "PNG":
            options["pnginfo"] = PngImagePlugin.PngInfo()
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
        elif format == "TIFF":
            exif = exif or Image.Exif()
            exif[XMP_TAG] = xmp
        else:
            options["xmp"] = xmp
    if exif and len(data := exif.tobytes()) < limit:
        options["exif"] = data
    if format == "TIFF":  # libtiff, which compresses, loses the exposure and GPS parts of EXIF: rather a larger file
        options["compression"] = "raw" if exif and (EXIF_TAG in exif or GPS_TAG in exif) else "tiff_adobe_deflate"
    return options
