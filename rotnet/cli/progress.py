"""What `correct` and `apply` share: how a run is told about, and taken up again."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from rotnet.cli.common import complain, count, on_one_line, path
from rotnet.errors import OutputError, UsageError
from rotnet.images.prefetch import JOBS

if TYPE_CHECKING:
    from rotnet.files import FileCorrection


def add_progress(parser: argparse.ArgumentParser, *, journal: str = "in ~/.local/state") -> None:
    """Declare what a run may tell, and how it is taken up again; `journal` is where it is recorded by default."""
    run = parser.add_argument_group("the run")
    run.add_argument("--report", type=path, metavar="FILE", help="write JSON lines, or CSV into a FILE.csv")
    run.add_argument("--list-unsure", action="store_true", help="print the pictures that the model was not sure of")
    add_jobs(run)
    run.add_argument("--resume", action="store_true", help="go on with a run that was interrupted or killed")
    run.add_argument("--journal", type=path, metavar="FILE", help=f"where the run is recorded; default: {journal}")


def add_jobs(to: Any) -> None:
    """Declare `--jobs`."""
    to.add_argument(
        "--jobs",
        type=count,
        default=JOBS,
        metavar="N",
        help="pictures at once; default: one a core, 4 at most",
    )


def follow(
    results: Iterable[FileCorrection],
    total: int,
    *,
    write: Callable[[FileCorrection], None],
    show: Callable[[FileCorrection], str | None] | None = None,
    planned: bool = False,
    done: int = 0,
    cuts: bool = True,
    advises_level: bool = False,
) -> int:
    """Go through the results of a run, and tell people how it goes.

    Args:
        results: What became of each picture.
        total: How many there will be.
        write: Takes each result to the report.
        show: A line for standard output, or None, for each result; the summary then goes to standard error.
        planned: Whether nothing is done yet.
        done: How many of the results, which come first, are those of an earlier run that was finished.
        cuts: Whether pixels are cut off, which sidecars do not do.
        advises_level: Whether it is news that `--level` corrects slight tilts.

    Returns:
        The exit status: 1 if a picture failed, else 0.
    """
    from tqdm import tqdm

    from rotnet.geometry.cropping import NOTABLE_LOSS

    counts: Counter[str] = Counter()
    losses: list[tuple[float, str]] = []
    started = time.monotonic()
    try:
        with tqdm(results, total=total, unit="picture", disable=None, leave=False) as progress:
            for number, result in enumerate(progress):
                write(result)
                line = show(result) if show else None
                told = result.error is not None and number >= done
                if told or line is not None:
                    with tqdm.external_write_mode(sys.stderr):
                        if told:
                            complain(result.error)
                        if line is not None:
                            print(line)
                if number < done:
                    continue
                counts[result.action] += 1
                if cuts and result.action == "turned" and (result.lost or 0.0) > NOTABLE_LOSS:
                    losses.append((result.lost or 0.0, str(result.path)))
    finally:
        took, left = _duration(time.monotonic() - started), total - done - sum(counts.values())
        print(
            f"{shown_counts(counts)} in {took}",
            *[f"({done} more were done by an earlier run)"] * (done > 0),
            *["(planned, nothing is written yet)"] * planned,
            *[f"({left} left, go on with --resume)"] * (left > 0 and not planned),
            file=sys.stderr if show else sys.stdout,
        )
    if counts["slight tilt"] and advises_level:
        print(
            f"{counts['slight tilt']} with a slight tilt are left as they are: --level corrects them", file=sys.stderr
        )
    if counts["unsure"] and not show and not planned:  # a plan shows them
        print(f"{counts['unsure']} unsure are left as they are: --list-unsure names them", file=sys.stderr)
    if losses:
        most, name = max(losses)
        print(
            f"{len(losses)} of the turned lose more than {NOTABLE_LOSS:.0%} of their area to the crop, "
            f"{most:.0%} at the most ({on_one_line(name)}): --crop keep loses nothing, --max-loss sets a limit",
            file=sys.stderr,
        )
    return 1 if counts["failed"] else 0


def shown_counts(counts: Mapping[str, int]) -> str:
    """How many pictures there were of each verdict."""
    return (
        f"{counts['turned']} turned, {counts['upright']} upright, {counts['slight tilt']} with a slight tilt, "
        f"{counts['unsure']} unsure, "
        + (f"{counts['left']} left for what their crop would lose, " if counts["left"] else "")
        + f"{counts['failed']} failed"
    )


@contextmanager
def open_report(name: str | None, targets: Mapping[Path, Path]) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that writes a row of the report, to nowhere without a report."""
    from rotnet.files import report

    if name is None:
        yield lambda row: None
        return
    check_replaceable(name, "report", targets)
    with report.open_report(name) as write:
        yield write


Kind = Literal["report", "page", "figures"]
# how a file begins that rotnet has written
OURS: dict[Kind, re.Pattern[bytes]] = {
    "report": re.compile(rb'\{"schema": ?\d|schema,path,target,'),
    "page": re.compile(rb'<!doctype html>.{0,200}<meta name="generator" content="rotnet">', re.DOTALL),
    "figures": re.compile(rb'\{\s*"model": "(?:[^"\\]|\\.)*",\s*"protocols": '),
}


def check_replaceable(name: str, kind: Kind, targets: Mapping[Path, Path] = MappingProxyType({})) -> None:
    """Refuse to write in the place of a picture, or of any file but an earlier one of the kind that no person decided.

    Args:
        name: Where it is to be written.
        kind: Of what.
        targets: Pictures, and where they go.
    """
    from rotnet.images.reading import EXTENSIONS

    pictures = {os.path.realpath(one) for pair in targets.items() for one in pair}
    if os.path.splitext(name)[1].lower() in EXTENSIONS or os.path.realpath(name) in pictures:
        raise UsageError(f"{name} would replace a picture: give it another name, such as report.jsonl.")
    if os.path.isdir(name):
        raise OutputError(f"{name} cannot be written: it is a folder; choose another path")
    if os.path.isfile(name):
        with open(name, "rb") as file:
            start = file.read(1000)
            found = next((one for one, begins in OURS.items() if begins.match(start)), None)
            file.seek(0)
            has_decisions = found == "report" and any(map(_is_decided, file))
        if start and found is None:
            raise UsageError(f"{name} is there already, and nothing that rotnet writes: choose another name.")
        if has_decisions:
            raise UsageError(f"{name} holds what a person has decided, for rotnet apply: choose another name.")
        if start and found != kind:
            raise UsageError(f"{name} is there already, rotnet's but no {kind}: choose another name.")


def _is_decided(line: bytes) -> bool:
    """Whether a line of a report is of a plan and says that a person has decided; in a name, quotes are escaped."""
    return re.search(rb'"decided": ?"person"', line) is not None and b'"planned":' in line


def shown_plan(result: FileCorrection) -> str | None:
    """A picture's line of a plan."""
    from rotnet.geometry.angles import shown_angle

    if result.angle is None or result.error is not None:
        return None
    line = f"{result.action:<11}{shown_angle(result.angle):>8} {result.confidence:>5.2f}  {result.path}"
    line = line if result.target == result.path else f"{line} -> {result.target}"
    lost = f", {result.lost:.0%} cut off" if result.lost and result.action == "turned" else ""
    return on_one_line(f"{line}  ({result.reason}{lost})")


def shown_unsure(result: FileCorrection) -> str | None:
    """A picture's path and the reason, if the model was not sure of it."""
    return on_one_line(f"{result.path}  ({result.reason})") if result.action == "unsure" else None


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{seconds:.1f} s" if seconds < 60 else f"{minutes} min {rest} s"
