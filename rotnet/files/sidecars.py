"""XMP sidecars of pictures: carried along with them, and on request written instead of pixels.

A sidecar of `a.jpg` is `a.jpg.xmp`, as darktable and digiKam name them, or `a.xmp`, as Adobe does. The latter is left
alone where several pictures, or a raw photograph, could claim it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rotnet.errors import ImageError, OutputError
from rotnet.files.decide import FileCorrection, not_turned
from rotnet.files.plan import backup_of
from rotnet.files.replacing import back_up, is_fatal, keep_status, spare_of
from rotnet.images import sidecar, writing
from rotnet.images.formats.xmp import LARGEST
from rotnet.images.formats.xmp_properties import EMPTY
from rotnet.images.raw import RAW_EXTENSIONS, is_raw, looked_at
from rotnet.images.reading import EXTENSIONS

__all__ = ["carry", "sidecars_of", "write_turn"]

_log = logging.getLogger(__name__)
_SUFFIXES = (".xmp", ".XMP")
# darktable's edits are of the pixels as they were, and so is a crop of Camera Raw
_EDITS = (b"darktable:history", b'crs:HasCrop="True"', b"<crs:HasCrop>True<")


def sidecars_of(picture: Path) -> list[Path]:
    """The sidecars of a picture that there are.

    Example:
        >>> sidecars_of(Path("no/such.jpg"))
        []
    """
    found = [path for suffix in _SUFFIXES if (path := picture.with_name(picture.name + suffix)).is_file()]
    found += [path for suffix in _SUFFIXES if (path := picture.with_suffix(suffix)).is_file() and _owns(picture)]
    # names that differ in case alone are one file on some systems
    return [path for number, path in enumerate(found) if not any(_are_one(path, other) for other in found[:number])]


def carry(
    decision: FileCorrection,
    target: Path,
    before: bytes,
    after: bytes,
    *,
    backup: str | None,
    may_replace: bool,
    temporary: Path | None = None,
) -> None:
    """Bring the sidecars of a picture where its successor is, made true where it was turned.

    What cannot be done is told as a warning: the picture is as it should be.

    Args:
        decision: What became of the picture.
        target: Where its successor is; the picture itself in place.
        before, after: The picture file and its successor.
        backup: In place: end of the name under which a sidecar is kept as it was.
        may_replace: Whether a sidecar that is there may be replaced.
        temporary: Elsewhere: where a sidecar is written meanwhile.

    Raises:
        OutputError: Elsewhere: the disk is full or takes no writing, so that the picture is not done either.
    """
    for source in sidecars_of(decision.path):
        place = target.parent / source.name
        try:
            if decision.method == "sidecar" and os.path.lexists(place):  # the one that was written
                continue
            if place != source and place.name != f"{target.name}{place.suffix}" and not _owns(target):
                raise ValueError(f"{place} would be that of another picture there")
            original = xmp = _read(source)
            if decision.action == "turned" and decision.method != "sidecar":
                xmp = _turned(xmp, source, decision, before, after)
            if target == decision.path:
                if xmp != original:
                    _replace(source, xmp, backup)
            elif may_replace or not os.path.lexists(place):
                _write(place, xmp, source, may_replace=may_replace, temporary=temporary)
            elif _read(place) != xmp:
                _log.warning("%s is there already, and stays as it is", place)
        except (ValueError, OSError) as error:
            if target != decision.path and is_fatal(error):
                raise
            _log.warning("the sidecar %s is left as it is: %s", source, error)


def write_turn(
    decision: FileCorrection, target: Path, data: bytes, *, backup: str | None, may_replace: bool
) -> FileCorrection:
    """Write a sidecar that tells a turn, beside where the picture goes or is, which stays as it is.

    Args:
        decision: To turn the picture.
        target: Where the picture goes; itself in place.
        data: The picture file.
        backup: In place: end of the name under which a sidecar is kept as it was.
        may_replace: Elsewhere: whether a sidecar that is there may be replaced.

    Returns:
        The decision, by the method `"sidecar"`; to leave the picture where a sidecar tells a turn or a crop already,
        or would be that of another raw photograph too.

    Raises:
        ImageError: The picture, or the sidecar that there is, cannot be read.
        OutputError: The sidecar cannot be written.
    """
    assert decision.angle is not None
    source = decision.path
    if is_raw(source) and (others := _others(source, RAW_EXTENSIONS)):
        reason = f"a sidecar would be that of {others[0].name} too, so give one of them another name"
        return not_turned(decision, reason)
    size, orientation = sidecar.as_stored(looked_at(data, str(source)) if is_raw(source) else data, str(source))
    found = sidecars_of(source)
    if is_raw(source):  # Adobe reads no other name
        found = [path for path in found if path.name == source.with_suffix(path.suffix).name]
    try:
        for path in found:
            if sidecar.has_turn(_read(path), orientation):
                reason = f"its sidecar {path.name} tells already how it is turned or cropped, and stays"
                return not_turned(decision, reason)
        base = _read(found[0]) if found else EMPTY
        xmp = sidecar.with_turn(base, size, orientation, decision.angle)
    except ValueError as error:
        raise ImageError(f"{source}: its sidecar {found[0].name} cannot be read, and stays: {error}") from error
    if is_raw(source):
        name = found[0].name if found else source.with_suffix(".xmp").name
    else:  # which is nobody else's, whatever lies there
        name = found[0].name if found and _owns(target) else f"{source.name}.xmp"
    place = target.parent / name
    if target == source and found:
        _replace(place, xmp, backup)
    elif not _holds(place, xmp):  # as a run that was killed may have left it
        _write(place, xmp, source, may_replace=may_replace)
    return replace(decision, method="sidecar", sha256=None)


def _turned(xmp: bytes, source: Path, decision: FileCorrection, before: bytes, after: bytes) -> bytes:
    assert decision.angle is not None
    by_tag = decision.method == "exif"
    if not by_tag and any(mark in xmp for mark in _EDITS):
        _log.warning("%s tells edits of the picture as it was; they do not fit it any more", source)
    try:
        return sidecar.like_picture(xmp, before, after, decision.angle, by_tag=by_tag, name=str(source))
    except ImageError as error:  # not of the sidecar
        raise ValueError(str(error)) from error


def _owns(picture: Path) -> bool:
    """Whether no other picture or raw photograph could claim a sidecar that is named without its extension."""
    if is_raw(picture):
        return True
    return not _others(picture, EXTENSIONS | RAW_EXTENSIONS)


def _others(picture: Path, extensions: Iterable[str]) -> list[Path]:
    """Other files of a picture's name, but for these extensions."""
    endings = {case(one) for one in extensions for case in (str.lower, str.upper)}
    others = [picture.with_suffix(one) for one in sorted(endings) if one != picture.suffix]
    return [other for other in others if other.is_file() and not _are_one(other, picture)]


def _are_one(first: Path, second: Path) -> bool:
    with suppress(OSError):
        return os.path.samefile(first, second)
    return False


def _read(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it has more than the {LARGEST:,} bytes that are looked into")
    return path.read_bytes()


def _holds(place: Path, xmp: bytes) -> bool:
    try:
        return _read(place) == xmp
    except (ValueError, OSError):
        return False


def _write(place: Path, xmp: bytes, like: Path, *, may_replace: bool, temporary: Path | None = None) -> None:
    writing.make_folder(place.parent, like=like.parent)
    move = writing.move if may_replace else writing.move_new
    with writing.atomic_file(place, temporary=temporary, replace=move) as file:
        file.write(xmp)


def _replace(place: Path, xmp: bytes, backup: str | None) -> None:
    """Put a sidecar in the place of another, which is kept if so asked."""

    def move(temporary: Path, target: Path) -> None:
        if backup is not None:
            back_up(target, backup_of(target, backup), spare_of(temporary))
        writing.move(temporary, target)

    if place.is_symlink():
        raise OutputError(f"{place} is a link, which would be replaced; put the file itself there")
    if not os.access(place, os.W_OK):
        raise OutputError(f"{place} is read-only; make it writable")
    with writing.atomic_file(place, replace=move) as file:
        file.write(xmp)
        keep_status(place, file, owner=True)
