"""What is known already, one JSON object a line, so that a run that was interrupted goes on where it stopped.

A journal is input: a line that is not as a run writes it is not known, so that its work is done anew.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from rotnet.errors import OutputError

_NUMBER = (int, float)
# what a run records of each kind, by name
FACTS: dict[str, dict[str, Any]] = {
    "source": {},
    "look": {
        **dict.fromkeys(("size", "width", "height", "hash", "mirrored"), int),
        **dict.fromkeys(("clipped", "angle", "confidence"), _NUMBER),
        **{"sha256": str, "error": (str, type(None)), "upright": (*_NUMBER, type(None))},
    },
    "check": dict.fromkeys(("angle", "confidence", "upright"), _NUMBER),
    "write": {"sha256": str, **dict.fromkeys(("size", "width", "height"), int)},
}


class Journal:
    """Facts by kind and name, each on disk as soon as it is known; safe to share between threads.

    Args:
        path: A file, in a folder that exists. What stands in it already is known; a line cut short by a crash is not.

    Raises:
        OutputError: The file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._known: dict[tuple[str, str], tuple[list[Any], dict[str, Any]]] = {}
        self._lock = threading.Lock()
        try:
            if path.is_symlink():  # what is written would go elsewhere
                raise OutputError(f"{path} is a link, in the place of a journal; remove it, or choose another folder")
            if path.exists():
                for line in path.read_text(encoding="ascii").splitlines():
                    self._learn(line)
            self._file: IO[str] = path.open("a", encoding="ascii")
            self._file.write("\n")  # ends a line cut short
        except OutputError:
            raise
        except (OSError, UnicodeDecodeError) as error:
            raise OutputError(f"{path} cannot be used as a journal: {error}; choose another folder") from error

    def recall(self, kind: str, name: str, key: list[Any]) -> dict[str, Any] | None:
        """Facts that were recorded last under this kind and name, if it was with an equal key."""
        known = self._known.get((kind, name))
        return known[1] if known is not None and known[0] == key else None

    def record(self, kind: str, name: str, key: list[Any], facts: dict[str, Any]) -> dict[str, Any]:
        """Remember facts, and return them.

        Args:
            kind, name: What they are about.
            key: What they depend on, of numbers, strings, booleans and None.
            facts: Anything JSON can hold.
        """
        line = json.dumps({"kind": kind, "name": name, "key": key, "facts": facts})
        with self._lock:
            self._known[kind, name] = key, facts
            try:
                self._file.write(line + "\n")
                self._file.flush()
            except OSError as error:
                raise OutputError(f"The journal cannot be written: {error.strerror or error}; make room") from error
        return facts

    def names(self, kind: str) -> set[str]:
        """Names of all that was recorded of a kind."""
        return {name for known, name in self._known if known == kind}

    def _learn(self, line: str) -> None:
        try:
            entry = json.loads(line)
            kind, name, key, facts = (entry[part] for part in ("kind", "name", "key", "facts"))
            kinds = FACTS[kind]
            known = isinstance(name, str) and isinstance(key, list) and facts.keys() == kinds.keys()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return
        if known and all(isinstance(value, kinds[fact]) and _is_in_range(value) for fact, value in facts.items()):
            self._known[kind, name] = key, facts

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _is_in_range(value: Any) -> bool:
    """Whether a number, should this be one, is finite and fits 64 bits."""
    return not isinstance(value, _NUMBER) or 0 <= value < 2**64
