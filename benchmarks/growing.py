"""What more costs: more pixels, and more pictures. Memory should grow with the pixels of one picture alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from benchmarks.answering import ROTNET, run
from benchmarks.pictures import PHOTOS, street_views
from benchmarks.timing import Row, Table, row

MEGAPIXELS = (1, 2, 5, 10, 20, 40, 100)
FILES = (100, 1000, 10_000)


def tables(*, tiny: bool) -> Iterator[Table]:
    """All that is measured here."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = {size: _picture(folder, size) for size in ((0.1, 0.2) if tiny else MEGAPIXELS)}
        turning = ["--min-confidence", "0", "--overwrite", "-o", str(folder / "straight")]
        for command, options in (("predict", []), ("correct", turning)):
            yield from _pixels(pictures, [command, *options], 1 if tiny else 3)
        folders = _folders((2, 4) if tiny else FILES, folder)
        for command, options in (("predict", []), ("correct", turning)):
            yield from _files(folders, [command, "--model", "mnist", *options])


def _picture(folder: Path, megapixels: float) -> Path:
    """A crooked photograph of which the model is sure, for one that stands upright is only copied."""
    path = folder / f"{megapixels:g} megapixels.jpg"
    with Image.open(PHOTOS / "hopper.jpg") as photograph:
        scale = (megapixels * 1e6 / (photograph.width * photograph.height)) ** 0.5
        size = round(scale * photograph.width), round(scale * photograph.height)
        photograph.resize(size, Image.Resampling.BICUBIC).save(path, quality=85)
    return path


def _pixels(pictures: dict[float, Path], command: list[str], rounds: int) -> Iterator[Table]:
    seconds: list[Row] = []
    memory: list[Row] = []
    for size, picture in pictures.items():
        spent, peaks = zip(*(run([*ROTNET, *command, str(picture)]) for _ in range(rounds)), strict=True)
        seconds.append(row(f"{size:g} megapixels", list(spent)))
        memory.append(row(f"{size:g} megapixels", list(peaks)))
    title = f"A larger JPEG, rotnet {command[0]}"
    yield Table(title, "s", tuple(seconds), ("with the start of the program",))
    yield Table(f"{title}, memory", "MB", tuple(memory))


def _folders(numbers: tuple[int, ...], folder: Path) -> dict[int, Path]:
    (picture,) = street_views(folder / "small", 1, size=(64, 64))
    folders = {number: folder / f"{number} files" for number in numbers}
    for number, many in folders.items():
        many.mkdir()
        for index in range(number):
            os.link(picture, many / f"{index:05}.jpg")
    return folders


def _files(folders: dict[int, Path], command: list[str]) -> Iterator[Table]:
    seconds: list[Row] = []
    memory: list[Row] = []
    for number, many in folders.items():
        spent, peak = run([*ROTNET, *command, str(many)])
        seconds.append(row(f"{number:,} files", [spent]))
        memory.append(row(f"{number:,} files", [peak]))
    title = f"More files, rotnet {command[0]}"
    note = "64x64 JPEG files and the quickest model, so that it is the files that cost"
    yield Table(title, "s", tuple(seconds), (note, "with the start of the program"))
    yield Table(f"{title}, memory", "MB", tuple(memory))
