"""`rotnet classify`: ask a classifier that `rotnet train` has taught."""

from __future__ import annotations

import argparse
from pathlib import Path
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

    pictures = list(find_images(options.paths))
    if not pictures:
        raise UsageError("There are no pictures to look at: name files, or folders that hold pictures.")
    _check_model(options.model)
    failed = 0
    with quiet_frameworks():
        require("keras", "train", "a classifier")
        from rotnet.training.image_classifier import ImageClassifier

        classifier = ImageClassifier.load(options.model)
        print(f"{'probability':>11}  {'class':<16}  picture")
        for picture, answer in zip(pictures, classifier.predict_each(pictures), strict=True):
            if isinstance(answer, ImageError):
                failed += 1
                complain(answer)
            else:
                name, probability = answer
                print(on_one_line(f"{probability:>11.2f}  {name:<16}  {picture}"), flush=True)
    return 1 if failed else 0


def _check_model(name: str) -> None:
    """Say where a model belongs that tells angles instead of classes."""
    from rotnet.inference.presets import MODEL_FILE, presets

    if Path(name, "model.keras").is_file():
        return
    is_preset = name in presets()
    if is_preset or Path(name).suffix in (".onnx", ".keras", ".tflite") or Path(name, MODEL_FILE).is_file():
        what = "a preset that tells angles" if is_preset else "no folder of a classifier"
        raise UsageError(
            f"{name} is {what}: use rotnet predict --model {name} for angles, and here the folder that "
            "rotnet train classifier or upright wrote."
        )
