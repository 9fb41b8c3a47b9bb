"""What a journal tells of a picture, as `correct` and `apply` record it and take it up again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rotnet.errors import UsageError
from rotnet.files.decide import FileCorrection, with_crop
from rotnet.files.journal import Journal
from rotnet.files.options import Turning
from rotnet.files.plan import Targets

_MEANT = "meant"  # to be turned, where something that no decision tells of has left the picture as it is


def outcome_of(result: FileCorrection, decision: FileCorrection | None = None) -> dict[str, Any]:
    """What a journal records of a picture; of a decision that it be turned, also where nothing was turned."""
    outcome = {name: value for name, value in result.as_dict().items() if name not in ("path", "target", "sha256")}
    is_other = decision is not None and decision.action == "turned" != result.action
    return {**outcome, _MEANT: "turned"} if is_other else outcome


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
        return FileCorrection(source, target, **{name: outcome[name] for name in outcome if name != _MEANT})
    except TypeError as error:
        raise UsageError(f"The journal tells of {source} what rotnet never writes: {outcome}; delete it.") from error


def take_up(
    decisions: Sequence[FileCorrection], how: Turning, journal: Journal, *, anew: bool = False
) -> list[FileCorrection]:
    """Have a journal take for finished, of the pictures of a plan, those alone that became what is decided now.

    Args:
        decisions: From a plan.
        how: How crooked pictures are turned.
        journal: What it tells of other pictures stays as it is, and so does the file.
        anew: Take none of them for finished.

    Returns:
        The decisions, with what is finished first.
    """
    for decision in decisions:
        outcome = journal.outcome_of(decision.path)
        if outcome is not None and (anew or not _is_of(decision, how, outcome)):
            journal.forget(decision.path)
    return sorted(decisions, key=lambda one: one.target is None or recorded(one.path, one.target, journal) is None)


def _is_of(decision: FileCorrection, how: Turning, outcome: dict[str, Any]) -> bool:
    """Whether a picture would become by a decision what it has become; left as it is, the reason does not matter."""
    was_turned = outcome.get(_MEANT, outcome["action"]) == "turned"
    is_oblique = decision.angle is not None and decision.angle % 90.0 != 0.0
    if decision.crop is None and is_oblique:  # of a plan that says nothing of crops
        with suppress(Exception):  # it will be told of when it is its turn
            decision = with_crop(decision, how)
    if decision.action != "turned" or not was_turned:
        return decision.action != "turned" and not was_turned
    told = outcome_of(decision)
    has_crop = _MEANT not in outcome and is_oblique
    return all(told.get(name) == outcome.get(name) for name in ("angle", *["crop"] * has_crop))
