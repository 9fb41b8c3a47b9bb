"""`rotnet watch`: turn the pictures that come into a folder upright, until it is ended."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from rotnet.cli.common import LENIENT_TURNS, add_allowed_angles, add_command, add_pictures, complain, path
from rotnet.cli.progress import add_jobs, shown_counts, shown_plan
from rotnet.cli.turning import add_turning, asked_of, turning_of

if TYPE_CHECKING:
    from rotnet.files import FileCorrection


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "watch",
        run,
        "turn the pictures that come into a folder upright, until Ctrl-C",
        "rotnet watch incoming/ -o straight/",
        "rotnet watch incoming/ -o straight/ --existing --format jsonl >> straight.jsonl",
        usage="PATH [PATH ...] -o OUT [options]",
    )
    where = parser.add_argument_group("where the results go")
    where.add_argument("-o", "--output", type=path, metavar="OUT", required=True, help="folder of the results")
    where.add_argument("--overwrite", action="store_true", help="replace files that are in OUT already")
    add_turning(parser)
    look = add_pictures(parser, lenient=LENIENT_TURNS, paths="a folder that is watched, with its sub-folders")
    add_allowed_angles(look)
    watch = parser.add_argument_group("the watch")
    watch.add_argument("--existing", action="store_true", help="take up the pictures that are there already, but once")
    watch.add_argument(
        "--settle",
        type=_seconds,
        default=2.0,
        metavar="S",
        help="seconds that a picture must not have changed, as it may still be being written; default: 2",
    )
    watch.add_argument(
        "--poll", action="store_true", help="look for changes, on network drives, of which the system tells nothing"
    )
    watch.add_argument(
        "--format", choices=("table", "jsonl"), default="table", help="jsonl is rows as of --report; default: table"
    )
    add_jobs(watch)
    watch.add_argument(
        "--journal", type=path, metavar="FILE", help="where it is recorded what is done; default: in ~/.local/state"
    )


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    from rotnet.files import Journal, journal_path, watch_files
    from rotnet.inference.predictor import as_predictor

    predictor = as_predictor(options.model)
    asked, how = asked_of(options), turning_of(options)
    predictor.check(asked)
    place = options.journal or journal_path("watch", *map(os.path.realpath, (options.output, *options.paths)))
    counts: Counter[str] = Counter()
    with ended_by_signals() as stop, Journal(place, resume=True, within=[options.output]) as journal:
        journal.begin({"task": "watch"}, forget=False)  # what is done stays so, whatever is asked for now
        results = watch_files(
            options.paths,
            options.output,
            predictor,
            asked,
            how,
            journal=journal,
            settle=options.settle,
            existing=options.existing,
            poll=options.poll,
            overwrite=options.overwrite,
            jobs=options.jobs,
            stop=stop,
            started=lambda: complain(f"watching {', '.join(options.paths)} (Ctrl-C ends it)"),
        )
        with closing(results):
            for result in results:
                counts[result.action] += 1
                _tell(result, options.format)
    print(shown_counts(counts), file=sys.stderr)
    return 1 if counts["failed"] else 0


@contextmanager
def ended_by_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C, or whoever ends a service, sets; a second Ctrl-C ends at once."""
    stop = threading.Event()
    before: dict[int, Any] = {}

    def end(number: int, _: Any) -> None:
        stop.set()
        signal.signal(number, before[number])

    for one in (signal.SIGINT, signal.SIGTERM):
        before[one] = signal.signal(one, end)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell(result: FileCorrection, format: str) -> None:
    from rotnet.files.report import row_of

    if format == "jsonl":
        print(json.dumps(row_of(result)), flush=True)
    elif result.error is not None:
        complain(result.error)
    else:
        print(shown_plan(result), flush=True)


def _seconds(text: str) -> float:
    """Seconds, as an argument's type."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"must be seconds, from 0 to 86400, not {text!r}")
    return value
