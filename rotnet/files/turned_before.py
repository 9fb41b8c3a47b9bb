"""What rotnet has turned already is not turned once more, wherever it lies and whatever it is called now.

A small database in the folder of the journals holds a fingerprint, of 16 bytes, of each picture as it was after its
turn. It tells nothing of the picture, and nothing is written into the picture itself. Whoever turns such a picture by
hand gives it another fingerprint, so that it is looked at as any other.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import threading
from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path

from rotnet.errors import UsageError
from rotnet.files.decide import FileCorrection, check_unchanged, not_turned
from rotnet.files.state import state_folder
from rotnet.images import reading
from rotnet.images.fingerprint import fingerprint
from rotnet.images.prefetch import JOBS, ahead

__all__ = ["REASON", "TurnedBefore", "with_digests"]

REASON = "rotnet has turned it before, and turns nothing twice: turn it by hand if it is wrong"

_log = logging.getLogger(__name__)


class TurnedBefore:
    """The fingerprints of what was turned; safe to share between threads, and between runs.

    Where there is no place for them, or it fails, nothing is remembered, and a warning says so once.

    Args:
        path: The database, made with the first picture; None for the one of this user.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     before = TurnedBefore(Path(folder, "turned.sqlite"))
        ...     before.add(b"a picture")
        ...     before.has(b"a picture"), before.has(b"another"), before.close()
        (True, False, None)
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

    def has(self, data: bytes) -> bool:
        """Whether a picture file shows what was turned before."""
        if self._failed or not (self._connection or os.path.exists(self._path)):
            return False
        row = self._do("SELECT 1 FROM turned WHERE fingerprint = ?", fingerprint(data))
        return row is not None

    def add(self, data: bytes) -> None:
        """Remember a picture file that is about to be put in place."""
        if not self._failed:
            self._do("INSERT OR IGNORE INTO turned VALUES (?)", fingerprint(data))

    def close(self) -> None:
        """Let go of the database; nothing is remembered any more."""
        with self._lock:
            self._failed = True  # whoever is still at work must not open it anew
            if self._connection is not None:
                self._connection.close()
                self._connection = None

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


def with_digests(decisions: Iterable[FileCorrection], *, jobs: int = JOBS) -> Generator[FileCorrection, None, None]:
    """Decisions with the `sha256` of what was looked at, so that they can be carried out later.

    None of them turns what was turned before.
    """
    before = TurnedBefore()

    def sign(decision: FileCorrection) -> FileCorrection:
        if decision.target is None:
            return decision
        try:
            with reading.open_file(decision.path) as file:
                data = file.read()
            check_unchanged(decision)
        except Exception as error:  # whatever it is, the other pictures go on
            return decision.failed(error)
        if decision.action == "turned" and before.has(data):
            decision = not_turned(decision, REASON)
        return replace(decision, sha256=hashlib.sha256(data).hexdigest())

    try:
        yield from ahead(sign, decisions, jobs=jobs)
    finally:
        before.close()


def _opened(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30.0, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    with connection:
        connection.execute("CREATE TABLE IF NOT EXISTS turned (fingerprint BLOB PRIMARY KEY) WITHOUT ROWID")
    return connection
