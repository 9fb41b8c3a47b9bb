"""How pictures are turned, and from when on the model is believed: the options of `correct` and `watch`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rotnet.cli.common import angle_range_of, fill, share
from rotnet.errors import UsageError

if TYPE_CHECKING:
    from rotnet.files import Turning
    from rotnet.inference.options import Options


def add_turning(parser: argparse.ArgumentParser) -> None:
    """Declare how crooked pictures are turned, and from when on the model is believed."""
    how = parser.add_argument_group("how pictures are turned")
    how.add_argument(
        "--crop",
        choices=("fit", "keep", "same", "aspect", "inscribed", "expand"),
        default="fit",
        metavar="CROP",
        help="what is kept: fit, the largest rectangle without empty corners; aspect, the largest of the picture's "
        "proportions; keep, everything, on a larger canvas; same, what lies in a canvas of its own size; default: fit",
    )
    how.add_argument(
        "--fill",
        type=fill,
        default=0,
        metavar="FILL",
        help="what empty corners are filled with: mirror, the picture's mirror image; blur, that fading into a blur; "
        "or a colour such as white, 255 or 255,0,0; default: 0, black",
    )
    how.add_argument(
        "--max-loss",
        type=share,
        metavar="SHARE",
        help="the largest share of its area that a picture may lose to the crop, from 0 to 1; default: any",
    )
    how.add_argument(
        "--beyond",
        choices=("keep", "leave"),
        default="keep",
        help="beyond --max-loss: keep everything, or leave the picture as it is; default: keep",
    )
    how.add_argument(
        "--quarter-turns",
        choices=("auto", "exif", "pixels", "off"),
        default="auto",
        help="pictures within 3 degrees of a quarter turn: turn them by just that and without loss, by their EXIF tag "
        "or their pixels, or like any other; default: auto",
    )
    how.add_argument(
        "--level",
        action=argparse.BooleanOptionalAction,
        help="correct every slight tilt that the model is sure of, or none; default: those that lines tell",
    )
    how.add_argument(
        "--min-confidence",
        type=share,
        metavar="P",
        help="from 0 to 1: less sure answers turn nothing, and 0 turns all that are not upright; default: the model's "
        "own rule",
    )
    how.add_argument(
        "--sidecar",
        action="store_true",
        help="write XMP sidecars that tell the turns, of raw photographs too, and leave all pixels as they are",
    )


def turning_of(options: argparse.Namespace, *, backup: str | None = None) -> Turning:
    """How crooked pictures are turned."""
    from rotnet.files import Turning
    from rotnet.images.reading import MAX_PIXELS

    if options.beyond == "leave" and options.max_loss is None:
        raise UsageError("--beyond leave is for what would lose more than --max-loss: say how much, as 0.25.")
    return Turning(
        options.crop,
        options.fill,
        options.quarter_turns,
        options.max_pixels or MAX_PIXELS,
        backup,
        strict=not options.lenient,
        max_loss=options.max_loss,
        beyond=options.beyond,
        sidecar=options.sidecar,
    )


def asked_of(options: argparse.Namespace) -> Options:
    """What the model is asked, and from when on it is believed."""
    from rotnet.inference.options import Options

    return Options(
        turns=options.turns,
        angle_range=angle_range_of(options),
        right_angles=options.right_angles,
        refine="lines" if options.refine == "lines" else None,
        min_confidence=options.min_confidence,
        level=options.level,
        quarter_turns=options.quarter_turns != "off",
    )
