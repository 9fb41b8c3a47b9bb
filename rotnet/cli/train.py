"""`rotnet train`: teach a model."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rotnet.cli.common import add_command, count, seed
from rotnet.errors import require


def add(commands: Any) -> None:
    """Declare the command and its kinds."""
    train = commands.add_parser(
        "train",
        help="teach a model",
        description="Teach a model which way is up.",
        epilog="example:\n  rotnet train photos upright/ -o runs/mine\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = train.add_subparsers(metavar="kind", required=True)
    mnist = add_command(kinds, "mnist", run_mnist, "teach handwritten digits", "rotnet train mnist -o runs/mnist")
    mnist.add_argument("-o", "--output", default="runs/mnist", help="folder of the run; default: runs/mnist")
    mnist.add_argument("--data", metavar="FILE", help="a local mnist.npz; default: ROTNET_MNIST, else a download")
    mnist.add_argument("--epochs", type=count, help="default: those of the shipped preset")
    photos = add_command(
        kinds, "photos", run_photos, "teach photographs from a folder", "rotnet train photos upright/ -o runs/mine"
    )
    photos.add_argument("folder", metavar="DIR", help="upright photographs, in sub-folders too")
    photos.add_argument("-o", "--output", default="runs/photos", help="folder of the run; default: runs/photos")
    photos.add_argument("--backbone", default="efficientnet_lite0", help="default: efficientnet_lite0")
    photos.add_argument(
        "--stages", nargs="+", metavar="SIZE:EPOCHS:RATE[:FREEZE_BEFORE]", help="default: those of the shipped preset"
    )
    photos.add_argument("--seed", type=seed, default=0, help="of everything drawn; default: 0")


def run_mnist(options: argparse.Namespace) -> int:
    """Teach digits, print the report."""
    require("keras", "train", "training")
    from rotnet.training import recipes

    print(json.dumps(recipes.run_mnist(options.output, data=options.data, epochs=options.epochs), indent=2))
    return 0


def run_photos(options: argparse.Namespace) -> int:
    """Teach photographs, print the report."""
    require("keras", "train", "training")
    from rotnet.training import recipes

    report = recipes.run_photos(
        options.folder, options.output, backbone=options.backbone, stages=options.stages, seed=options.seed
    )
    print(json.dumps(report, indent=2))
    return 0
