"""`rotnet predict`: print the angle of each picture."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rotnet.cli.common import add_allowed_angles, add_command, add_pictures
from rotnet.cli.listing import add_format, print_listing
from rotnet.errors import UsageError

if TYPE_CHECKING:
    from rotnet.files import FilePrediction


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands, "predict", run, "print the angle of each picture", "rotnet predict photos/ --format jsonl"
    )
    add_pictures(parser)
    add_allowed_angles(parser)
    add_format(parser)


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    from rotnet.files import predict_files
    from rotnet.images.reading import MAX_PIXELS

    results = predict_files(
        options.paths,
        model=options.model,
        turns=options.turns,
        angle_range=tuple(options.angle_range) if options.angle_range else None,
        right_angles=options.right_angles,
        refine="lines" if options.refine == "lines" else None,
        max_pixels=options.max_pixels or MAX_PIXELS,
        strict=not options.lenient,
    )
    found = failed = 0

    def counted() -> Iterator[FilePrediction]:
        nonlocal found, failed
        for result in results:
            found += 1
            failed += result.error is not None
            yield result

    print_listing(
        counted(),
        options.format,
        columns=("path", "angle", "confidence", "action", "reason", "error"),
        header=f"{'angle':>8} {'confidence':>10} {'action':<11}",
        line=_row,
    )
    if not found:
        raise UsageError("There are no pictures to look at: name files, or folders that hold pictures.")
    return 1 if failed else 0


def _row(result: FilePrediction) -> str:
    from rotnet.geometry.angles import shown_angle

    return f"{shown_angle(result.angle or 0.0):>8} {result.confidence:>10.2f} {result.action:<11}"
