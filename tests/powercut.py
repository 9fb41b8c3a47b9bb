"""A model of what a power cut leaves of a folder, for the tests.

On disk for certain are the bytes of a file as of its last fsync, and the names in a folder as of the last fsync of that
folder. All else may be there or not: each renaming, link or removal by itself, and bytes as they were last synced, as
they were last written, or as the zeros of a file whose length alone came to disk. This is stricter than most file
systems are.
"""

import itertools
import os
import shutil
import stat
import threading
from dataclasses import dataclass
from pathlib import Path

from rotnet.files import Journal

_CHANGES = ("rename", "replace", "link", "unlink", "remove", "mkdir", "rmdir")


@dataclass(frozen=True)
class Content:
    """Of a file, with what the inode tells of it."""

    data: bytes
    modified: int
    mode: int


class Disk:
    """Records what may be left of a folder, whenever the power goes, while a block runs.

    Attributes:
        states: Contents by path, relative to the folder; None for folders.
    """

    def __init__(self, root):
        self.root = Path(root)
        self.states = {}
        self._lock = threading.RLock()
        self._held = {}  # a descriptor for each inode: none is used anew, and what was removed can still be read
        self._synced = {}  # content by inode, and names by folder
        self._now = {}
        self._pending = []  # changes that may be lost: lists of (folder, name, inode or None)

    def __enter__(self):
        self._now = self._listed()
        self._synced = dict(self._now) | {inode: self._content(inode) for inode in self._held if inode not in self._now}
        self._real = {name: getattr(os, name) for name in (*_CHANGES, "fsync")}
        self._record = Journal._record
        for name in _CHANGES:
            setattr(os, name, self._watched(self._real[name]))
        os.fsync, Journal._record = self._fsync, self._recorded()
        return self

    def __exit__(self, *_):
        for name, function in self._real.items():
            setattr(os, name, function)
        Journal._record = self._record
        self.cut()
        self.certain = self._state((), "synced")
        for descriptor in self._held.values():
            os.close(descriptor)

    def cut(self):
        """Add what may be left if the power goes now."""
        with self._lock:
            self._notice()
            pending = range(len(self._pending))
            kept = {(), tuple(pending)} | {(one,) for one in pending}
            kept |= {rest for rest in itertools.combinations(pending, max(0, len(pending) - 1))}
            for changes in sorted(kept):
                for bytes_are in ("synced", "written", "zeros"):
                    state = self._state(changes, bytes_are)
                    self.states[frozenset(state.items())] = state

    # What happens -----------------------------------------------------------------------------------------------------

    def _watched(self, function):
        def watched(*arguments, **options):
            with self._lock:
                self.cut()
                try:
                    return function(*arguments, **options)
                finally:
                    self._notice(as_one=True)

        return watched

    def _recorded(self):
        record = self._record

        def recorded(journal, entry, **options):
            try:
                record(journal, entry, **options)
            finally:
                self.cut()

        return recorded

    def _fsync(self, descriptor):
        with self._lock:
            self.cut()
            status = os.fstat(descriptor)
            if not stat.S_ISDIR(status.st_mode):
                self._synced[status.st_ino] = self._content(status.st_ino)
                return
            folder = status.st_ino
            self._synced[folder] = self._now[folder]
            rest = [[one for one in change if one[0] != folder] for change in self._pending]
            self._pending = [change for change in rest if change]

    def _notice(self, *, as_one=False):
        """Take up what has changed: together, as renaming does, or each name for itself."""
        now = self._listed()
        changes = [
            (folder, name, now.get(folder, {}).get(name))
            for folder in {*now, *self._now}
            for name in {*now.get(folder, {}), *self._now.get(folder, {})}
            if now.get(folder, {}).get(name) != self._now.get(folder, {}).get(name)
        ]
        self._now = now
        self._pending += [changes] if as_one and changes else [[change] for change in changes]

    # What is there ----------------------------------------------------------------------------------------------------

    def _listed(self):
        """Inode by name, by the inode of the folder."""
        found = {}
        for folder, folders, names in os.walk(self.root):
            found[self._hold(folder)] = {name: self._hold(os.path.join(folder, name)) for name in (*folders, *names)}
        return found

    def _hold(self, path):
        inode = os.lstat(path).st_ino
        if inode not in self._held:
            self._held[inode] = os.open(path, os.O_RDONLY)
        return inode

    def _content(self, inode):
        status = os.fstat(self._held[inode])
        return Content(os.pread(self._held[inode], status.st_size, 0), status.st_mtime_ns, status.st_mode)

    def _state(self, changes, bytes_are):
        folders = {}
        for inode in self._held:
            if stat.S_ISDIR(os.fstat(self._held[inode]).st_mode):
                folders[inode] = dict(self._synced.get(inode, {}))
        for folder, name, inode in (one for number in changes for one in self._pending[number]):
            folders[folder][name] = inode
        state, remaining = {}, [(os.stat(self.root).st_ino, "")]
        while remaining:
            folder, path = remaining.pop()
            for name, inode in folders[folder].items():
                at = os.path.join(path, name)
                if inode in folders:
                    state[at] = None
                    remaining.append((inode, at))
                elif inode is not None:
                    state[at] = self._left(inode, bytes_are)
        return state

    def _left(self, inode, bytes_are):
        written = self._content(inode)
        synced = self._synced.get(inode, Content(b"", written.modified, written.mode))
        if bytes_are == "zeros":
            zeros = bytes(max(0, len(written.data) - len(synced.data)))
            return Content(synced.data + zeros, written.modified, written.mode)
        return synced if bytes_are == "synced" else written


def restore(root, state):
    """Make a folder what a power cut has left of it."""
    for entry in os.scandir(root):
        shutil.rmtree(entry) if entry.is_dir(follow_symlinks=False) else os.unlink(entry)
    for path in sorted(state):
        content, place = state[path], Path(root, path)
        if content is None:
            place.mkdir()
        else:
            place.write_bytes(content.data)
            place.chmod(stat.S_IMODE(content.mode))
            os.utime(place, ns=(content.modified, content.modified))
