"""What the sub-commands share: how they are declared, and how they speak."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rotnet.errors import UsageError


def add_command(
    to: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    *examples: str,
    usage: str | None = None,
) -> argparse.ArgumentParser:
    """Declare a sub-command.

    Args:
        to: What `add_subparsers` gave.
        name: As it is typed.
        run: Called with the options, returns the exit status.
        summary: One line for the list of commands.
        examples: Command lines for its help.
        usage: What follows the name, where a list of all options would hide what an error says.

    Returns:
        The parser that takes its options.
    """
    parser: argparse.ArgumentParser = to.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        usage=f"%(prog)s {usage}" if usage else None,
        epilog="\n".join(["example:" if len(examples) == 1 else "examples:", *(f"  {line}" for line in examples), ""]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def add_model(parser: Any) -> None:
    """Declare `--model`."""
    parser.add_argument(
        "--model", default="photo", metavar="M", help="a preset, or an .onnx, .keras or .tflite file; default: photo"
    )


def standard_input(paths: Sequence[str]) -> dict[Path, bytes]:
    """What comes from standard input, if - is among the paths, as `rotnet.files.predict_files` takes it."""
    if "-" not in paths:
        return {}
    if sys.stdin is None:
        raise UsageError("Standard input is closed: redirect it from a picture.")
    return {Path("-"): sys.stdin.buffer.read()}


LENIENT = "take what is left of damaged JPEG files"
LENIENT_TURNS = "look at damaged JPEG files too, and make quarter turns of them by their orientation tag, no others"


def add_pictures(
    parser: argparse.ArgumentParser,
    *,
    lenient: str = LENIENT,
    paths: str = "a picture, a folder with its sub-folders, or - for a picture from standard input",
) -> Any:
    """Declare pictures to look at, and the model that does; gives the group of options that say how."""
    parser.add_argument("paths", nargs="+", type=path, metavar="PATH", help=paths)
    look = parser.add_argument_group("how pictures are looked at")
    add_model(look)
    add_turns(look)
    add_lenient(look, lenient)
    look.add_argument(
        "--max-pixels",
        type=count,
        metavar="N",
        help="refuse larger pictures; default: 500000000, and less where they take more than 1 GiB of memory",
    )
    return look


def add_lenient(parser: Any, what: str = LENIENT) -> None:
    """Declare `--lenient`."""
    parser.add_argument("--lenient", action="store_true", help=what)


def add_turns(parser: Any) -> None:
    """Declare `--turns`."""
    parser.add_argument(
        "--turns",
        type=int,
        choices=(1, 4),
        help="how often each picture is looked at, a quarter turn further each time: 1 is quicker, 4 surer; default: "
        "1, 2 or 4, until the answer is sure",
    )


def add_allowed_angles(parser: Any) -> None:
    """Declare the options that say which angles may be answered."""
    parser.add_argument(
        "--angle-range",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="choose from these angles only, degrees: -15 15 for pictures that are at most tilted",
    )
    parser.add_argument(
        "--refine",
        choices=("lines", "none"),
        default="lines",
        help="lines: refine sure answers by straight lines in the picture; none: leave what the network says; default: "
        "lines",
    )
    parser.add_argument("--right-angles", action="store_true", help="answer 0, 90, 180 or 270 only")


def angle_range_of(options: argparse.Namespace) -> tuple[float, float] | None:
    """The angles that `--angle-range` allows, checked in the words of the command."""
    if options.angle_range is None:
        return None
    low, high = options.angle_range
    if not 0 < high - low <= 360:  # NaN compares as false
        raise UsageError(
            "--angle-range LOW HIGH must be degrees, LOW below HIGH and at most 360 apart, such as -15 15. "
            f"Received: {low:g} {high:g}."
        )
    return low, high


def add_shard(parser: Any) -> None:
    """Declare `--shard`."""
    parser.add_argument(
        "--shard",
        type=shard,
        metavar="K/N",
        help="the K-th of N parts of the pictures, told apart by their paths; a part that is done is not done again",
    )


def shard(text: str) -> tuple[int, int]:
    """The number of a part, from 1, and how many there are, as an argument's type."""
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of) < 100_000):
        raise argparse.ArgumentTypeError(f"must be K/N, with K from 1 to N, such as 3/16, not {text!r}")
    return int(number), int(of)


def share(text: str) -> float:
    """A number from 0 to 1, as an argument's type."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, not {text!r}")
    return value


def count(text: str) -> int:
    """A whole number from 1, as an argument's type."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


def seed(text: str) -> int:
    """A whole number from 0 that random numbers are drawn by, as an argument's type."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {2**32 - 1}, not {text!r}")
    return int(text)


def fill(text: str) -> float | tuple[float, ...] | str:
    """What empty corners are filled with, as an argument's type."""
    from rotnet.geometry.filling import read_fill

    try:
        return read_fill(text)
    except UsageError as error:  # which begins with the name, as argparse does
        raise argparse.ArgumentTypeError(str(error).removeprefix("fill ")) from None


def path(text: str) -> str:
    """A path, as an argument's type."""
    if not text:
        raise argparse.ArgumentTypeError("a path must not be empty")
    return text


def complain(problem: object) -> None:
    """Say on one line of standard error what went wrong."""
    print(f"rotnet: {on_one_line(str(problem))}", file=sys.stderr)


class Complaints(logging.Handler):
    """Says what the library warns of as everything else is said that goes wrong."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(record.getMessage())


def on_one_line(text: str) -> str:
    """Text whose control characters, such as a line break in a file's name, are spelt out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
