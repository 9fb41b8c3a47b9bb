"""`rotnet classify`: ask a classifier that `rotnet train` has taught."""

from __future__ import annotations

import argparse
from typing import Any

from rotnet.cli.common import add_command, complain, on_one_line, path
from rotnet.cli.quiet import quiet_frameworks
from rotnet.errors import ImageError, UsageError, require


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "classify",
        run,
        "print the class of each picture, by a model of `rotnet train classifier` or `upright`",
        "rotnet classify holiday/ --model runs/classes/rotnet",
    )
    parser.add_argument(
        "paths", nargs="+", type=path, metavar="PATH", help="a picture, or a folder with its sub-folders"
    )
    parser.add_argument("--model", required=True, type=path, metavar="RUN", help="folder that the training wrote")


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    from rotnet.images.finding import find_images

    found = failed = 0
    with quiet_frameworks():
        require("keras", "train", "a classifier")
        from rotnet.training.classification import ImageClassifier

        classifier = ImageClassifier.load(options.model)
        print(f"{'probability':>11}  {'class':<16}  picture")
        for picture in find_images(options.paths):
            found += 1
            try:
                name, probability = classifier.predict(picture)
            except ImageError as error:
                failed += 1
                complain(error)
            else:
                print(on_one_line(f"{probability:>11.2f}  {name:<16}  {picture}"), flush=True)
    if not found:
        raise UsageError("There are no pictures to look at: name files, or folders that hold pictures.")
    return 1 if failed else 0
