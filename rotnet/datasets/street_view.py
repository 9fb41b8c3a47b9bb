"""Street views: several pictures of each place, as files `PLACE_VIEW.jpg`.

Google Street View of Pittsburgh, Orlando and Manhattan, 62,058 pictures, can be downloaded (Zamir and Shah, UCF, 2014).
Its six views of a place are 0 with names and marks drawn into it, 1 to 4 to the sides, 5 upwards. The 41,372 side views
are what tells up from down. An icon sits at their upper left, so look at the centre square only.
"""

from __future__ import annotations

import re
import shutil
import zipfile
import zlib
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
FEWEST_PLACES = 2  # on either side: one shows the same houses again and again
_SIDE_VIEW = re.compile(r"\d{6}_[1-4]\.jpg", re.IGNORECASE)
_OTHER_VIEW = re.compile(r"\d{6}_[05]\.jpg", re.IGNORECASE)
_VIEW = re.compile(r"(?P<place>.+)_\d{1,3}\.\w+")  # or a bearing; IMG_1234.jpg names no place


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


def split_street_view(folder: str | Path, *, val_share: float = 0.1, held_out: Sequence[str] = ()) -> Split:
    """Divide street views by place, or by region, so that no place is on both sides.

    Neighbouring places see some of the same houses, so a model for another town should be measured in another town:
    sub-folders `train` and `val`, or those named in `held_out`, divide by region. Otherwise the file names do, by
    place: `PLACE_VIEW.jpg`, in which VIEW has up to three digits. Of places with six digits, those of the UCF data set,
    the views 0 and 5, which are not to the sides, are skipped.

    Args:
        folder: Holds the pictures, in sub-folders too; other files, and by place files of other names, are skipped.
        val_share: Share of the places to measure on. A place always falls on the same side.
        held_out: Names of sub-folders, such as towns, to measure on; the rest is to learn from.

    Returns:
        Sorted paths.

    Raises:
        UsageError: There is no such sub-folder, or one side has fewer than `FEWEST_PLACES` places.
    """
    folder = Path(folder)
    views = [path for path in find_images([folder]) if not _OTHER_VIEW.fullmatch(path.name)] if folder.is_dir() else []
    if not held_out and (folder / "train").is_dir() and (folder / "val").is_dir():
        held_out = ("val",)
    apart = [folder / name for name in held_out]
    if missing := [path.name for path in apart if not path.is_dir()]:
        raise UsageError(f"held_out must name sub-folders of {folder}. There is no {', '.join(missing)}.")
    sides: dict[bool, list[Path]] = {True: [], False: []}
    for path in views:
        place = _place(path)
        if held_out:
            sides[any(path.is_relative_to(region) for region in apart)].append(path)
        elif place is not None:
            sides[fixed_share(place) < val_share].append(path)
    learn, measure = (len({_place(path) or path for path in sides[side]}) for side in (False, True))
    if min(learn, measure) < FEWEST_PLACES:
        raise UsageError(
            f"{folder} must hold street views of several places, such as 000123_1.jpg (PLACE_VIEW.jpg), or sub-folders "
            f"train and val. Found: {learn} places to learn from, {measure} to measure on; at least {FEWEST_PLACES} of "
            "each are needed. Add places, hold out more of them, or download some with download_street_view."
        )
    return Split(train=tuple(sorted(sides[False])), val=tuple(sorted(sides[True])))


def _place(path: Path) -> str | None:
    view = _VIEW.fullmatch(path.name)
    return view["place"] if view else None


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
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # the last of what it cannot unpack
        message = f"{archive} must be a zip archive, but is damaged: {error}. Delete it, then start again."
        raise RotNetError(message) from error
    return names
