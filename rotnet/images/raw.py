"""Raw photographs: the preview in them, which is a JPEG, is what can be looked at without developing them."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from rotnet.errors import ImageError
from rotnet.images import reading
from rotnet.images.formats import containers, jpeg
from rotnet.images.formats.exif import ORIENTATION, Facts
from rotnet.images.formats.ifd import byte_order, first_directory

__all__ = ["RAW_EXTENSIONS", "is_raw", "looked_at", "picture_in", "preview_of"]

RAW_EXTENSIONS = frozenset(
    f".{name}"
    for name in "3fr arw cr2 cr3 crw dng erf iiq kdc mef mos mrw nef nrw orf pef raf rw2 rwl sr2 srf srw".split()
)
_MOST = 200  # beginnings of a JPEG that are looked at
_FRAMES = (0xC0, 0xC1, 0xC2)  # of JPEGs that are pictures; the raw data themselves may be a lossless one
# TIFFs by another name: Olympus, Panasonic
_OTHER_TIFFS = (b"IIRO", b"IIRS", b"IIU\0")


def is_raw(path: Path) -> bool:
    """Whether a file is a raw photograph by its name.

    Example:
        >>> is_raw(Path("a.CR2")), is_raw(Path("a.jpg"))
        (True, False)
    """
    return path.suffix.lower() in RAW_EXTENSIONS


def picture_in(path: Path) -> Path | IO[bytes]:
    """What of a file is looked at: the preview in a raw photograph, by the name of that, else the file.

    Raises:
        ImageError: It cannot be opened, or has no preview and is no TIFF either.
    """
    if not is_raw(path):
        return path
    with reading.open_file(path) as file:
        return reading.named(looked_at(file.read(), str(path)), str(path))


def looked_at(data: bytes, name: str) -> bytes:
    """As `picture_in`, of the bytes of a raw photograph: the preview in them, or they themselves as a TIFF."""
    try:
        return preview_of(data, name)
    except ImageError:
        if data[:4] in (b"II*\0", b"MM\0*"):  # some hold their previews as the pictures of a TIFF
            return data
        raise


def preview_of(data: bytes, name: str) -> bytes:
    """The largest JPEG in a raw photograph, oriented as that is.

    Args:
        data: The file.
        name: What an error calls it.

    Raises:
        ImageError: There is none.
    """
    best, pixels, at = b"", 0, 0
    for _ in range(_MOST):
        at = data.find(b"\xff\xd8\xff", at)
        if at < 0:
            break
        end, size = _picture(data, at)
        if size > pixels:
            best, pixels = data[at:end], size
        at = end
    if not pixels:
        raise ImageError(f"{name} is a raw photograph in which no preview can be found; develop it first")
    orientation = _orientation(data)
    try:
        return containers.retag(best, "JPEG", Facts(orientation)) if orientation else best
    except ValueError as error:
        raise ImageError(f"{name}: the preview in it is damaged: {error}; develop it first") from error


def _picture(data: bytes, at: int) -> tuple[int, int]:
    """Where a JPEG ends, and how many pixels it has; where to go on and none if it is no picture."""
    frame, scan, place = 0, 0, at + 2
    while data[place : place + 1] == b"\xff" and len(head := data[place + 1 : place + 9]) == 8:
        length = int.from_bytes(head[1:3], "big")
        if head[0] in _FRAMES:
            frame = int.from_bytes(head[4:6], "big") * int.from_bytes(head[6:8], "big")
        if head[0] == jpeg.SCAN:
            scan = place
            break
        if head[0] < 0xC0 or 0xD0 <= head[0] <= 0xD9 or length < 2:
            break
        place += 2 + length
    if not (frame and scan):
        return at + 3, 0
    try:
        return jpeg.end(data, scan), frame
    except ValueError:
        return at + 3, 0


def _orientation(data: bytes) -> int | None:
    """The orientation of the photograph, where it tells one beside its preview."""
    if data[4:8] == b"ftyp":  # of Canon: a TIFF in a box
        data = data[data.find(b"CMT1") + 4 :]
    elif data[:4] in _OTHER_TIFFS:
        data = b"II*\0" + data[4:]
    try:
        tag = first_directory(data)[0].get(ORIENTATION)
        value = tag.number(byte_order(data)) if tag is not None else None
    except ValueError:
        return None
    return value if value is not None and 1 <= value <= 8 else None
