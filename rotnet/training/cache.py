"""Pictures that are made ready once and then kept, in memory or in a folder."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rotnet.images.finding import stamp
from rotnet.images.writing import make_folder

_log = logging.getLogger(__name__)

Decode = Callable[[Path], NDArray[np.uint8]]


class Cache(Protocol):
    """Keeps what is made of pictures, as long as there is room and files stay as they are."""

    def read(self, path: Path, decode: Decode, *, variant: str = "") -> NDArray[np.uint8]:
        """What `decode` makes of the file, or made of it before.

        Args:
            path: A file; `decode` is called for one that is not there too, to say so.
            decode: Makes a picture of a path.
            variant: Tells apart what several decoders make of one file.

        Returns:
            A uint8 array, not to be written into.
        """
        ...

    def array(self, number: int, make: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """What `make` returns, or returned before for a picture of this number, which is not a file."""
        ...


class MemoryCache:
    """Keeps pictures in this process.

    Args:
        limit: Bytes of pictures that are kept; once they are reached, no more are added.

    Example:
        >>> cache = MemoryCache(limit=2**20)
        >>> cache.read(Path("setup.cfg"), lambda path: np.zeros((2, 3), np.uint8)).shape
        (2, 3)
    """

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[object, NDArray[np.uint8]]] = {}

    def read(self, path: Path, decode: Decode, *, variant: str = "") -> NDArray[np.uint8]:
        """As `Cache.read`."""
        return self._keep((str(path), variant), stamp(path), lambda: decode(path))

    def array(self, number: int, make: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """As `Cache.array`."""
        return self._keep(number, (), make)

    def _keep(self, key: Hashable, version: object, make: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """What was kept of this version, or is made now; `None` is a version of which nothing is kept."""
        kept = self._kept.get(key)
        if kept is not None and kept[0] == version:
            return kept[1]
        image = make()
        with self._lock:  # another thread may have made the same meanwhile
            before = self._kept[key][1].nbytes if key in self._kept else 0
            if version is not None and image.nbytes - before <= self._free:
                self._free -= image.nbytes - before
                self._kept[key] = version, image
        return image


class FolderCache:
    """Keeps pictures as files in a folder, where other processes and later runs find them.

    Args:
        folder: Made if it is missing; only what lies in it as `*.picture` is touched.
        limit: Bytes of files that are kept; once they are reached, no more are added. Each process counts for itself
            what was there when it began and what it adds.

    Raises:
        OutputError: The folder cannot be made.
    """

    def __init__(self, folder: str | os.PathLike[str], limit: int) -> None:
        self._folder = Path(folder)
        make_folder(self._folder)
        self._lock = threading.Lock()
        self._failed = False
        self._free = limit - sum(file.stat().st_size for file in self._folder.glob("*.picture"))

    def read(self, path: Path, decode: Decode, *, variant: str = "") -> NDArray[np.uint8]:
        """As `Cache.read`."""
        found = stamp(path)
        if found is None:
            return decode(path)
        version = found[:2]  # an inode is this disk's alone
        name = hashlib.sha256(f"{variant}\n{os.path.abspath(path)}".encode()).hexdigest()
        target = self._folder / f"{name}.picture"
        try:
            with target.open("rb") as file:
                if tuple(np.load(file)) == version:
                    return np.load(file)
        except FileNotFoundError:
            pass
        except (OSError, EOFError, ValueError) as error:  # the picture itself is still there
            _log.warning("%s cannot be read and is made anew from %s: %s", target, path, error)
        image = decode(path)
        self._keep(target, version, image)
        return image

    def array(self, number: int, make: Callable[[], NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Made anew, for a later run may have another picture of this number."""
        return make()

    def _keep(self, target: Path, version: tuple[int, int], image: NDArray[np.uint8]) -> None:
        if image.nbytes - self._size(target) > self._free:
            return
        temporary = target.with_suffix(f".{secrets.token_hex(4)}")
        try:
            with temporary.open("wb") as file:
                np.save(file, np.array(version, np.int64))
                np.save(file, image)
                size = file.tell()
            with self._lock:
                added = size - self._size(target)
                if added <= self._free:
                    os.replace(temporary, target)
                    self._free -= added
        except OSError as error:  # a full disk only means that nothing is kept
            _log.log(logging.DEBUG if self._failed else logging.WARNING, "%s keeps no more: %s", self._folder, error)
            self._failed = True
        finally:
            temporary.unlink(missing_ok=True)

    @staticmethod
    def _size(target: Path) -> int:
        return target.stat().st_size if target.exists() else 0


def open_cache(where: str | os.PathLike[str], limit: int) -> Cache:
    """The cache that a user means: `"memory"`, or the path of a folder."""
    return MemoryCache(limit) if where == "memory" else FolderCache(where, limit)
