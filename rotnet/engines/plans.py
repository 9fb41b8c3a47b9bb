"""Plans in Parquet: what `rotnet correct --dry-run --shard` has decided, for `rotnet apply` on one machine or many."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from rotnet.engines.tables import key, manifest_of, path_columns, read_rows
from rotnet.errors import UsageError
from rotnet.files import FileCorrection, Turning
from rotnet.files.report import LATER, SCHEMA, read_row, turning_of
from rotnet.images.reading import StrPath

__all__ = ["plan_row", "read_plan"]


def plan_row(decision: FileCorrection) -> dict[str, Any]:
    """A row of a plan."""
    row = {**decision.as_dict(), **path_columns(decision.path)}
    if decision.target is None:
        return row
    target = path_columns(decision.target)
    return {**row, "target": target["path"], "target_bytes": target["path_bytes"]}


def read_plan(path: StrPath, part: Callable[[Path], bool] = lambda path: True) -> tuple[list[FileCorrection], Turning]:
    """Read a plan, or a part of it.

    Args:
        path: A table of `rotnet correct --dry-run --shard`, or several that are merged.
        part: Whether a picture is in the part; others, and those that failed, are skipped.

    Returns:
        The decisions, and how pictures are to be turned.

    Raises:
        MissingExtraError: PyArrow is not installed.
        OutputError: The file cannot be read.
        UsageError: The file is no such table, or a row is not what rotnet writes.
    """
    manifest = manifest_of(Path(path))
    if (task := task_of(manifest)) != "plan":
        raise UsageError(f"{path} is of rotnet {task}: apply takes a table of --dry-run --shard.")
    options = options_in(manifest, path)
    decisions: dict[Path, FileCorrection] = {}
    for number, row in enumerate(read_rows(Path(path)), 1):
        where = f"row {number} of {path}"
        try:
            is_asked = row["action"] != "failed" and part(Path(os.fsdecode(key(row))))
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise UsageError(f"{where} lacks what a plan needs, or has it wrong: {str(row):.300}.") from error
        if is_asked:
            decision, _ = read_row(_as_report(row, options), where)
            if decisions.setdefault(decision.path, decision) is not decision:
                raise UsageError(f"{where} names {decision.path} a second time: leave one of the rows out.")
    return list(decisions.values()), turning_of(options, path)


def task_of(manifest: Any) -> str:
    """What a table is of: predict, correct or plan; a `UsageError` where its metadata do not tell."""
    try:
        return str(manifest["job"]["task"])
    except (KeyError, TypeError) as error:
        raise UsageError(f"The metadata of the table are not those of rotnet: {error}; make it anew.") from error


def options_in(manifest: Any, path: StrPath) -> dict[str, Any]:
    """How pictures are turned, by the metadata of a table of correct or of a plan."""
    try:
        options, names = manifest["job"]["options"], [field.name for field in fields(Turning)]
        return {name: options[name] for name in names if name in options or name not in LATER}
    except (KeyError, TypeError) as error:
        raise UsageError(f"The options in {path} are not those of a plan: {error}.") from error


def _as_report(row: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """A row as it stands in a plan of JSON lines."""
    names = {"path": os.fsdecode(key(row)), "target": os.fsdecode(row.get("target_bytes") or row.get("target") or "")}
    told = {name: row.get(name) for name in ("action", "angle", "confidence", "reason", "crop", "lost")}
    return {"schema": SCHEMA, **names, **told, "planned": {"sha256": row.get("sha256"), **options}}
