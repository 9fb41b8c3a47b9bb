"""What became of each picture, for programs: JSON lines or CSV.

A report is one JSON object a line, in this schema, whose number grows when a field changes its meaning:

| field | type | |
|---|---|---|
| `schema` | 2 | |
| `path` | text | the input, as it was named |
| `target` | text | where its successor lies, in place the input itself; absent if it failed |
| `action` | text | `turned`; `upright`, `slight tilt`, `unsure`, `left` (for `--max-loss`), all as they are; `failed` |
| `angle` | degrees | counter-clockwise, in [0, 360), that the picture was turned by; absent if it could not be read |
| `confidence` | 0 to 1 | probability of the verdict; absent likewise, and where a person decided otherwise |
| `reason` | text | why, in words; absent likewise |
| `method` | text | how it was turned: `exif`, `pixels`, `resampled` or `sidecar`; absent if it was not |
| `crop` | text | `fit`, `keep`, `same`, `aspect`; absent if it was neither resampled nor `left`; a plan's is obeyed |
| `lost` | 0 to 1 | share of the picture's area that the crop loses; absent if it was not to be turned |
| `error` | text | why it failed, and what to do; absent if it did not |
| `decided` | text | `person` where a person has decided, on the page of `--preview`; absent where the model has |
| `planned` | object | only where nothing was done yet, for `rotnet apply`: `sha256` of the input, options, `run` |

Bytes of a name that are not UTF-8 stand as lone surrogates, `\\udc80` to `\\udcff`, as in Python: `os.fsencode` of
the text is the name. CSV has the same columns without `planned`, and such bytes as they are.

The run, as in `"run": "5f0a1b2c3d4e5f60-0123456789ab"`, is the one into a folder that the plan is of, so that what
`rotnet apply` does counts as done for `rotnet correct` too. All rows of a plan agree on it. Plans with `--in-place` or
`--journal`, and older ones, tell none.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, TypeAlias

from rotnet.errors import OutputError, UsageError
from rotnet.files.decide import FILE_ACTIONS, FileCorrection
from rotnet.files.options import Turning
from rotnet.files.runs import is_run
from rotnet.geometry.angles import wrap_angle
from rotnet.geometry.cropping import CROPS, OLDER, named_crop

SCHEMA = 2
COLUMNS = (
    "schema",
    "path",
    "target",
    "action",
    "angle",
    "confidence",
    "reason",
    "method",
    "crop",
    "lost",
    "error",
    "decided",
)

LATER = {"max_loss", "beyond", "sidecar"}  # options that plans of before do not have

StrPath: TypeAlias = "str | os.PathLike[str]"


def row_of(result: FileCorrection, plan: Turning | None = None, *, run: str | None = None) -> dict[str, Any]:
    """A row of a report.

    Args:
        result: What became of a picture.
        plan: How it is to be turned, where that is yet to be done.
        run: Which run the plan is of, as `rotnet.files.runs.run_of` names it.

    Returns:
        A dict of the schema above, ready for JSON.

    Example:
        >>> row_of(FileCorrection(Path("a.jpg"), None, "failed", error="a.jpg is empty"))
        {'schema': 2, 'path': 'a.jpg', 'action': 'failed', 'error': 'a.jpg is empty'}
    """
    row = {"schema": SCHEMA, **result.as_dict()}
    sha256 = row.pop("sha256", None)
    if plan is None or result.target is None:
        return row
    return {**row, "planned": {"sha256": sha256, **asdict(plan), **({"run": run} if run else {})}}


@contextmanager
def open_report(path: StrPath) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Open a report to write, CSV if its name ends in `.csv`, else JSON lines.

    Args:
        path: The file, replaced if it exists; its folder is made when needed.

    Yields:
        A function that writes a row, at once.

    Raises:
        OutputError: The file cannot be written.
    """
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        file = open(path, "w", encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise OutputError(f"The report {path} cannot be written: {error.strerror}; choose another path") from error
    try:
        table = None
        if os.path.splitext(path)[1].lower() == ".csv":
            table = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
            table.writeheader()

        def write(row: dict[str, Any]) -> None:
            try:
                if table is not None:
                    table.writerow(row)
                else:
                    file.write(json.dumps(row) + "\n")
                file.flush()
            except OSError as error:
                raise OutputError(f"The report {path} cannot be written: {error.strerror}; make room") from error

        yield write
    finally:
        with suppress(OSError):  # each row is flushed, and what could not be is told
            file.close()


def read_plan(path: StrPath) -> tuple[list[FileCorrection], Turning, str | None]:
    """Read the rows of a report on what is to be done.

    Args:
        path: JSON lines, from `--dry-run` or saved by the page of `--preview`, all or some of them. Pictures that
            failed are skipped.

    Returns:
        The decisions, how pictures are to be turned, and which run the plan is of, if it tells.

    Raises:
        UsageError: The file is no such report, which names the line and the field, or its rows do not belong together.
    """
    decisions: dict[Path, FileCorrection] = {}
    plan: dict[str, Any] | None = None
    try:
        with open(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                row = _parse(line, where := f"line {number} of {path}")
                if row.get("action") == "failed":
                    continue
                decision, planned = read_row(row, where)
                if decisions.setdefault(decision.path, decision) is not decision:
                    raise UsageError(f"{where} names {decision.path} a second time: leave one of the rows out.")
                if planned != (plan := plan or planned):
                    raise UsageError(f"{where} comes from another run than those before: apply them one by one.")
    except UsageError:
        raise
    except OSError as error:
        saved = (
            "; what a page saves lies where the browser puts downloads" if isinstance(error, FileNotFoundError) else ""
        )
        raise UsageError(f"The report {path} cannot be read: {error.strerror}{saved}.") from error
    except ValueError as error:  # of the bytes, or of a name that no file can have
        raise UsageError(f"The report {path} is not text: name one of JSON lines.") from error
    if plan is None:
        raise UsageError(f"The report {path} has no row to apply.")
    run = plan.pop("run", None)
    return list(decisions.values()), turning_of(plan, path), run


def turning_of(plan: dict[str, Any], path: StrPath) -> Turning:
    """How pictures are to be turned by the plan in a file; else a `UsageError`."""
    try:
        if (limit := plan["max_pixels"]) is not None and not isinstance(limit, int):
            raise TypeError(f"max_pixels is {limit!r}")
        return Turning(**plan)
    except TypeError as error:
        raise UsageError(f"The options in {path} are not those of a plan: {error}.") from error


def _parse(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is not JSON: apply takes a report of JSON lines.") from error
    if not isinstance(row, dict) or row.get("schema") != SCHEMA:
        found = f"schema {row['schema']}" if isinstance(row, dict) and "schema" in row else "no schema"
        raise UsageError(
            f"{where} must be a row of a report of schema {SCHEMA}, but it has {found}: make the plan anew with "
            "rotnet correct --dry-run --report."
        )
    return row


def read_row(row: dict[str, Any], where: str) -> tuple[FileCorrection, dict[str, Any]]:
    """The decision in a row, and what is planned for all; a `UsageError` if `where` has no row of a plan."""
    if "planned" not in row:
        raise UsageError(f"{where} tells what was done already: apply takes a report of --dry-run or --preview.")

    def field(name: str, is_valid: Callable[[Any], bool], expected: str, row: dict[str, Any] = row) -> Any:
        if not is_valid(row.get(name)):
            found = f"is {row[name]!r:.80}" if name in row else "is missing"
            raise UsageError(f"{where}: {name} must be {expected}, but it {found}.")
        return row.get(name)

    source = Path(field("path", _is_name, "the path of a picture"))
    target = Path(field("target", _is_name, "the path of a picture"))
    if target.name != source.name:
        raise UsageError(f"{where}: target must end in {source.name}, as path does, but it is {str(target)!r:.80}.")
    plan = dict(field("planned", lambda value: isinstance(value, dict), "an object"))
    sha256 = field("sha256", lambda value: isinstance(value, str), "the digest that the plan was made with", plan)
    del plan["sha256"]
    field("run", lambda value: "run" not in plan or is_run(value), "the run that the plan is of, or be left out", plan)
    if names := (plan.keys() ^ {one.name for one in fields(Turning)}) - (LATER - plan.keys()) - {"run"}:
        raise UsageError(f"{where}: planned must have the options of a plan, but these differ: {', '.join(names)}.")
    decided = field("decided", lambda value: value in (None, "person"), '"person", or be left out')
    is_person = decided == "person"
    names_of_crops = (None, *CROPS, *OLDER)
    crop = field("crop", lambda value: value in names_of_crops, f"one of {', '.join(CROPS)}, or be left out")
    # people are shown angles from -180 to 180
    angle = field("angle", lambda value: _is_number(value, -360.0, 360.0), "degrees, a number from -360 to 360")
    decision = FileCorrection(
        source,
        target,
        field("action", lambda value: value in FILE_ACTIONS, f"one of {', '.join(FILE_ACTIONS)}"),
        float(wrap_angle(angle)),
        field(
            "confidence",
            lambda value: (is_person and value is None) or _is_number(value, 0.0, 1.0),
            "a number from 0 to 1",
        ),
        field("reason", lambda value: value is None or isinstance(value, str), "text") or "",
        crop=None if crop is None else named_crop(crop),
        lost=field("lost", lambda value: value is None or _is_number(value, 0.0, 1.0), "a number from 0 to 1"),
        decided=decided,
        sha256=sha256,
    )
    if decision.action == "turned" and decision.angle == 0.0:  # or an exact copy would pass for one that was turned
        reason = "left as it is: turned by 0° is not turned"
        decision = replace(decision, action="upright", reason=reason, crop=None, lost=None)
    return decision, plan


def _is_number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def _is_name(value: Any) -> bool:
    """Whether a file can have this path; lone surrogates that stand for no byte are in none."""
    try:
        return isinstance(value, str) and value != "" and b"\0" not in os.fsencode(value)
    except ValueError:
        return False
