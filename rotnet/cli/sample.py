"""`rotnet sample`: judge a large table by looking at some hundred of its pictures."""

from __future__ import annotations

import argparse
from typing import Any

from rotnet.cli.common import add_command, count, path, seed
from rotnet.errors import UsageError


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "sample",
        run,
        "judge a large table by looking at some hundred of its pictures",
        "rotnet sample angles.parquet -n 400 -o sheet.html",
        "rotnet sample angles.parquet -n 400 --wrong 3",
    )
    parser.add_argument("table", type=path, metavar="TABLE", help="written by rotnet merge, or of one shard")
    parser.add_argument("-n", type=count, default=400, metavar="N", help="pictures to look at; default: 400")
    parser.add_argument("-o", "--output", type=path, metavar="FILE", help="write a page to look through")
    parser.add_argument(
        "--action",
        choices=("turned", "upright", "slight tilt", "unsure", "left"),
        default="turned",
        help="the verdict to judge; default: turned",
    )
    parser.add_argument(
        "--wrong",
        type=_whole,
        metavar="K",
        help="how many of the N were wrong: print what share of all that leaves possible",
    )
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="S", help="another one draws other pictures; default: 0"
    )


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    from rotnet.cli.progress import check_replaceable
    from rotnet.engines.sampling import draw, rows_of, write_sheet

    if (options.output is None) == (options.wrong is None):
        raise UsageError("Write a page to look through with -o FILE, or tell with --wrong K how many were wrong.")
    rows = rows_of(options.table, options.action)
    sample = draw(rows, options.n, options.seed)
    if not len(rows):
        raise UsageError(f"{options.table} has no row that is {options.action}: choose another --action.")
    if options.output is None:
        print(_judged(options.wrong, len(sample), len(rows), options.action))
        return 0
    check_replaceable(options.output, "page")
    failed = sum(one.error is not None for one in write_sheet(options.table, sample, options.output))
    print(f"{len(sample)} of {len(rows):,} {options.action} pictures in {options.output}")
    print("leave out those that are wrong, with the key X: the page counts them")
    print(f"then: rotnet sample {options.table} -n {len(sample)} --action '{options.action}' --wrong K")
    if failed:
        print(f"{failed} cannot be read any more: count them as wrong, or another sample would be a chosen one")
    return 0


def _judged(wrong: int, seen: int, of: int, action: str) -> str:
    from rotnet.engines.sampling import upper_bound

    most = upper_bound(wrong, seen)
    if seen == of:  # nothing is left to guess
        return f"{wrong} of all {of:,} {action} pictures are wrong: {wrong / of:.2%}"
    return (
        f"{wrong} of {seen} are wrong: with 95 % confidence, at most {most:.2%} of all {of:,} {action} pictures, "
        f"{int(most * of):,}"
    )


def _whole(text: str) -> int:
    """A whole number from 0, as an argument's type."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0, not {text!r}")
    return int(text)
