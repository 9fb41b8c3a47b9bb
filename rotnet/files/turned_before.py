"""What rotnet has turned already is not turned once more, wherever it lies and whatever it is called now.

A small database in the folder of the journals holds a fingerprint, of 16 bytes, of each picture as it was after its
turn. It tells nothing of the picture, and nothing is written into the picture itself. Whoever turns such a picture by
hand gives it another fingerprint, so that it is looked at as any other.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path

from rotnet.errors import UsageError
from rotnet.files.decide import FileCorrection
from rotnet.files.state import state_folder
from rotnet.images import reading
from rotnet.images.fingerprint import fingerprint

__all__ = ["REASON", "TurnedBefore", "left", "not_twice"]

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
        except UsageError:  # no home
            self._failed = True

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
        with self._lock:
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


def left(decision: FileCorrection) -> FileCorrection:
    """What becomes of a picture that the model would turn, and that was turned before."""
    confidence = None if decision.confidence is None else round(1.0 - decision.confidence, 4)
    return replace(decision, action="unsure", confidence=confidence, reason=REASON, crop=None, lost=None)


def not_twice(decisions: Iterable[FileCorrection]) -> Generator[FileCorrection, None, None]:
    """Decisions of which none turns what was turned before; a file that cannot be read is told of when it is turned."""
    before = TurnedBefore()
    try:
        for decision in decisions:
            yield left(decision) if decision.action == "turned" and _is_ours(decision.path, before) else decision
    finally:
        before.close()


def _is_ours(path: Path, before: TurnedBefore) -> bool:
    try:
        with reading.open_file(path) as file:
            return before.has(file.read())
    except Exception:
        return False


def _opened(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30.0, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    with connection:
        connection.execute("CREATE TABLE IF NOT EXISTS turned (fingerprint BLOB PRIMARY KEY) WITHOUT ROWID")
    return connection
