"""A folder of upright photographs, divided into those to learn from and those to measure on."""

from __future__ import annotations

import csv
import hashlib
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from rotnet.errors import ImageError, UsageError
from rotnet.images import reading
from rotnet.images.finding import find_images

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Split:
    """Paths of the photographs to learn from and of those to measure on."""

    train: tuple[Path, ...]
    val: tuple[Path, ...]


USUAL_SHARE, LARGEST_SHARE, ENOUGH = 0.05, 0.2, 20  # of the pictures to measure on; so many tell a little


def split_photos(folder: str | Path, *, val_share: float | None = None) -> Split:
    """Divide a folder of upright photographs.

    In this order: a `manifest.csv` in the folder (columns `path` and `split`, `train` or `val`); sub-folders `train`
    and `val`; otherwise by sub-folder and file name, so that the same file always falls on the same side.

    Args:
        folder: Holds the pictures, in sub-folders too.
        val_share: Share of the pictures to measure on where the folder does not say. None takes a twentieth, and of
            fewer than 400 pictures more: about 20 of them, but no more than a fifth. Those of the twentieth are
            measured on however the folder grows.

    Returns:
        Sorted paths.

    Raises:
        UsageError: The folder is missing, its manifest has no such columns, or one side has no pictures.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"{folder} must be a folder of upright pictures, but there is no such folder.")
    manifest = read_manifest(folder)
    if manifest is not None:
        rows = list(manifest.items())
    elif (folder / "train").is_dir() and (folder / "val").is_dir():
        rows = [(path, side) for side in ("train", "val") for path in find_images([folder / side])]
    else:
        paths = list(find_images([folder]))
        if val_share is None:
            val_share = max(USUAL_SHARE, min(LARGEST_SHARE, ENOUGH / max(1, len(paths))))
        shares = [fixed_share(path.relative_to(folder).as_posix()) for path in paths]
        rows = [(path, "val" if share < val_share else "train") for path, share in zip(paths, shares, strict=True)]
    split = Split(*(tuple(sorted(path for path, side in rows if side == name)) for name in ("train", "val")))
    if not split.train or not split.val:
        raise UsageError(
            f"{folder} must hold pictures to learn from and to measure on. "
            f"Found: {len(split.train)} to learn from, {len(split.val)} to measure on. "
            "Add pictures, or divide them into sub-folders train and val."
        )
    return split


def read_manifest(folder: Path) -> dict[Path, str] | None:
    """What the `manifest.csv` of a folder says: the side of the split by path. None where there is no such file.

    Raises:
        UsageError: It has no columns `path` and `split`, or a line without a path.
    """
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        return None
    sides = {}
    with manifest.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as lines:
        reader = csv.DictReader(lines)
        if not {"path", "split"} <= set(reader.fieldnames or ()):
            raise UsageError(f"{manifest} must have the columns path and split. Received: {reader.fieldnames}.")
        for row in reader:
            if not row["path"]:
                raise UsageError(f"{manifest} must have a path in each line. Line {reader.line_num} has none.")
            sides[folder / row["path"]] = row["split"]
    return sides


def load_photos(paths: Iterable[Path], *, short_side: int, workers: int = 2) -> list[NDArray[np.uint8]]:
    """Read photographs into memory, none larger than training needs.

    Args:
        paths: Files.
        short_side: Photographs with a longer short side, pixels, are scaled down to it.
        workers: Threads.

    Returns:
        `(H, W, 3)` uint8 arrays in the order of `paths`; files that are not pictures are left out.
    """

    def load(path: Path) -> NDArray[np.uint8] | None:
        try:
            image = reading.read_image(path)
        except ImageError as error:
            _log.warning("left out: %s", error)
            return None
        scale = short_side / min(image.shape[:2])
        if scale >= 1:
            return image
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA)

    with ThreadPoolExecutor(workers) as pool:
        return [image for image in pool.map(load, paths) if image is not None]


def fixed_share(name: str) -> float:
    """A number in [0, 1) that depends on the name alone, evenly spread, to divide by.

    Example:
        >>> round(fixed_share("street/1.jpg"), 4)
        0.3325
    """
    return int(hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:8], 16) / 2**32
