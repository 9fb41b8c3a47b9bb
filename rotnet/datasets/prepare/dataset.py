"""The passes over the pictures; what each finds out goes into a journal, so that a run that was interrupted goes on."""

from __future__ import annotations

import csv
import errno
import io
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rotnet.datasets.prepare.deciding import Look, Row, Settings, decide, why_unfit
from rotnet.datasets.prepare.duplicates import perceptual_hash
from rotnet.datasets.prepare.journal import Journal
from rotnet.errors import ImageError, OutputError, RotNetError, UsageError, require
from rotnet.files.check import check_files
from rotnet.geometry.cropping import crop_around_center
from rotnet.images import reading, writing
from rotnet.images.finding import find_images, stamp
from rotnet.images.prefetch import ahead
from rotnet.inference import presets
from rotnet.inference.predictor import as_predictor

_log = logging.getLogger(__name__)

T = TypeVar("T")
MANIFEST, REVIEW, JOURNAL = "manifest.csv", "review.csv", "journal.jsonl"
_OTHERS = "holds other files: choose a folder that is new, empty or of an earlier run."
_TEMPORARY = re.compile(r"\.rotnet-[0-9a-f]{16}\.part")  # as `atomic_file` names them
HASHED = 256  # pixels of the shorter side that a perceptual hash is taken from, where a picture has more


def _silent(items: Iterable[T], **_: object) -> Iterable[T]:
    return items


def prepare(
    folder: str | Path,
    output: str | Path,
    settings: Settings | None = None,
    *,
    progress: Callable[..., Iterable[Any]] = _silent,
) -> list[Row]:
    """Make a data set of the pictures in a folder, which stays as it is.

    `output` receives the pictures that are fit, upright by their EXIF orientation, scaled, as JPEG, in the sub-folders
    that they came from; `manifest.csv` with a `Row` for every picture found, which `rotnet.datasets.split_photos`
    reads; `review.csv` with those left out as not upright, the surest first; and `journal.jsonl`.

    Args:
        folder: Holds the pictures, in sub-folders too.
        output: Need not exist; empty, or from an earlier run over the same folder, of which all that still holds is
            kept and the rest is replaced.
        settings: None takes the defaults.
        progress: Called with an iterable, its `total` and a `desc`, returns what to iterate over, as `tqdm.tqdm` does.

    Returns:
        The rows of the manifest, in the order of the sources.

    Raises:
        MissingExtraError: `imagehash` is not installed.
        OutputError: The output cannot be written.
        UsageError: The folders do not go together, or there are no pictures.
        WeightsError: The model cannot be loaded.
    """
    settings, folder, output = settings or Settings(), Path(folder), Path(output)
    if settings.distance is not None:
        require("imagehash", "prepare", "finding near-duplicates")
    model = None if settings.model is None else presets.find(settings.model)
    if model is not None:
        as_predictor(model)  # what is not a model is told before the work
    sources = _sources(folder, output)
    with _journal(folder, output) as journal:
        with closing(ahead(lambda name: _look(folder, name, settings, journal), sources)) as looked:
            looks: dict[str, Look] = dict(progress(looked, total=len(sources), desc="looking"))
        if model is not None:
            fit = [name for name, look in looks.items() if not why_unfit(look, settings)]
            checked = _check(folder, fit, looks, settings, model, journal)
            looks.update(progress(checked, total=len(fit), desc="checking"))
        decided = decide(looks, settings)
        with closing(ahead(lambda row: _write(folder, output, row, settings, journal), decided)) as written:
            rows: list[Row] = list(progress(written, total=len(decided), desc="writing"))
        dropped = journal.names("write") - {row.path for row in rows if row.split}
        # what a run that was killed was writing goes as well
        killed = [path for path in output.rglob(".rotnet-*.part") if _TEMPORARY.fullmatch(path.name)]
        for left_over in (*(output / path for path in dropped), *killed):
            if left_over.is_file() or left_over.is_symlink():
                left_over.unlink(missing_ok=True)
                _log.info("%s is of an earlier run and no longer wanted, and is removed", left_over)
    _write_csv(output / MANIFEST, [field.name for field in fields(Row)], map(asdict, rows))
    _write_review(
        output / REVIEW, {row.source: looks[row.source] for row in rows if row.reason.startswith("not upright")}
    )
    return rows


def _sources(folder: Path, output: Path) -> list[str]:
    """Paths of the pictures in the folder, relative to it and with slashes; results that lie in there are left out."""
    if not folder.is_dir():
        raise UsageError(f"{folder} must be a folder of pictures, but there is no such folder.")
    inside, results = Path(os.path.realpath(folder)), Path(os.path.realpath(output))
    if inside.is_relative_to(results):
        raise UsageError(f"The pictures in {folder} would lie among the results in {output}: choose another OUT.")
    nested = results.relative_to(inside) if results.is_relative_to(inside) else None
    found = (path.relative_to(folder) for path in find_images([folder]))
    names = [path.as_posix() for path in found if nested is None or not path.is_relative_to(nested)]
    if not names:
        raise UsageError(f"There are no pictures in {folder}: name a folder that holds some.")
    return names


@contextmanager
def _journal(folder: Path, output: Path) -> Iterator[Journal]:
    path = output / JOURNAL
    others = output.is_dir() and any(one.name != JOURNAL for one in output.iterdir())
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output} cannot be made: {error.strerror}; choose another folder") from error
    if others and not path.is_file():
        raise UsageError(f"{output} {_OTHERS}")
    with Journal(path) as journal:
        if others and not journal.names("source"):
            raise UsageError(f"{output} {_OTHERS}")
        for name in journal.names("write"):
            if not _is_made(output, name):
                raise UsageError(
                    f"{path} names {name!r}, which no run makes: delete the journal, or choose a new folder."
                )
        if journal.names("source") - {source := os.path.realpath(folder)}:
            raise UsageError(f"{output} was prepared from another folder: choose a new one.")
        journal.record("source", source, [], {})
        yield journal


def _is_made(output: Path, name: str) -> bool:
    """Whether a file may be one that a run has made: a JPEG within the folder, and through no link out of it."""
    path, parts = output / name, PurePosixPath(name).parts
    spelt_well = "\0" not in name and os.path.normpath(name) == name.replace("/", os.sep) and ".." not in parts
    if not spelt_well or os.path.isabs(name) or reading.FORMATS.get(path.suffix.lower()) != "JPEG":
        return False
    return Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(output))


# Looking --------------------------------------------------------------------------------------------------------------


def _stamp(path: Path) -> list[int]:
    """What changes when a file does, wherever its folder is moved."""
    return list((stamp(path) or ())[:2])


def _look(folder: Path, name: str, settings: Settings, journal: Journal) -> tuple[str, Look]:
    path, hashed = folder / name, settings.distance is not None
    key = [*_stamp(path), hashed, settings.strict]
    facts = journal.recall("look", name, key)
    if facts is not None:
        return name, Look(**facts)
    look = _seen(path, hashed, settings.strict)
    if look.error is None:  # what went wrong may go well the next time: memory, permissions, a plugin
        journal.record("look", name, key, asdict(look))
    return name, look


def _seen(path: Path, hashed: bool, strict: bool) -> Look:
    size, digest = 0, ""
    try:
        if path.is_file():  # reading from a pipe would never end
            size, digest = path.stat().st_size, presets.sha256(path)
        with reading.opened(path, str(path), reading.MAX_PIXELS, HASHED) as header:
            sides = sorted(header.size)
        image = reading.read_image(path, short_side=HASHED, strict=strict)
        height, width = sides if image.shape[0] < image.shape[1] else reversed(sides)  # as EXIF turns it
        clipped = float(np.mean((image < 4) | (image > 251)))  # compression moves them a little
        hashes = (perceptual_hash(image), perceptual_hash(image[:, ::-1])) if hashed else (0, 0)
        return Look(size, digest, width, height, *hashes, clipped)
    except RotNetError as error:
        return Look(size, digest, error=str(error))
    except Exception as error:  # memory, permissions or a bug in a decoder: the other pictures go on
        return Look(size, digest, error=f"{path} failed: {type(error).__name__}: {error}")


def _check(
    folder: Path,
    names: Iterable[str],
    looks: Mapping[str, Look],
    settings: Settings,
    model: Path,
    journal: Journal,
) -> Iterator[tuple[str, Look]]:
    """Each look with the model's answer."""

    def key(name: str) -> list[Any]:
        return [looks[name].sha256, str(model), *_stamp(model), settings.tolerance]

    def answer(name: str, facts: Mapping[str, Any]) -> tuple[str, Look]:
        return name, replace(looks[name], **facts)

    waiting = []
    for name in names:
        facts = journal.recall("check", name, key(name))
        if facts is None:
            waiting.append(name)
        else:
            yield answer(name, facts)
    paths = (folder / name for name in waiting)
    found = check_files(paths, model, tolerance=settings.tolerance, strict=settings.strict)
    for name, result in zip(waiting, found, strict=True):
        answered = ("angle", "confidence", "upright", "error")
        facts = {field: value for field, value in result.as_dict().items() if field in answered}
        if result.error is None:
            journal.record("check", name, key(name), facts)
        yield answer(name, facts)


# Writing --------------------------------------------------------------------------------------------------------------


def _write(folder: Path, output: Path, row: Row, settings: Settings, journal: Journal) -> Row:
    """Write the picture of a row that is kept, unless it lies there already; the row with the facts of its file."""
    if not row.split:
        return row
    source, target = folder / row.source, output / row.path
    key = [*_stamp(source), settings.short_side, settings.crop_center]
    facts = journal.recall("write", row.path, key)
    if facts is None or _stamp(target)[:1] != [facts["size"]]:
        try:
            image = reading.read_image(source, strict=settings.strict)
        except ImageError as error:  # it could be read a while ago
            return Row(row.source, source=row.source, reason=f"unreadable: {error}")
        prepared = _fitted(image, settings)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not _is_made(output, row.path):
                raise OutputError(f"{target} would lie outside {output}: remove the link that leads there")
            writing.write(prepared, target)
        except OSError as error:
            if errno.ENAMETOOLONG not in (error.errno, getattr(error.__cause__, "errno", None)):
                raise
            return Row(row.source, source=row.source, reason="unwritable: with the new extension its name is too long")
        width, height = prepared.size
        facts = {"sha256": presets.sha256(target), "size": target.stat().st_size, "width": width, "height": height}
        journal.record("write", row.path, key, facts)
    return replace(row, **facts)


def _fitted(image: NDArray[np.uint8], settings: Settings) -> Image.Image:
    side = min(image.shape[:2])
    if settings.crop_center:
        image = crop_around_center(image, side, side)
    picture = Image.fromarray(image)
    if settings.short_side is None or side <= settings.short_side:
        return picture
    scale = settings.short_side / side
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS)  # widened by the scale, so that no detail folds back


def _write_csv(path: Path, columns: list[str], rows: Iterable[Mapping[str, object]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    with writing.atomic_file(path) as file:
        file.write(text.getvalue().encode("utf-8", "surrogateescape"))


def _write_review(path: Path, doubtful: Mapping[str, Look]) -> None:
    surest_first = sorted(doubtful.items(), key=lambda item: item[1].upright or 0.0)
    rows = ({"path": name, **asdict(look)} for name, look in surest_first)
    _write_csv(path, ["path", "angle", "confidence", "upright"], rows)
