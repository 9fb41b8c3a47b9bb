"""One file, as it was decided: turned, copied or left, and on record."""

from __future__ import annotations

import hashlib
import os
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import IO

from rotnet.errors import OutputError
from rotnet.files.decide import FileCorrection, changed, check_planned, check_unchanged, not_turned
from rotnet.files.journal import Journal
from rotnet.files.options import Turning
from rotnet.files.outcomes import outcome_of
from rotnet.files.plan import backup_of, place_of
from rotnet.files.replacing import back_up, keep_status, spare_of
from rotnet.files.sidecars import carry, write_turn
from rotnet.files.turned_before import TurnedBefore
from rotnet.images import reading, turn_file, writing
from rotnet.images.finding import stamp

__all__ = ["finish", "turn"]


def turn(data: bytes, decision: FileCorrection, how: Turning) -> tuple[bytes, FileCorrection]:
    """The upright picture, and the decision with how it was turned."""
    assert decision.angle is not None
    upright, method = turn_file.turn_bytes(
        data,
        decision.angle,
        crop=decision.crop or how.crop,
        fill=how.fill,
        quarter_turns=how.quarter_turns,
        tolerance=0.0,  # the decision has taken quarter turns for such already
        max_pixels=how.max_pixels,
        strict=how.strict,
        name=str(decision.path),
    )
    return upright, replace(decision, method=method, sha256=None)


def finish(
    decision: FileCorrection,
    target: Path,
    how: Turning,
    journal: Journal | None,
    before: TurnedBefore,
    *,
    overwrite: bool,
) -> FileCorrection:
    """Do what was decided about one file.

    Args:
        decision: From `decide_files`, or read from a report.
        target: Where its successor goes; in place, the file itself.
        how: How it is turned.
        journal: Where each step is recorded.
        before: What is not to be turned once more.
        overwrite: Whether a copy may replace a file.

    Returns:
        What became of it.
    """
    source = decision.path
    in_place = source == target
    may_replace = overwrite or _may_be_ours(source, journal)
    if decision.seen is None:
        decision = replace(decision, seen=stamp(source))
    check_unchanged(decision)
    if decision.action != "turned":
        if in_place:
            if decision.decided:
                _remember_left(decision, before)
            return _left_in_place(decision, journal)
        return _copied(decision, target, how, journal, may_replace=may_replace)
    with reading.open_file(source) as original:
        if in_place and not how.sidecar and not os.access(source, os.W_OK):
            raise OutputError(f"{source} is read-only; make it writable, or turn it into another folder with -o")
        writing.make_folder(target.parent, like=source.parent)
        data = original.read()
    if decision.sha256 not in (None, hashlib.sha256(data).hexdigest()):
        raise changed(source)
    reason = None if decision.decided else before.why_not(data)
    if decision.decided:
        before.leave_no_more(data)
    if reason:
        upright, done = data, not_turned(decision, reason)
    elif how.sidecar:
        upright, done = data, write_turn(decision, target, data, backup=how.backup, may_replace=may_replace)
    else:
        upright, done = turn(data, decision, how)
        if upright is not data:
            before.add(upright)  # first: to remember what never comes to be does no harm
    done = replace(done, sha256=None)
    if upright is data and in_place:
        return _left_in_place(done, journal)
    with _writing(done, target, how, journal, may_replace=may_replace, decision=decision) as file:
        file.write(upright)
        keep_status(source, file, owner=in_place)
        if not in_place:
            _carry_along(done, target, data, upright, file, may_replace=may_replace)
    if in_place:
        carry(done, target, data, upright, backup=how.backup, may_replace=True)
    return done


def _copied(
    decision: FileCorrection, target: Path, how: Turning, journal: Journal | None, *, may_replace: bool
) -> FileCorrection:
    source = decision.path
    with reading.open_file(source) as original:
        writing.make_folder(target.parent, like=source.parent)
        check_planned(decision, original, max_pixels=how.max_pixels)
        with _writing(decision, target, how, journal, may_replace=may_replace) as file:
            writing.copy_into(file, original, str(source))
            keep_status(source, file, owner=False)
            _carry_along(decision, target, b"", b"", file, may_replace=may_replace)
    return replace(decision, sha256=None)


def _carry_along(
    done: FileCorrection, target: Path, data: bytes, upright: bytes, file: IO[bytes], *, may_replace: bool
) -> None:
    """Bring the sidecars before the picture is there and recorded, or a run that is killed between would lose them."""
    if may_replace or not os.path.lexists(target):
        spare = spare_of(Path(file.name))
        carry(done, target, data, upright, backup=None, may_replace=may_replace, temporary=spare)


def _remember_left(decision: FileCorrection, before: TurnedBefore) -> None:
    """Have later runs, whatever their options are, leave what a person has left, as long as it does not change."""
    with reading.open_file(decision.path) as file:
        data = file.read()
    if decision.sha256 not in (None, hashlib.sha256(data).hexdigest()):
        raise changed(decision.path)
    before.leave(data)


def _left_in_place(decision: FileCorrection, journal: Journal | None) -> FileCorrection:
    if journal is not None:
        journal.done(decision.path, outcome_of(decision))
    return decision


def _writing(
    outcome: FileCorrection,
    target: Path,
    how: Turning,
    journal: Journal | None,
    *,
    may_replace: bool,
    decision: FileCorrection | None = None,
) -> AbstractContextManager[IO[bytes]]:
    """The file that becomes `target`; in place, the original is kept under its other name until it has."""
    source = outcome.path

    def move(temporary: Path, target: Path) -> None:
        check_unchanged(outcome)
        if source == target and how.backup is not None:
            back_up(target, backup_of(target, how.backup), spare_of(temporary))
        if may_replace or source == target:
            writing.move(temporary, target)
        else:
            writing.move_new(temporary, target)

    if journal is None:
        return writing.atomic_file(target, replace=move)
    return journal.writing(source, target, outcome_of(outcome, decision), replace=move)


def _may_be_ours(source: Path, journal: Journal | None) -> bool:
    """Whether an interrupted run may have made what lies in the place of a picture's successor."""
    return journal is not None and bool(journal.touched) and place_of(source) in journal.touched
