"""`rotnet export`: write a model in another file format."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rotnet.cli.common import add_command, path
from rotnet.cli.quiet import quiet_frameworks
from rotnet.errors import UsageError, require

EXTENSIONS = {"onnx": ".onnx", "litert": ".tflite", "keras": ".keras", "folder": ""}


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "export",
        run,
        "write a model in another file format, checked to answer alike on photographs",
        "rotnet export photo --format litert",
        "rotnet export runs/mine/stage1/best.keras --format onnx -o mine.onnx",
        "rotnet export runs/mine/model.onnx --format folder -o mine --licence cc-by-4.0",
    )
    parser.add_argument("model", type=path, metavar="MODEL", help="a preset, or an .onnx or .keras file")
    parser.add_argument(
        "--format",
        choices=tuple(EXTENSIONS),
        default="onnx",
        help="folder is the layout of a Hugging Face repository, model.onnx and a card in README.md; default: onnx",
    )
    parser.add_argument(
        "--licence",
        metavar="ID",
        help="of the weights, such as mit, for the card of a folder; default: that of the preset",
    )
    parser.add_argument(
        "-o", "--output", type=path, metavar="FILE", help="default: the model's name, with the extension of the format"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a model that is there already")
    parser.add_argument(
        "--pictures", type=path, metavar="PATH", help="check on these pictures; default: those of scikit-image"
    )


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    from rotnet.images.finding import find_images
    from rotnet.inference.model_folder import save_folder

    target = Path(options.output or Path(options.model).with_suffix(EXTENSIONS[options.format]).name)
    if options.licence is not None and options.format != "folder":
        raise UsageError("--licence is for the card of a folder: say --format folder, or leave it out.")
    if options.pictures is not None and options.format == "folder":
        raise UsageError("A folder holds the model as it is, which needs no check: leave out --pictures.")
    _check_target(target, options)
    if options.format == "folder":
        save_folder(options.model, target, licence=options.licence)
        print(f"{target}: describe the model in {target / 'README.md'} before you share it")
        return 0
    pictures = None if options.pictures is None else list(find_images(options.pictures))
    if pictures == []:
        raise UsageError(f"There are no pictures in {options.pictures}: name a picture, or a folder that holds some.")
    with quiet_frameworks():
        require("keras", "train", "writing a model in another format")
        from rotnet.models.export import export_model

        difference = export_model(options.model, target, format=options.format, pictures=pictures)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB, probabilities within {difference:.1g} of {options.model}")
    return 0


def _check_target(target: Path, options: argparse.Namespace) -> None:
    """Refuse to replace a model that nobody has asked to replace."""
    if options.format == "folder":
        if options.overwrite:
            raise UsageError("--overwrite is for a file; a folder may hold your own card: name another with -o.")
        if target.exists() and options.output is None:
            raise UsageError(f"{target} is there already: name another folder with -o.")
    elif target.exists() and not options.overwrite:
        raise UsageError(f"{target} is there already: name another file with -o, or replace it with --overwrite.")
