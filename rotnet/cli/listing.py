"""What `predict` and `check` share: a line for each picture, for people or programs."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rotnet.cli.common import complain, on_one_line
from rotnet.errors import UsageError


def add_format(parser: argparse.ArgumentParser) -> None:
    """Declare `--format`."""
    parser.add_argument(
        "--format", choices=("table", "jsonl", "csv"), default="table", help="of what is printed; default: table"
    )


def print_listing(
    results: Iterable[Any], format: str, *, columns: Sequence[str], header: str, line: Callable[[Any], str]
) -> None:
    """Print results as they come.

    Args:
        results: With `path`, `error` and `as_dict()`.
        format: `"table"`, `"jsonl"` or `"csv"`.
        columns: Of the CSV.
        header: Of the table, which has one where it has rows.
        line: A result's row of the table, without its path; those with an error go to standard error instead.
    """
    if sys.stdout is None:
        raise UsageError("Standard output is closed, so that there is nowhere to print to: redirect it into a file.")
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
    if format == "csv":
        writer.writeheader()
    for result in results:
        if format == "csv":
            writer.writerow(result.as_dict())
        elif format == "jsonl":
            print(json.dumps(result.as_dict()), flush=True)
        elif result.error is not None:
            complain(result.error)
        else:
            if header:
                print(f"{header}  picture")
                header = ""
            print(f"{line(result)}  {on_one_line(str(result.path))}", flush=True)
