"""Which pictures are fit for a data set, and on which side of the split each falls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import PurePosixPath

import numpy as np

from rotnet.datasets.prepare.duplicates import find_duplicates, near_pairs
from rotnet.datasets.prepare.splitting import assign_splits, group_of
from rotnet.errors import UsageError
from rotnet.images.reading import FORMATS
from rotnet.inference.upright import TOLERANCE, check_tolerance

GROUPS = ("duplicates", "folder")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What makes a picture fit for the data set, and what becomes of it.

    Attributes:
        min_side: Pictures with a shorter side below this are left out, pixels.
        short_side: The shorter side of larger pictures is scaled down to this, pixels; None keeps every size.
        crop_center: Keep the centre square only.
        distance: Bits of the perceptual hash in which near-duplicates differ at most; None keeps duplicates.
        model: Name of a preset or path of a model file, which leaves out what it finds not upright, see
            `rotnet.is_upright`; None does not ask.
        tolerance: Degrees that an upright picture may be off.
        group: What stays on one side of the split: near-`"duplicates"` of each other or a `"folder"`.
        pattern: Regular expression for the path that names the group instead; see `group_of`.
        val_share, test_share: Shares of the pictures to measure on.
        seed: Of the split.
        strict: Leave out damaged pictures, as `rotnet.read_image` refuses them.

    Raises:
        UsageError: A setting is out of range.
    """

    min_side: int = 160
    short_side: int | None = 320
    crop_center: bool = False
    distance: int | None = 6
    model: str | PathLike[str] | None = None
    tolerance: float = TOLERANCE
    group: str = "duplicates"
    pattern: str | None = None
    val_share: float = 0.1
    test_share: float = 0.1
    seed: int = 0
    strict: bool = True

    def __post_init__(self) -> None:
        if self.min_side < 1 or (self.short_side is not None and self.short_side < 1):
            raise UsageError(
                "min_side and short_side must be at least 1 pixel. "
                f"Received: min_side={self.min_side}, short_side={self.short_side}."
            )
        if self.group not in GROUPS:
            raise UsageError(f"group must be one of {GROUPS}. Received: group={self.group!r}.")
        # what these have to say is said now, not after hours of reading
        check_tolerance(self.tolerance)
        near_pairs(np.zeros(0, np.uint64), self.distance or 0)
        group_of("", self.pattern)
        assign_splits([], val_share=self.val_share, test_share=self.test_share)


@dataclass(frozen=True)
class Look:
    """What was seen of a file: `error` says why there is no picture, `upright` is None where no model was asked.

    Attributes:
        size: Bytes.
        sha256: Of the file.
        width, height: Of the picture as it is shown, pixels.
        hash, mirrored: Perceptual hashes, of the picture and of its mirror image.
        clipped: Share of the pixel values that are about 0 or 255: what brightening and darkening lose.
        error: Why it cannot be read.
        angle, confidence, upright: The model's answer, see `rotnet.files.check.FileCheck`.
    """

    size: int = 0
    sha256: str = ""
    width: int = 0
    height: int = 0
    hash: int = 0
    mirrored: int = 0
    clipped: float = 0.0
    error: str | None = None
    angle: float = 0.0
    confidence: float = 0.0
    upright: float | None = None


@dataclass(frozen=True)
class Row:
    """One line of the manifest.

    Attributes:
        path: Of the prepared picture in the data set; of one left out, in the folder it came from.
        split: `"train"`, `"val"` or `"test"`; empty for a picture left out.
        sha256, size, width, height: Of the file at `path`, `size` in bytes.
        group: What stays together on one side of the split.
        source: Path in the folder the picture came from.
        reason: Why it is left out, one of `unreadable`, `too small`, `not upright` and `near-duplicate`, then a colon
            and the details; empty for a picture kept.
    """

    path: str
    split: str = ""
    sha256: str = ""
    size: int = 0
    width: int = 0
    height: int = 0
    group: str = ""
    source: str = ""
    reason: str = ""


def why_unfit(look: Look, settings: Settings) -> str:
    """Why a picture is not fit, whatever the others are like; empty if it is."""
    if look.error is not None:
        return f"unreadable: {look.error}"
    if min(look.width, look.height) < settings.min_side:
        return f"too small: {look.width}x{look.height}"
    if look.upright is not None and look.upright < 0.5:
        return f"not upright: turned by {look.angle:.1f} degrees, confidence {look.confidence:.2f}"
    return ""


def decide(looks: Mapping[str, Look], settings: Settings) -> list[Row]:
    """Decide on every picture.

    Args:
        looks: What was seen, by path relative to the folder of the pictures, with slashes.
        settings: What is fit.

    Returns:
        A row for each picture, in order; those kept are still without the facts of their files.

    Raises:
        UsageError: Two pictures would be written to one path.
    """
    reasons = {name: why_unfit(look, settings) for name, look in looks.items()}
    groups = {name: name for name, reason in reasons.items() if not reason}
    if settings.distance is not None:
        best = sorted(groups, key=lambda name: (*_how_poor(looks[name]), name))
        hashes, mirrored = ([getattr(looks[name], kind) for name in best] for kind in ("hash", "mirrored"))
        standing, cluster = find_duplicates(hashes, settings.distance, mirrored)
        for index, name in enumerate(best):
            groups[name] = best[cluster[index]]
            if standing[index] != index:
                reasons[name] = f"near-duplicate: of {best[standing[index]]}"
    kept = [name for name in looks if not reasons[name]]
    if settings.pattern is not None or settings.group == "folder":
        groups = {name: group_of(name, settings.pattern) for name in kept}
    splits = assign_splits(
        [groups[name] for name in kept],
        val_share=settings.val_share,
        test_share=settings.test_share,
        seed=settings.seed,
    )
    side = dict(zip(kept, splits, strict=True))
    _check_targets(kept)
    return [
        Row(target_of(name), split=side[name], group=groups[name], source=name)
        if name in side
        else Row(name, "", look.sha256, look.size, look.width, look.height, source=name, reason=reasons[name])
        for name, look in looks.items()
    ]


def _how_poor(look: Look) -> tuple[float, ...]:
    """Sorts those that look alike: the largest is kept, of these the one with most in its lights and darks, in steps
    of 5 percent, then the one with most bytes, which is the least compressed."""
    return -look.width * look.height, round(20 * look.clipped), -look.size


def target_of(name: str) -> str:
    """Path of the prepared picture, a JPEG.

    Example:
        >>> target_of("rome/1.JPG"), target_of("rome/1.png")
        ('rome/1.JPG', 'rome/1.png.jpg')
    """
    return name if FORMATS.get(PurePosixPath(name).suffix.lower()) == "JPEG" else f"{name}.jpg"


def _check_targets(names: list[str]) -> None:
    owners: dict[str, str] = {}
    for name in names:
        other = owners.setdefault(target_of(name).casefold(), name)
        if other != name:
            raise UsageError(f"{other} and {name} would both become {target_of(name)}. Rename one of them.")
