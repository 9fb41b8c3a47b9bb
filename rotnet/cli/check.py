"""`rotnet check`: list the pictures that are not upright."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rotnet.cli.common import add_command, add_pictures, standard_input
from rotnet.cli.listing import add_format, print_listing
from rotnet.errors import UsageError

if TYPE_CHECKING:
    from rotnet.files.check import FileCheck


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "check",
        run,
        "list the pictures that are not upright; nothing is written",
        "rotnet check photos/",
        "rotnet check photos/ --tolerance 45 --format csv > wrong.csv",
        usage="PATH [PATH ...] [options]",
    )
    parser.epilog = f"{parser.epilog}\nexit status: 0 all upright, 1 some are not or cannot be read, 2 wrong use\n"
    parser.add_argument(
        "--tolerance", type=float, default=10.0, metavar="D", help="degrees an upright picture may be off; default: 10"
    )
    add_format(parser)
    add_pictures(parser)


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    from rotnet.files.check import check_files
    from rotnet.images.reading import MAX_PIXELS

    results = check_files(
        options.paths,
        options.model,
        tolerance=options.tolerance,
        turns=options.turns,
        max_pixels=options.max_pixels or MAX_PIXELS,
        strict=not options.lenient,
        contents=standard_input(options.paths),
    )
    found = wrong = failed = 0

    def problems() -> Iterator[FileCheck]:
        nonlocal found, wrong, failed
        for result in results:
            found += 1
            failed += result.error is not None
            wrong += result.is_wrong
            if result.is_wrong or result.error is not None:
                yield result

    print_listing(
        problems(),
        options.format,
        columns=("path", "angle", "confidence", "upright", "action", "reason", "error"),
        header=f"{'angle':>8} {'confidence':>10} {'action':<11} {'upright':>8}",
        line=_row,
    )
    if not found:
        raise UsageError("There are no pictures to look at: name files, or folders that hold pictures.")
    unread = f", {failed} cannot be read" if failed else ""
    print(f"{wrong} of {found} pictures {'is' if wrong == 1 else 'are'} not upright{unread}", file=sys.stderr)
    return 1 if wrong or failed else 0


def _row(result: FileCheck) -> str:
    from rotnet.geometry.angles import shown_angle

    assert result.prediction is not None and result.decision is not None
    angle, decision = shown_angle(result.prediction.angle), result.decision
    return f"{angle:>8} {decision.confidence:>10.2f} {decision.action:<11} {result.upright:>8.2f}"
