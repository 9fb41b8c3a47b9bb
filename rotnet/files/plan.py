"""Where the successor of each picture goes, decided and checked before anything is written.

A plan is a dict of targets by input, about one kilobyte a file.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

from rotnet.errors import ImageError, OutputError, UsageError
from rotnet.files.turned_before import TurnedBefore
from rotnet.images import reading
from rotnet.images.finding import LINKED_FOLDER, count_others, find_images, shown_links
from rotnet.images.reading import StrPath

Targets = dict[Path, Path]

# of what is there already
_ELSEWHERE = "Move it, choose another folder, or --overwrite it."
_NO_PICTURES = "There are no pictures to correct: name files, or folders that hold pictures."
_BACKUP = "Move it, or choose another suffix for the backups."


def plan_targets(
    paths: Iterable[StrPath],
    output: StrPath,
    *,
    overwrite: bool = False,
    finished: Collection[str] = (),
    part: Callable[[Path], bool] | None = None,
    raw: bool = False,
    advice: str | None = None,
) -> Targets:
    """Plan upright copies in another folder.

    A folder's sub-folders are mirrored under `output`; a file named by itself goes straight into it. Pictures that lie
    in `output` already are no inputs.

    Args:
        paths: Files and folders.
        output: Folder of the results; need not exist.
        overwrite: Whether files that are there may be replaced.
        finished: `place_of` the inputs whose targets an interrupted run has made.
        part: Whether an input is this run's; None for all. The others are planned too, so that no two runs share a
            target, but may be finished.
        raw: Whether raw photographs in folders are inputs too.
        advice: What the error tells people to do where a target is there already.

    Returns:
        Target by input, in order.

    Raises:
        OutputError: `output` cannot be a folder, may not be written to, or the disk has too little room.
        UsageError: Two inputs would share a target, a target is one of the inputs or exists, or there are no inputs.
    """
    paths = list(map(_spelt, paths))
    output = Path(_spelt(output))
    targets: Targets = {}
    for given in map(Path, paths):
        nested = is_nested(output, given)
        is_folder = os.path.isdir(given)
        for source in find_images([given], raw=raw):
            # a folder that may not be listed stands for itself, to be told of
            is_inside = is_folder and source != given
            if not (nested and _is_within(source, output)):
                targets.setdefault(source, output / (source.relative_to(given) if is_inside else source.name))
    _check_any(targets, paths)
    check_targets(targets, overwrite=overwrite, finished=_and_others(finished, targets, part), advice=advice)
    return _part_of(targets, part)


def plan_in_place(
    paths: Iterable[StrPath],
    *,
    backup: str | None = None,
    finished: Collection[str] = (),
    part: Callable[[Path], bool] | None = None,
    raw: bool = False,
    advice: str | None = None,
) -> Targets:
    """Plan to put upright pictures in the place of the crooked ones.

    A file that several paths lead to is planned once. A backup may be there of what rotnet has turned before, or a
    person has left: it is not turned again.

    Args:
        paths: Files and folders.
        backup: What is appended to the name under which an original is kept; None does not keep it.
        finished: `place_of` the inputs whose backups an interrupted run has made.
        part, raw, advice: As for `plan_targets`.

    Returns:
        The input itself by input, in order.

    Raises:
        OutputError: A folder may not be written to, or the disk has too little room.
        UsageError: A link leads to a file that was not named, a backup exists, or there are no inputs.
    """
    paths = list(map(_spelt, paths))
    links: list[Path] = []
    sources: dict[str, Path] = {}  # by where they really lie
    for source in find_images(paths, raw=raw):
        if os.path.islink(source) and os.path.exists(source):
            links.append(source)
        else:
            sources.setdefault(os.path.realpath(source), source)
    for link in links:
        if (real := os.path.realpath(link)) not in sources:
            raise UsageError(f"{link} leads to {real}, which would be changed: name that, or leave the link out.")
    targets = {source: source for source in sources.values()}
    _check_any(targets, paths)
    others = _and_others(finished, targets, part)
    check_targets(targets, in_place=True, backup=backup, finished=others, advice=advice)
    return _part_of(targets, part)


def _spelt(path: StrPath) -> StrPath:
    """The path itself, unless no file can have it, which is a `UsageError`."""
    try:
        possible = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:  # a lone surrogate that stands for no byte
        possible = False
    if not possible:
        raise UsageError(f"{os.fspath(path)!r} cannot be the path of a file: a path has no zero bytes and is text.")
    return path


def backup_of(source: Path, suffix: str) -> Path:
    """Where the original of a picture that is turned in place is kept."""
    return source.with_name(source.name + suffix)


def folder_above(source: Path, target: Path) -> Path:
    """The folder of results that a target was planned into, or one above it: names end alike below that folder.

    Example:
        >>> folder_above(Path("in/holidays/a.jpg"), Path("out/holidays/a.jpg")).name
        'out'
    """
    parts = list(target.parts)
    for part in reversed(source.parts):
        if not parts or parts[-1] != part or part == "..":
            break
        parts.pop()
    return Path(*parts)


def place_of(path: Path) -> str:
    """Where a file lies, whatever links lead to its folder; a link itself is not followed."""
    return os.path.join(os.path.realpath(path.parent), path.name)


def is_nested(output: StrPath, given: str | Path) -> bool:
    """Whether a folder of results lies within a folder of inputs, and is not that folder."""
    return _is_within(output, given) and not _is_within(given, output)


def check_targets(
    targets: Mapping[Path, Path],
    *,
    overwrite: bool = False,
    in_place: bool = False,
    backup: str | None = None,
    finished: Collection[str] = (),
    advice: str | None = None,
) -> None:
    """Refuse a plan that would lose a picture or cannot be carried out; arguments and errors are those of the plans."""
    if not targets:
        raise UsageError(_NO_PICTURES)
    for folder in dict.fromkeys(target.parent for target in targets.values()):
        _check_folder(folder)
    inputs = {os.path.realpath(source) for source in targets}
    advice = advice or default_advice(in_place=in_place)
    there = {}
    for source, target in targets.items():
        if in_place:
            made = backup_of(source, backup) if backup else None
        elif os.path.realpath(target) in inputs:
            raise UsageError(f"{target} is itself an input, and originals are never overwritten: choose another OUT.")
        else:
            made = target
        if made and os.path.lexists(made) and place_of(source) not in finished:
            if os.path.isdir(made):
                raise UsageError(f"{made} is a folder, in the place of a picture. Choose another folder, or move it.")
            if not overwrite:
                there[source] = made
    with closing(TurnedBefore()) as before:
        for source, made in there.items():
            if not (in_place and _stays(source, before)):
                raise UsageError(f"{made} is there already. {advice}")
    _check_collisions(targets)
    _check_room(targets, keeps_originals=bool(backup), finished=finished)


def _check_any(targets: Targets, paths: Iterable[StrPath]) -> None:
    """Refuse a plan of nothing, and say so where there are folders that were not looked into."""
    if not targets and (links := count_others(paths)[LINKED_FOLDER]):
        raise UsageError(f"{_NO_PICTURES} Not followed: {shown_links(links)}, which can be named themselves.")


def default_advice(*, in_place: bool = False, interrupted: bool = False) -> str:
    """What people can do about a target, or in place a backup, that is there already.

    Args:
        in_place: Whether it is a backup.
        interrupted: Whether there is an interrupted run, which may have made it.

    Example:
        >>> default_advice(in_place=True)
        'Move it, or choose another suffix for the backups.'
    """
    advice = _BACKUP if in_place else _ELSEWHERE
    resume = "Take the interrupted run up with --resume, "
    return f"{resume}{advice[0].lower()}{advice[1:]}" if interrupted else advice


def _stays(source: Path, before: TurnedBefore) -> bool:
    """Whether rotnet has turned a picture before, or a person has left it, so that it needs no backup."""
    with suppress(ImageError), reading.open_file(source) as file:  # what cannot be read is told when it is its turn
        return before.why_not(file.read()) is not None
    return False


def _part_of(targets: Targets, part: Callable[[Path], bool] | None) -> Targets:
    return targets if part is None else {source: target for source, target in targets.items() if part(source)}


def _and_others(finished: Collection[str], targets: Targets, part: Callable[[Path], bool] | None) -> Collection[str]:
    """What need not be there to make: what is finished, and what other runs make."""
    return finished if part is None else {*finished, *(place_of(source) for source in targets if not part(source))}


def _check_folder(folder: Path) -> None:
    nearest = _nearest(folder)
    if not nearest.is_dir():
        raise OutputError(f"{folder} cannot be made: {nearest} is not a folder; choose another one")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(f"{folder} cannot be written: {nearest} is read-only for you; choose another folder")


def _check_collisions(targets: Mapping[Path, Path]) -> None:
    """Refuse two inputs of one target. Names that some file systems take for one are tried out on this one."""
    # a folder is followed once, not with each of its files
    folders = {folder: os.path.realpath(folder) for folder in {target.parent for target in targets.values()}}
    places = {source: os.path.join(folders[target.parent], target.name) for source, target in targets.items()}
    for first, second in _pairs(places, key=str):
        raise UsageError(f"{first} and {second} would both become {targets[second]}. Correct them into two folders.")
    for first, second in _pairs(places, key=_folded):
        if _are_one(places[first], places[second]):
            one, other = targets[first], targets[second]
            raise UsageError(f"{first} and {second} would become {one} and {other}, which are one file on this disk.")
    owners = {place: source for source, place in places.items()}
    within = {folder: [*map(str, (Path(folder), *Path(folder).parents))] for folder in set(folders.values())}
    for source, target in targets.items():
        for folder in within[folders[target.parent]]:
            if folder in owners:
                raise UsageError(f"{source} needs a folder at {folder}, where {owners[folder]} goes: use two folders.")


def _pairs(places: Mapping[Path, str], key: Callable[[str], str]) -> Iterator[tuple[Path, Path]]:
    owners: dict[str, Path] = {}
    for source, place in places.items():
        owner = owners.setdefault(key(place), source)
        if owner is not source:
            yield owner, source


def _folded(place: str) -> str:
    """The same for names that differ in case, or in how accents are composed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", place).casefold())


def _are_one(first: str, second: str) -> bool:
    """Whether two paths that differ in spelling are one file; tried on names in a folder that vanishes again."""
    shared = os.path.commonpath([first, second])
    try:
        with tempfile.TemporaryDirectory(prefix=".rotnet-", dir=_nearest(Path(shared))) as trial:
            tried = Path(trial, os.path.relpath(first, shared))
            tried.parent.mkdir(parents=True, exist_ok=True)
            tried.touch()
            return os.path.lexists(os.path.join(trial, os.path.relpath(second, shared)))
    except OSError:  # what cannot be tried is not risked
        return True


def _check_room(targets: Mapping[Path, Path], *, keeps_originals: bool, finished: Collection[str]) -> None:
    """Refuse what will not fit: a copy takes about the room of its original, in place only until it is moved."""
    total = largest = 0
    for source, target in targets.items():
        if finished and place_of(source) in finished:
            continue
        size = _size(source)
        largest = max(largest, size)
        total += size if keeps_originals else size - _size(target)
    folder = _nearest(next(iter(targets.values())).parent)
    needed, free = max(total, largest), shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(
            f"{folder} has room for {free / 1e6:,.1f} MB, and the pictures may need {needed / 1e6:,.1f} MB; "
            "make room or choose another disk"
        )


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size if os.path.isfile(path) else 0
    except (OSError, ValueError):
        return 0


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest above it that exists."""
    return next(one for one in (folder, *folder.parents) if os.path.lexists(one))


def _is_within(path: StrPath, folder: StrPath) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
