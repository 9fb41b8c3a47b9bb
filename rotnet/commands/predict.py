"""`rotnet predict`: print the angle of each picture."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from rotnet.commands.common import add_allowed_angles, add_command, add_pictures, complain, on_one_line
from rotnet.errors import UsageError

if TYPE_CHECKING:
    from rotnet.files import FilePrediction


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "predict", run, "print the angle of each picture", "rotnet predict photos/ --format jsonl"
    )
    add_pictures(parser)
    add_allowed_angles(parser)
    parser.add_argument("--format", choices=("table", "jsonl", "csv"), default="table", help="default: table")


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    from rotnet.files import predict_files
    from rotnet.inference import as_predictor

    write = {"jsonl": _print_jsonl, "csv": _print_csv, "table": _print_table}[options.format]
    results = predict_files(
        options.paths,
        as_predictor(options.model),
        turns=options.turns,
        angle_range=options.angle_range and tuple(options.angle_range),
        right_angles=options.right_angles,
    )
    found = failed = 0

    def counted() -> Iterator[FilePrediction]:
        nonlocal found, failed
        for result in results:
            found += 1
            failed += result.error is not None
            yield result

    write(counted())
    if not found:
        raise UsageError("There are no pictures to look at: name files, or folders that hold pictures.")
    return 1 if failed else 0


def _print_jsonl(results: Iterable[FilePrediction]) -> None:
    for result in results:
        print(json.dumps(result.as_dict()), flush=True)


def _print_csv(results: Iterable[FilePrediction]) -> None:
    writer = csv.DictWriter(sys.stdout, ["path", "angle", "confidence", "error"], lineterminator="\n")
    writer.writeheader()
    for result in results:
        writer.writerow(result.as_dict())


def _print_table(results: Iterable[FilePrediction]) -> None:
    print(f"{'angle':>7} {'confidence':>10}  picture")
    for result in results:
        if result.angle is None:
            complain(result.error)
        else:
            angle = round(result.angle, 1) % 360.0
            print(f"{angle:>7.1f} {result.confidence:>10.2f}  {on_one_line(str(result.path))}")
