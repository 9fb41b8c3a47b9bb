"""`rotnet evaluate`: measure a model on upright pictures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotnet.cli.common import (
    add_allowed_angles,
    add_command,
    add_model,
    add_turns,
    angle_range_of,
    complain,
    count,
    path,
)
from rotnet.cli.progress import check_replaceable
from rotnet.errors import OutputError, UsageError, require

if TYPE_CHECKING:
    from rotnet.cli.progress import Kind
    from rotnet.evaluation import Evaluation
    from rotnet.evaluation.trials import Protocol


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "evaluate",
        run,
        "measure a model on upright pictures",
        "rotnet evaluate upright/",
        "rotnet evaluate upright/ --model mine.onnx --protocol files memory twice noise --report mine.html",
        usage="DIR [DIR ...] [options]",
    )
    parser.add_argument("folders", nargs="+", type=path, metavar="DIR", help="upright pictures, in sub-folders too")
    add_model(parser)
    parser.add_argument(
        "--protocol",
        nargs="+",
        choices=("memory", "files", "twice", "noise"),
        default=["files"],
        help="what is done to the pictures: files are turned and saved, memory does not save, twice turns and saves a "
        "second time, noise shows turned noise instead; default: files",
    )
    add_turns(parser)
    add_allowed_angles(parser)
    parser.add_argument(
        "--seed", type=int, default=0, help="another one draws other angles, uniform in [0, 360); default: 0"
    )
    parser.add_argument("--repeats", type=count, default=1, metavar="N", help="angles for each picture; default: 1")
    parser.add_argument("--val", action="store_true", help="only what `rotnet train photos DIR` measures on")
    parser.add_argument(
        "--truth",
        choices=("upright", "level"),
        default="upright",
        help="level: the pictures are level to a fraction of a degree, as Street View is, so that small errors count: "
        "shares within 0.25, 0.5, 1 and 2 degrees, AUC at 1, 5 and 10 degrees; default: upright",
    )
    parser.add_argument("--rivals", action="store_true", help="put other packages beside it that are installed")
    parser.add_argument("--json", type=path, metavar="FILE", help="write all figures and curves")
    parser.add_argument("--report", type=path, metavar="FILE.html", help="write a page with plots and bad cases")


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    if options.report is not None:
        if not options.report.lower().endswith((".html", ".htm")):
            raise UsageError(
                f"--report is a page for the browser: its name must end in .html. Received: {options.report}."
            )
        require("matplotlib", "train", "plotting")
    from dataclasses import asdict

    from rotnet.evaluation import evaluate, reports, rivals
    from rotnet.evaluation.scores import level_score
    from rotnet.images.finding import find_images
    from rotnet.inference.predictor import as_predictor

    upright: list[Path]
    if options.val:
        from rotnet.datasets import split_photos

        upright = [one for folder in options.folders for one in split_photos(folder).val]
    else:
        upright = list(find_images(options.folders))
    if options.json is not None:
        _check_target(options.json, "figures", upright)
    if options.report is not None:
        _check_target(options.report, "page", upright)
    asked: dict[str, Any] = {"model": as_predictor(options.model), "turns": options.turns, "seed": options.seed}
    allowed: dict[str, Any] = {"angle_range": angle_range_of(options), "right_angles": options.right_angles}
    allowed["refine"] = "lines" if options.refine == "lines" else None

    def measured(protocol: Protocol) -> Evaluation:
        return evaluate(upright, protocol=protocol, repeats=options.repeats, **asked, **allowed)

    absent = [rival for rival in rivals.RIVALS if options.rivals and not rival.is_installed]
    if absent:
        names = ", ".join(rival.name for rival in absent)
        programs = "".join(f", and the program {rival.program}" for rival in absent if rival.program)
        complain(f"left out, for they are not installed: {names}; pip install 'rotnet[rivals]'{programs}")
    report = reports.Report(
        options.model,
        {protocol: measured(protocol) for protocol in dict.fromkeys(options.protocol)},
        measured("upright"),
        rivals.compare(upright, **asked) if options.rivals else {},
    )
    print(report.as_text())
    figures = report.as_dict()
    if options.truth == "level":
        level = {name: asdict(level_score(found.errors)) for name, found in report.protocols.items()}
        for name, values in level.items():
            print(f"level, {name}: " + ", ".join(f"{key} {value:.1%}" for key, value in values.items()))
        figures["level"] = level
    if options.json is not None:
        _write(options.json, json.dumps(figures, indent=2) + "\n")
    if options.report is not None:
        _write(options.report, report.as_html())
    unread = len(upright) * options.repeats - len(report.first.trials)
    if unread:
        complain(f"{unread // options.repeats} of {len(upright)} pictures cannot be read and were left out")
    return 1 if unread else 0


def _check_target(name: str, kind: Kind, upright: list[Path]) -> None:
    """Say what cannot be written before the measurement, not after."""
    check_replaceable(name, kind, dict(zip(upright, upright, strict=True)))
    if not Path(name).absolute().parent.is_dir():
        raise OutputError(f"{name} cannot be written: its folder does not exist; make it, or choose another path")


def _write(name: str, text: str) -> None:
    from rotnet.images.writing import atomic_file

    with atomic_file(name) as file:
        file.write(text.encode())
