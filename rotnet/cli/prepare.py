"""`rotnet prepare`: make a data set of a messy folder."""

from __future__ import annotations

import argparse
from collections import Counter
from functools import partial
from typing import Any

from rotnet.cli.common import add_command, add_lenient, path, share
from rotnet.errors import UsageError

FILES = """Copies that are scaled, compressed, mirrored or brightened are near-duplicates too: the largest is kept,
and of these the one that has kept most of its lights and darks.

OUT receives the pictures as JPEG, manifest.csv with every picture found (path, split, sha256, size in bytes,
width, height, group, source, and the reason if it is left out) and review.csv with those found not upright.
Interrupted, the same command goes on where it stopped. With other options, or once DIR has changed, it brings OUT up to
date: pictures that no longer belong there go.
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "prepare",
        run,
        "make a data set of a messy folder, which stays as it is",
        "rotnet prepare photos/ -o dataset/",
        "rotnet prepare photos/ -o dataset/ --upright --group folder",
        "rotnet train photos dataset/ --from photo -o runs/mine",
        usage="DIR -o OUT [options]",
    )
    parser.epilog = f"{parser.epilog}\n{FILES}"
    parser.add_argument("folder", type=path, metavar="DIR", help="pictures, in sub-folders too")
    parser.add_argument("-o", "--output", required=True, type=path, metavar="OUT", help="folder of the data set")
    parser.add_argument(
        "--min-side", type=int, default=160, metavar="PX", help="leave out pictures with a shorter side; default: 160"
    )
    parser.add_argument(
        "--short-side",
        type=int,
        default=320,
        metavar="PX",
        help="scale the shorter side of larger pictures down to this, 0 keeps sizes; default: 320",
    )
    parser.add_argument("--crop-center", action="store_true", help="keep the centre square only")
    parser.add_argument(
        "--distance",
        type=int,
        metavar="BITS",
        help="pictures whose hashes differ by at most so many bits are near-duplicates; default: 6",
    )
    parser.add_argument("--keep-duplicates", action="store_true", help="do not look for near-duplicates")
    parser.add_argument(
        "--upright", action="store_true", help="leave out pictures that are not upright, and list them for review"
    )
    parser.add_argument("--model", metavar="M", help="preset or file that tells upright pictures; default: photo")
    parser.add_argument(
        "--tolerance", type=float, metavar="D", help="degrees an upright picture may be off; default: 10"
    )
    groups = parser.add_mutually_exclusive_group()
    groups.add_argument(
        "--group",
        choices=("duplicates", "folder"),
        default="duplicates",
        help="what is never divided between train, val and test; default: duplicates",
    )
    groups.add_argument(
        "--group-pattern",
        metavar="REGEX",
        help="searched for in the path; pictures of the same first (group) are never divided",
    )
    parser.add_argument(
        "--val", type=share, default=0.1, metavar="SHARE", help="to choose a model by; default: 0.1 of the pictures"
    )
    parser.add_argument(
        "--test",
        type=share,
        default=0.1,
        metavar="SHARE",
        help="to measure on in the end; default: 0.1 of the pictures",
    )
    add_lenient(parser)
    parser.add_argument("--seed", type=int, default=0, help="another one divides otherwise; default: 0")


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    from tqdm import tqdm

    from rotnet.datasets.prepare import Settings, prepare

    if not options.upright and (options.model is not None or options.tolerance is not None):
        raise UsageError("--model and --tolerance are for finding what is not upright: say --upright as well.")
    if options.keep_duplicates and options.distance is not None:
        raise UsageError("--distance is that of near-duplicates, which --keep-duplicates keeps: leave out one of them.")
    distance = Settings.distance if options.distance is None else options.distance
    settings = Settings(
        min_side=options.min_side,
        short_side=options.short_side or None,
        crop_center=options.crop_center,
        distance=None if options.keep_duplicates else distance,
        model=(options.model or "photo") if options.upright else None,
        tolerance=Settings.tolerance if options.tolerance is None else options.tolerance,
        group=options.group,
        pattern=options.group_pattern,
        val_share=options.val,
        test_share=options.test,
        seed=options.seed,
        strict=not options.lenient,
    )
    progress = partial(tqdm, unit="picture", disable=None, leave=False)
    rows = prepare(options.folder, options.output, settings, progress=progress)
    print(f"kept      {_counts(row.split for row in rows if row.split)}")
    print(f"left out  {_counts(row.reason.partition(':')[0] for row in rows if row.reason)}")
    return 0


def _counts(kinds: Any) -> str:
    counts = Counter(kinds)
    parts = ", ".join(f"{number} {kind}" for kind, number in counts.most_common())
    return f"{counts.total():>6}" + (f": {parts}" if parts else "")
