"""What a journal tells of a picture, as `correct` and `apply` record it and take it up again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rotnet.errors import UsageError
from rotnet.files.decide import FileCorrection
from rotnet.files.journal import Journal
from rotnet.files.plan import Targets


def outcome_of(result: FileCorrection) -> dict[str, Any]:
    """What a journal records of a picture."""
    return {name: value for name, value in result.as_dict().items() if name not in ("path", "target", "sha256")}


def finished_of(targets: Targets, journal: Journal) -> int:
    """How many of the pictures an earlier run has finished, as `correct_targets` takes it."""
    return sum(recorded(source, target, journal) is not None for source, target in targets.items())


def recorded(
    source: Path, target: Path, journal: Journal | None, is_there: Callable[[Path], bool] = os.path.lexists
) -> FileCorrection | None:
    """What became of a picture by the journal, if its successor is still there."""
    outcome = journal.outcome_of(source) if journal is not None else None
    if outcome is None or not is_there(target):
        return None
    try:
        return FileCorrection(source, target, **outcome)
    except TypeError as error:
        raise UsageError(f"The journal tells of {source} what rotnet never writes: {outcome}; delete it.") from error
