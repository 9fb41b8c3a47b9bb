"""The command `rotnet`: parse, call one function, print."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from rotnet import __version__
from rotnet.errors import OutputError, RotNetError, UsageError, require

if TYPE_CHECKING:
    from rotnet.files import FilePrediction

EXAMPLES = """examples:
  rotnet predict photo.jpg
  rotnet correct photos/ -o straight/
  rotnet models
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: What follows the command's name; None takes the process's own.

    Returns:
        Exit status: 0 all fine, 1 some pictures failed or the work could not be done, 2 wrong use, 130 interrupted.
    """
    # names that are no text are printed with escapes instead of ending the run
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            # Pillow warns of damaged metadata; what matters to a picture is an error of ours
            warnings.filterwarnings("ignore", module="PIL")
            status: int = options.run(options)
            sys.stdout.flush()
            return status
    except RotNetError as error:
        _complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted; what was finished is whole")
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        _discard_output()
        return 141
    except OSError as error:  # errors of files are RotNetErrors: this is our own output, for want of space
        _discard_output()
        _complain(f"the output cannot be written: {error.strerror or error}")
        return 1


def _predict(options: argparse.Namespace) -> int:
    from rotnet.files import predict_files
    from rotnet.inference import as_predictor

    write = {"jsonl": _print_jsonl, "csv": _print_csv, "table": _print_table}[options.format]
    results = predict_files(options.paths, as_predictor(options.model), turns=options.turns)
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


def _correct(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from rotnet.files import correct_files, plan_targets
    from rotnet.images import EXTENSIONS
    from rotnet.inference import as_predictor

    predictor = as_predictor(options.model)
    targets = plan_targets(options.paths, options.output, overwrite=options.overwrite)
    if options.report is not None:
        pictures = {os.path.realpath(path) for pair in targets.items() for path in pair}
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
                    _complain(result.error)
            if report is not None:
                print(json.dumps(result.as_dict()), file=report, flush=True)
    print(", ".join(f"{count} {action}" for action, count in counts.items()))
    return 1 if counts["failed"] else 0


def _models(options: argparse.Namespace) -> int:
    from rotnet.weights import presets

    print(f"{'preset':<30}{'input':>9}{'size':>9}  {'mean':>6}{'median':>8}  {'licence':<12}for")
    for preset in presets().values():
        height, width = preset.input_size
        # figures by protocol: the first is the one that counts
        protocols = [one for one in (preset.errors, *preset.errors.values()) if isinstance(one, Mapping)]
        measured = next((one for one in protocols if "mean" in one), {})
        mean, median = (measured.get(key) for key in ("mean", "median"))
        errors = f"{_degrees(mean):>6}{_degrees(median):>8}"
        size = f"{preset.bytes / 1e6:.1f} MB"
        print(f"{preset.name:<30}{f'{height}x{width}':>9}{size:>9}  {errors}  {preset.licence:<12}{preset.description}")
    return 0


def _train_mnist(options: argparse.Namespace) -> int:
    require("keras", "train", "training")
    from rotnet import recipes

    print(json.dumps(recipes.run_mnist(options.output, data=options.data, epochs=options.epochs), indent=2))
    return 0


def _train_photos(options: argparse.Namespace) -> int:
    require("keras", "train", "training")
    from rotnet import recipes

    report = recipes.run_photos(
        options.folder, options.output, backbone=options.backbone, stages=options.stages, seed=options.seed
    )
    print(json.dumps(report, indent=2))
    return 0


def _print_jsonl(results: Iterable[FilePrediction]) -> None:
    for result in results:
        print(json.dumps(result.as_dict()), flush=True)


def _print_csv(results: Iterable[FilePrediction]) -> None:
    import csv

    writer = csv.DictWriter(sys.stdout, ["path", "angle", "confidence", "error"], lineterminator="\n")
    writer.writeheader()
    for result in results:
        writer.writerow(result.as_dict())


def _print_table(results: Iterable[FilePrediction]) -> None:
    print(f"{'angle':>7} {'confidence':>10}  picture")
    for result in results:
        if result.angle is None:
            _complain(result.error)
        else:
            angle = round(result.angle, 1) % 360.0
            print(f"{angle:>7.1f} {result.confidence:>10.2f}  {_on_one_line(str(result.path))}")


def _complain(problem: object) -> None:
    print(f"rotnet: {_on_one_line(str(problem))}", file=sys.stderr)


def _on_one_line(text: str) -> str:
    """Text whose control characters, such as a line break in a file's name, are spelt out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _discard_output() -> None:
    """Let nothing complain again of an output that takes no more when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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


def _degrees(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}°"


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, not {text!r}")
    return value


def _path(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("a path must not be empty")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rotnet",
        description="Tell how far pictures are turned, and turn them upright.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rotnet {__version__}")
    commands = parser.add_subparsers(metavar="command", required=True)

    def command(to: Any, name: str, run: Callable, summary: str, example: str) -> argparse.ArgumentParser:
        made = to.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=f"example:\n  {example}\n",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=run)
        return made

    predict = command(
        commands, "predict", _predict, "print the angle of each picture", "rotnet predict photos/ --format jsonl"
    )
    _add_pictures(predict)
    predict.add_argument("--format", choices=("table", "jsonl", "csv"), default="table", help="default: table")

    correct = command(
        commands, "correct", _correct, "write upright copies of pictures", "rotnet correct photos/ -o straight/"
    )
    _add_pictures(correct)
    correct.add_argument("-o", "--output", required=True, type=_path, metavar="OUT", help="folder of the results")
    correct.add_argument(
        "--crop", choices=("inscribed", "expand", "same"), default="inscribed", help="default: inscribed"
    )
    correct.add_argument(
        "--min-confidence",
        type=_share,
        metavar="P",
        help="below it a picture is copied as it is; default: the model's own",
    )
    correct.add_argument("--overwrite", action="store_true", help="replace files that are in OUT already")
    correct.add_argument("--report", type=_path, metavar="FILE.jsonl", help="write one JSON object a picture")

    command(
        commands, "models", _models, "list the presets: models to ask, and backbones to train from", "rotnet models"
    )

    train = commands.add_parser("train", help="teach a model", description="Teach a model which way is up.")
    kinds = train.add_subparsers(metavar="kind", required=True)
    mnist = command(kinds, "mnist", _train_mnist, "teach handwritten digits", "rotnet train mnist -o runs/mnist")
    mnist.add_argument("-o", "--output", default="runs/mnist", help="folder of the run; default: runs/mnist")
    mnist.add_argument("--data", metavar="FILE", help="a local mnist.npz; default: ROTNET_MNIST, else a download")
    mnist.add_argument("--epochs", type=int, help="default: those of the shipped preset")
    photos = command(
        kinds, "photos", _train_photos, "teach photographs from a folder", "rotnet train photos upright/ -o runs/mine"
    )
    photos.add_argument("folder", metavar="DIR", help="upright photographs, in sub-folders too")
    photos.add_argument("-o", "--output", default="runs/photos", help="folder of the run; default: runs/photos")
    photos.add_argument("--backbone", default="efficientnet_lite0", help="default: efficientnet_lite0")
    photos.add_argument(
        "--stages", nargs="+", metavar="SIZE:EPOCHS:RATE[:FREEZE_BEFORE]", help="default: those of the shipped preset"
    )
    photos.add_argument("--seed", type=int, default=0)
    return parser


def _add_pictures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=_path, metavar="PATH", help="a picture, or a folder that is walked")
    parser.add_argument(
        "--model", default="photo", metavar="M", help="a preset, or an .onnx or .keras file; default: photo"
    )
    parser.add_argument("--turns", type=int, choices=(1, 4), default=4, help="views averaged for an answer; default: 4")
