"""`rotnet correct`: write upright copies of pictures."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from rotnet.commands.common import add_command, add_pictures, complain, path, share
from rotnet.errors import OutputError, UsageError


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "correct", run, "write upright copies of pictures", "rotnet correct photos/ -o straight/"
    )
    add_pictures(parser)
    parser.add_argument("-o", "--output", required=True, type=path, metavar="OUT", help="folder of the results")
    parser.add_argument(
        "--crop", choices=("inscribed", "expand", "same"), default="inscribed", help="default: inscribed"
    )
    parser.add_argument(
        "--min-confidence",
        type=share,
        metavar="P",
        help="below it a picture is copied as it is; default: the model's own",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are in OUT already")
    parser.add_argument("--report", type=path, metavar="FILE.jsonl", help="write one JSON object a picture")


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    from tqdm import tqdm

    from rotnet.files import correct_files, plan_targets
    from rotnet.images import EXTENSIONS
    from rotnet.inference import as_predictor

    predictor = as_predictor(options.model)
    targets = plan_targets(options.paths, options.output, overwrite=options.overwrite)
    if options.report is not None:
        pictures = {os.path.realpath(one) for pair in targets.items() for one in pair}
        if os.path.splitext(options.report)[1].lower() in EXTENSIONS or os.path.realpath(options.report) in pictures:
            raise UsageError(f"The report {options.report} would replace a picture: name a file that ends in .jsonl.")
    results = correct_files(
        targets, predictor, turns=options.turns, crop=options.crop, min_confidence=options.min_confidence
    )
    counts = dict.fromkeys(("turned", "upright", "unsure", "failed"), 0)
    with _report(options.report) as report:
        for result in tqdm(results, total=len(targets), unit="picture", disable=None, leave=False):
            counts[result.action] += 1
            if result.error is not None:
                with tqdm.external_write_mode(sys.stderr):
                    complain(result.error)
            if report is not None:
                print(json.dumps(result.as_dict()), file=report, flush=True)
    print(", ".join(f"{count} {action}" for action, count in counts.items()))
    return 1 if counts["failed"] else 0


@contextmanager
def _report(path: str | None) -> Iterator[IO[str] | None]:
    if path is None:
        yield None
        return
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        report = open(path, "w", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"The report {path} cannot be written: {error.strerror}; choose another path") from error
    with report:
        yield report
