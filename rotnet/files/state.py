"""Where rotnet keeps what it remembers from run to run."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from rotnet.errors import UsageError


def journal_path(*identity: str) -> Path:
    """Where the journal of a run lies by default, found again by what makes it the same run.

    Example:
        >>> journal_path("in", "out") == journal_path("in", "out") != journal_path("out", "in")
        True

    Raises:
        UsageError: There is no folder for it: the user has no home.
    """
    name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    return state_folder() / f"{name}.jsonl"


def state_folder() -> Path:
    """The folder of what rotnet remembers from run to run; need not exist.

    Raises:
        UsageError: The user has no home.
    """
    state: str | Path | None = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA")
    if not state:
        try:
            state = Path.home() / ".local" / "state"
        except RuntimeError as error:
            raise UsageError("There is no home folder to keep the journal in: name a file with --journal.") from error
    return Path(state, "rotnet")
