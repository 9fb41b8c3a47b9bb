"""The pictures in folders, what lies beside them, and whether they are still the same."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from rotnet.images.raw import is_raw
from rotnet.images.reading import EXTENSIONS, StrPath

_log = logging.getLogger(__name__)

LINKED_FOLDER = "/"  # which no extension is
Stamp = tuple[int, int, int]  # bytes, nanoseconds of the last change, inode


def find_images(paths: StrPath | Iterable[StrPath], *, raw: bool = False) -> Iterator[Path]:
    """List pictures: files as given, folders walked.

    Args:
        paths: One path or several. A path that is not a folder is yielded whatever its name and even if it does not
            exist, so that reading it says why. In folders, hidden entries are skipped, links to folders are not
            followed, and a folder that cannot be listed is yielded itself, so that it is reported as well.
        raw: Whether raw photographs in folders are pictures too.

    Yields:
        Paths, each folder in the order of its sorted names.

    Example:
        >>> [str(path) for path in find_images(["b.jpg", "a.txt"])]
        ['b.jpg', 'a.txt']
    """
    for path in [paths] if isinstance(paths, (str, os.PathLike)) else paths:
        if os.path.isdir(path):
            for found, kind in _walk(Path(path)):
                if kind == "image" or (kind == "other" and raw and is_raw(found)):
                    yield found
                else:
                    why = "it is a link to a folder" if kind == "link" else "its extension is not that of a picture"
                    _log.debug("%s is skipped: %s", found, why)
        else:
            yield Path(path)


def count_others(paths: Iterable[StrPath], *, raw: bool = False) -> Counter[str]:
    """Count what in folders `find_images` skips: files by their lower-case extension, and `LINKED_FOLDER`s.

    Hidden ones are not counted.

    Example:
        >>> count_others(["notes.txt"])
        Counter()
    """
    folders = (Path(path) for path in paths if os.path.isdir(path))
    return Counter(
        LINKED_FOLDER if kind == "link" else found.suffix.lower()
        for folder in folders
        for found, kind in _walk(folder)
        if kind == "link" or (kind == "other" and not (raw and is_raw(found)))
    )


def shown_links(number: int) -> str:
    """So many links to folders, in words.

    Example:
        >>> shown_links(2)
        '2 links to folders'
    """
    return "1 link to a folder" if number == 1 else f"{number} links to folders"


def _walk(folder: Path) -> Iterator[tuple[Path, Literal["image", "other", "link"]]]:
    """Files that are pictures by their names, or not, and links to folders; a folder that cannot be listed is one."""
    remaining = [(folder, True)]  # a stack: folders may lie deeper than calls may
    while remaining:
        path, is_folder = remaining.pop()
        if not is_folder:
            is_link = os.path.isdir(path)  # which a link in a circle is not
            yield path, "link" if is_link else "image" if path.suffix.lower() in EXTENSIONS else "other"
            continue
        try:
            with os.scandir(path) as entries:
                found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError:
            yield path, "image"
        else:
            shown = [entry for entry in sorted(found, reverse=True) if not entry[0].startswith(".")]
            remaining += [(path / name, is_folder) for name, is_folder in shown]


def stamp(path: StrPath) -> Stamp | None:
    """What tells a file from another in its place, or from itself once it is changed; None without a file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
