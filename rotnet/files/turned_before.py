"""What rotnet has turned already is not turned once more, wherever it lies and whatever it is called now.

A small database in the folder of the journals holds a fingerprint, of 16 bytes, of each picture as it was after its
turn, and of each that a person has decided to leave in its place. It tells nothing of the picture, and nothing is
written into the picture itself. Whoever turns such a picture by hand gives it another fingerprint, so that it is looked
at as any other.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from pathlib import Path

from rotnet.errors import UsageError
from rotnet.files.state import state_folder
from rotnet.images.fingerprint import fingerprint

__all__ = ["LEFT", "REASON", "TurnedBefore"]

REASON = "rotnet has turned it before, and turns nothing twice: turn it by hand if it is wrong"
LEFT = "left as it is by a person: the page of --preview can change that"

_WHY_NOT = {
    "SELECT 1 FROM left_by_person WHERE fingerprint = ?": LEFT,
    "SELECT 1 FROM turned WHERE fingerprint = ?": REASON,
}

_log = logging.getLogger(__name__)


class TurnedBefore:
    """The fingerprints of what was turned, or left by a person; safe to share between threads, and between runs.

    Where there is no place for them, or it fails, nothing is remembered, and a warning says so once.

    Args:
        path: The database, made with the first picture; None for the one of this user.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     before = TurnedBefore(Path(folder, "turned.sqlite"))
        ...     before.add(b"a picture")
        ...     before.why_not(b"a picture") == REASON, before.why_not(b"another"), before.close()
        (True, None, None)
    """

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._failed = False
        try:
            self._path = path or state_folder() / "turned.sqlite"
        except UsageError as error:  # no home
            self._failed = True
            _log.warning("What was turned is not remembered: %s", error)

    def why_not(self, data: bytes) -> str | None:
        """Why the model alone is not to turn a picture file, for people; None if there is no reason."""
        if not self._is_there():
            return None
        digest = fingerprint(data)
        return next((why for statement, why in _WHY_NOT.items() if self._do(statement, digest) is not None), None)

    def add(self, data: bytes) -> None:
        """Remember a picture file that is about to be put in place."""
        if not self._failed:
            self._do("INSERT OR IGNORE INTO turned VALUES (?)", fingerprint(data))

    def leave(self, data: bytes) -> None:
        """Remember a picture file that a person leaves as it is."""
        if not self._failed:
            self._do("INSERT OR IGNORE INTO left_by_person VALUES (?)", fingerprint(data))

    def leave_no_more(self, data: bytes) -> None:
        """Forget that a person has left a picture file, which is decided otherwise now."""
        if self._is_there():
            self._do("DELETE FROM left_by_person WHERE fingerprint = ?", fingerprint(data))

    def close(self) -> None:
        """Let go of the database; nothing is remembered any more."""
        with self._lock:
            self._failed = True  # whoever is still at work must not open it anew
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _is_there(self) -> bool:
        """Whether there is a database to ask; to ask makes none."""
        return not self._failed and (self._connection is not None or os.path.exists(self._path))

    def _do(self, statement: str, digest: bytes) -> object:
        with self._lock:
            if self._failed:  # while this waited
                return None
            try:
                if self._connection is None:
                    self._connection = _opened(self._path)
                with self._connection:
                    return self._connection.execute(statement, (digest,)).fetchone()
            except (sqlite3.Error, OSError) as error:
                self._failed = True
                _log.warning("%s cannot be used, and what was turned is not remembered: %s", self._path, error)
                return None


def _opened(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30.0, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    with connection:
        for table in ("turned", "left_by_person"):  # an older database has the first alone
            connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (fingerprint BLOB PRIMARY KEY) WITHOUT ROWID")
    return connection
