"""`rotnet train`: teach a model."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from rotnet.cli.common import add_command, count, path, seed
from rotnet.cli.quiet import quiet_frameworks
from rotnet.cli.train_summary import classes_summary, mnist_summary, photos_summary
from rotnet.errors import require

GUESSING = 3  # exit status of a training that came to nothing better than chance
STATUS = (
    "\nexit status: 0 done, 1 it could not be done, 2 wrong use, 3 done, but no better than guessing, 130 stopped\n"
)
RESUMED = "stopped; what was learned up to the last whole epoch is kept. The same command goes on from there."
LOST = "stopped; a classifier is kept only when it is done. The same command begins anew."


def add(commands: Any) -> None:
    """Declare the command and its kinds."""
    train = commands.add_parser(
        "train",
        help="teach a model",
        description="Teach a model which way is up, or classes.",
        epilog="examples:\n"
        "  rotnet train photos upright/ --from photo -o runs/mine\n"
        "  rotnet train classifier sorted/ -o runs/classes\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = train.add_subparsers(metavar="kind", required=True)
    _add_photos(kinds)
    _add_mnist(kinds)
    _add_classifier(kinds)
    _add_upright(kinds)


def _add_photos(kinds: Any) -> None:
    parser = add_command(
        kinds,
        "photos",
        run_photos,
        "teach photographs from a folder",
        "rotnet train photos upright/ --from photo -o runs/mine",
        "rotnet train photos upright/ --backbone mobilenetv2 --stages 160:12:1e-3 224:8:2e-4 -o runs/mobile",
        usage="DIR [options]",
    )
    parser.add_argument("folder", type=path, metavar="DIR", help="upright photographs, in sub-folders too")
    _add_output(parser, "runs/photos")
    parser.add_argument(
        "--from",
        dest="begin",
        metavar="M",
        help="what to begin from: a preset such as photo, or the file of a model, to go on with what it knows; "
        "imagenet, a backbone that has learned to see; or random; default: imagenet",
    )
    parser.add_argument("--backbone", metavar="B", help="default: that of the model of --from, else efficientnet_lite0")
    parser.add_argument(
        "--stages",
        nargs="+",
        metavar="SIZE:EPOCHS:RATE[:FREEZE_BEFORE]",
        help="default: those of the network that photo grew from, and a single gentle one to go on from a model",
    )
    parser.add_argument("--epochs", type=count, metavar="N", help="epochs of each stage; default: as --stages says")
    _add_rest(parser)


def _add_mnist(kinds: Any) -> None:
    parser = add_command(kinds, "mnist", run_mnist, "teach handwritten digits", "rotnet train mnist -o runs/mnist")
    _add_output(parser, "runs/mnist")
    parser.add_argument("--data", metavar="FILE", help="a local mnist.npz; default: ROTNET_MNIST, else a download")
    parser.add_argument("--epochs", type=count, help="default: those of the shipped preset")
    _add_rest(parser)


def _add_classifier(kinds: Any) -> None:
    parser = add_command(
        kinds,
        "classifier",
        run_classifier,
        "teach the classes of your own sorted pictures",
        "rotnet train classifier sorted/ -o runs/classes",
        "rotnet train classifier sorted/ --backbone small_cnn two_branch_cnn rotnet -o runs/classes",
        usage="DIR [options]",
    )
    parser.add_argument("folder", type=path, metavar="DIR", help="a folder of pictures for each class")
    _add_output(parser, "runs/classes")
    parser.add_argument(
        "--backbone",
        nargs="+",
        default=["rotnet"],
        metavar="B",
        help="one, or several to compare: rotnet is that of --rotation-model; default: rotnet",
    )
    parser.add_argument(
        "--rotation-model", default="photo", metavar="M", help="preset or file whose backbone rotnet is; default: photo"
    )
    _add_classes(parser, size=192)


def _add_upright(kinds: Any) -> None:
    parser = add_command(
        kinds,
        "upright",
        run_upright,
        "teach to tell upright pictures from others, a yes or no without the angle",
        "rotnet train upright upright/ -o runs/upright",
        usage="DIR [options]",
    )
    parser.add_argument(
        "folder", type=path, metavar="DIR", help="upright pictures, or two folders of sorted ones: upright and wrong"
    )
    _add_output(parser, "runs/upright")
    parser.add_argument("--backbone", default="efficientnet_lite0", metavar="B", help="default: efficientnet_lite0")
    _add_classes(parser, size=224)


def _add_classes(parser: argparse.ArgumentParser, *, size: int) -> None:
    parser.add_argument("--random-weights", action="store_true", help="do not begin with what ImageNet has taught")
    parser.add_argument("--size", type=count, default=size, help=f"side of the pictures, pixels; default: {size}")
    parser.add_argument(
        "--frozen-epochs",
        type=count,
        default=10,
        metavar="N",
        help="epochs in which only the last layer learns, or all where it begins with random weights; default: 10",
    )
    parser.add_argument(
        "--epochs",
        type=count,
        default=10,
        metavar="N",
        help="epochs after these, in which all of it learns; default: 10",
    )
    _add_rest(parser)


def _add_output(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("-o", "--output", type=path, default=default, help=f"folder of the run; default: {default}")


def _add_rest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=seed, default=0, help="all that is drawn at random depends on it; default: 0")
    parser.add_argument(
        "--devices",
        type=_devices,
        metavar="N|all",
        help="learn on the first N GPUs, or on all, each from its part of every batch; default: one",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON, and the rest to standard error")
    parser.add_argument("--verbose", action="store_true", help="also show what TensorFlow or JAX say of themselves")
    parser.epilog = f"{parser.epilog}{STATUS}"


def _devices(text: str) -> int | str:
    """How many devices, as an argument's type."""
    return text if text == "all" else count(text)


def run_photos(options: argparse.Namespace) -> int:
    """Teach photographs, and tell how good they are known."""
    with _training(options, when_stopped=RESUMED):
        from rotnet.models.transfer import usual_weights
        from rotnet.training import recipes

        recipes.check_enough(options.folder)
        begin = options.begin or usual_weights(options.backbone)
        report = recipes.run_photos(
            options.folder,
            options.output,
            backbone=options.backbone,
            stages=options.stages,
            epochs=options.epochs,
            seed=options.seed,
            devices=options.devices,
            weights=None if begin == "random" else begin,
            beside="photo",
            say=_say(options),
        )
    _close(options, report, photos_summary(report, Path(options.folder), Path(options.output)))
    return GUESSING if report["guessing"] else 0


def run_mnist(options: argparse.Namespace) -> int:
    """Teach digits, and tell how good they are known."""
    with _training(options, when_stopped=RESUMED):
        from rotnet.training import run_mnist

        report = run_mnist(
            options.output,
            data=options.data,
            epochs=options.epochs,
            seed=options.seed,
            devices=options.devices,
            say=_say(options),
        )
    _close(options, report, mnist_summary(report, Path(options.output)))
    return GUESSING if report["guessing"] else 0


def run_classifier(options: argparse.Namespace) -> int:
    """Teach classes to one network or several, and tell how good they are known."""
    with _training(options, when_stopped=LOST):
        from rotnet.training import compare_classifiers

        reports = compare_classifiers(
            options.folder,
            options.output,
            options.backbone,
            pretrained=not options.random_weights,
            rotation_model=options.rotation_model,
            size=options.size,
            frozen_epochs=options.frozen_epochs,
            epochs=options.epochs,
            seed=options.seed,
            devices=options.devices,
            say=_say(options),
        )
    _close(options, reports, classes_summary(reports, {name: Path(options.output, name) for name in reports}))
    return GUESSING if all(report["guessing"] for report in reports.values()) else 0


def run_upright(options: argparse.Namespace) -> int:
    """Teach to tell upright pictures from others, and tell how well they are told."""
    with _training(options, when_stopped=LOST):
        from rotnet.training import run_upright

        report = run_upright(
            options.folder,
            options.output,
            backbone=options.backbone,
            weights=None if options.random_weights else "imagenet",
            size=options.size,
            frozen_epochs=options.frozen_epochs,
            epochs=options.epochs,
            seed=options.seed,
            devices=options.devices,
            say=_say(options),
        )
    name = options.backbone
    _close(options, report, classes_summary({name: report}, {name: Path(options.output)}))
    return GUESSING if report["guessing"] else 0


@contextmanager
def _training(options: argparse.Namespace, *, when_stopped: str) -> Iterator[None]:
    """Keep the frameworks quiet, and tell what becomes of a training that is stopped."""
    # quicker convolutions and gradients, which TensorFlow leaves off where a processor has no AVX-512
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    try:
        with quiet_frameworks(verbose=options.verbose), redirect_stdout(sys.stderr if options.json else sys.stdout):
            require("keras", "train", "training")
            yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(when_stopped) from None


def _say(options: argparse.Namespace) -> Any:
    def say(line: str) -> None:
        print(line, file=sys.stderr if options.json else sys.stdout, flush=True)

    return say


def _close(options: argparse.Namespace, report: Mapping[str, Any], words: str) -> None:
    print(f"\n{words}", file=sys.stderr if options.json else sys.stdout)
    if options.json:
        print(json.dumps(report, indent=2))
