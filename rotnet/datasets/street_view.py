"""Google Street View of Pittsburgh, Orlando and Manhattan: 62,058 pictures (Zamir and Shah, UCF, 2014).

Six views of each place, as files `PLACE_VIEW.jpg`: 0 with names and marks drawn into it, 1 to 4 to the sides, 5
upwards. The 41,372 side views are what tells up from down. An icon sits at their upper left, so look at the centre
square only.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rotnet.datasets.augmentation import Augmentation
from rotnet.datasets.download import check_sum, fetch
from rotnet.datasets.photos import Split, fixed_share
from rotnet.errors import RotNetError, UsageError
from rotnet.geometry.cropping import crop_around_center
from rotnet.images.finding import find_images
from rotnet.images.writing import atomic_file, make_folder

URL = "https://www.cs.ucf.edu/~aroshan/index_files/Dataset_PitOrlManh/zipped%20images"
PARTS = tuple(f"part{number}.zip" for number in range(1, 11))
_SIDE_VIEW = re.compile(r"(\d{6})_[1-4]\.jpg", re.IGNORECASE)


@dataclass(frozen=True)
class StreetViewAugmentation(Augmentation):
    """Varies street views as `Augmentation` does, from their centre square, which has no icon.

    Example:
        >>> street = np.zeros((40, 50, 3), np.uint8)
        >>> StreetViewAugmentation()(street, 30.0, (16, 16), np.random.default_rng(0)).shape
        (16, 16, 3)
    """

    def __call__(
        self, image: NDArray[np.uint8], angle: float, size: tuple[int, int], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        side = min(image.shape[:2])
        return super().__call__(crop_around_center(image, side, side), angle, size, rng)


def download_street_view(folder: str | Path, *, url: str = URL, parts: Sequence[str] = PARTS) -> Path:
    """Fetch the side views, or go on with a download that was stopped.

    An archive that already lies in the folder is taken from there. The first time an archive is seen its checksum is
    written to `SHA256SUMS`; from then on it has to be the same. Archives may be deleted once their pictures are there.

    Args:
        folder: Where the pictures go; made when missing.
        url: Where the archives lie.
        parts: Names of the archives.

    Returns:
        The folder.

    Raises:
        RotNetError: An archive cannot be fetched, is not the one of `SHA256SUMS`, or is damaged.
        OutputError: A file cannot be written.
    """
    folder = Path(folder)
    make_folder(folder)
    for part in parts:
        contents = folder / Path(part).with_suffix(".txt").name
        if not _is_unpacked(contents):
            archive = fetch(f"{url.rstrip('/')}/{part}", folder / part)
            names = _unpack(archive)
            with atomic_file(contents) as file:
                file.write("".join(f"{name}\n" for name in names).encode())
    return folder


def split_street_view(folder: str | Path, *, val_share: float = 0.1) -> Split:
    """Divide the side views by place, so that no place is on both sides.

    Neighbouring places see some of the same houses; a model for another town should be measured in another town.

    Args:
        folder: Holds the pictures, in sub-folders too; other views and other files are skipped.
        val_share: Share of the places to measure on. A place always falls on the same side.

    Returns:
        Sorted paths.

    Raises:
        UsageError: One side has no pictures.
    """
    sides: dict[bool, list[Path]] = {True: [], False: []}
    for path in find_images([folder]) if Path(folder).is_dir() else ():
        if view := _SIDE_VIEW.fullmatch(path.name):
            sides[fixed_share(view[1]) < val_share].append(path)
    split = Split(train=tuple(sorted(sides[False])), val=tuple(sorted(sides[True])))
    if not split.train or not split.val:
        raise UsageError(
            f"{folder} must hold street views such as 000123_1.jpg of several places. Found: {len(split.train)} to "
            f"learn from, {len(split.val)} to measure on. Download them with download_street_view."
        )
    return split


def _is_unpacked(contents: Path) -> bool:
    if not contents.exists():
        return False
    names = contents.read_text(encoding="utf-8").split()
    return all((contents.parent / name).exists() for name in names)


def _unpack(archive: Path) -> list[str]:
    """Write the side views beside the archive, and tell their names."""
    try:
        with zipfile.ZipFile(archive) as pictures:
            if damaged := pictures.testzip():
                raise zipfile.BadZipFile(f"{damaged} cannot be read")
            check_sum(archive)
            members = {Path(member).name: member for member in pictures.namelist()}
            names = sorted(name for name in members if _SIDE_VIEW.fullmatch(name))
            for name in names:
                with pictures.open(members[name]) as source, atomic_file(archive.with_name(name)) as target:
                    shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, EOFError) as error:
        message = f"{archive} must be a zip archive, but is damaged: {error}. Delete it, then start again."
        raise RotNetError(message) from error
    return names
