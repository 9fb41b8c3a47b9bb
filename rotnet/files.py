"""Many files: predict them, or turn a tree of them upright without losing one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rotnet import images, writing
from rotnet.angles import angle_difference
from rotnet.correction import turn_back
from rotnet.errors import ImageError, OutputError, RotNetError, UsageError
from rotnet.inference import Predictor

__all__ = ["FileCorrection", "FilePrediction", "correct_files", "plan_targets", "predict_files"]

# degrees; a smaller turn is below what the model can tell, and costs sharpness: the picture is copied as it is
UPRIGHT_WITHIN = 2.0
_AHEAD = 16  # pictures decoded while the network answers for those before
_DECODERS = min(4, os.cpu_count() or 1)  # each holds a picture in full

# what a picture becomes on its way to the network, or why it does not
_ViewOrReason: TypeAlias = "NDArray[np.uint8] | str"


@dataclass(frozen=True)
class FilePrediction:
    """What became of one file to predict: an angle and a confidence, or the reason why not."""

    path: Path
    angle: float | None = None
    confidence: float | None = None
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """`{"path", "angle", "confidence"}` or `{"path", "error"}`."""
        return _as_row(self)


@dataclass(frozen=True)
class FileCorrection:
    """What became of one file to correct.

    Attributes:
        path: The input.
        target: Where its successor lies; None if it failed.
        action: `"turned"`, `"upright"` (it stood upright already), `"unsure"` (not confident enough) or `"failed"`. All
            but the first and last are byte-for-byte copies.
        angle, confidence: Of the prediction; None if it failed before.
        error: Why it failed.
    """

    path: Path
    target: Path | None
    action: str
    angle: float | None = None
    confidence: float | None = None
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The fields that have a value, ready for JSON."""
        return _as_row(self)


def predict_files(paths: Iterable[str | Path], predictor: Predictor, *, turns: int = 4) -> Iterator[FilePrediction]:
    """Predict the angle of each picture among files and folders.

    Args:
        paths: Files, and folders that are walked.
        predictor: The model.
        turns: As for `Predictor.predict`.

    Yields:
        One result a file, in order; a file that cannot be read gives its error and the others go on.
    """
    pool = ThreadPoolExecutor(_DECODERS)
    try:
        remaining = images.find_images(paths)
        ahead = _submit(pool, predictor, islice(remaining, _AHEAD))
        while ahead:
            chunk, ahead = ahead, _submit(pool, predictor, islice(remaining, _AHEAD))
            outcomes = [(path, future.result()) for path, future in chunk]
            answers = predictor.predict_views([view for _, view in outcomes if not isinstance(view, str)], turns=turns)
            for path, view in outcomes:
                if isinstance(view, str):
                    yield FilePrediction(path, error=view)
                else:
                    answer = next(answers)
                    yield FilePrediction(path, answer.angle, answer.confidence)
    finally:  # whoever stops early does not wait for what is still in the queue
        pool.shutdown(cancel_futures=True)


def plan_targets(paths: Iterable[str | Path], output: str | Path, *, overwrite: bool = False) -> dict[Path, Path]:
    """Decide where the successor of each input goes, before anything is written.

    A folder's sub-folders are mirrored under `output`; a file named by itself goes straight into it.

    Args:
        paths: Files and folders.
        output: Folder of the results; need not exist.
        overwrite: Whether files that are there may be replaced.

    Returns:
        Target by input, in order.

    Raises:
        OutputError: `output` cannot be a folder, or may not be written to.
        UsageError: Two inputs would share a target, a target is one of the inputs or exists, or there are no inputs.
    """
    output = Path(output)
    _check_output(output)
    targets: dict[Path, Path] = {}
    for given in map(Path, paths):
        # results that lie among the inputs are not corrected once more
        nested = output if _is_within(output, given) and not _is_within(given, output) else None
        is_folder = os.path.isdir(given)
        for source in images.find_images([given]):
            if nested is None or not _is_within(source, nested):
                targets.setdefault(source, output / (source.relative_to(given) if is_folder else source.name))
    if not targets:
        raise UsageError("There are no pictures to correct: name files, or folders that hold pictures.")
    owners: dict[str, Path] = {}
    inputs = {os.path.realpath(source) for source in targets}
    for source, target in targets.items():
        other = owners.setdefault(str(target).casefold(), source)
        if other is not source:
            raise UsageError(f"{other} and {source} would both become {target}. Correct them into two folders.")
        if os.path.realpath(target) in inputs:
            raise UsageError(f"{target} is itself an input, and originals are never overwritten: choose another OUT.")
        if os.path.lexists(target) and not overwrite:
            raise UsageError(f"{target} is there already. Choose another folder, or --overwrite it.")
    return targets


def correct_files(
    targets: dict[Path, Path],
    predictor: Predictor,
    *,
    turns: int = 4,
    crop: str = "inscribed",
    min_confidence: float | None = None,
) -> Iterator[FileCorrection]:
    """Turn pictures upright into new files; what is not turned is copied byte for byte.

    Args:
        targets: Target by input, from `plan_targets`; folders are made when needed.
        predictor: The model.
        turns: As for `Predictor.predict`.
        crop: As for `correct_rotation`.
        min_confidence: Below it a picture is left as it is; None takes the model's own threshold.

    Yields:
        One result a file, in order; one that fails gives its error and the others go on.
    """
    threshold = predictor.card.min_confidence if min_confidence is None else min_confidence
    for found in predict_files(targets, predictor, turns=turns):
        target = targets[found.path]
        if found.error is not None or found.angle is None or found.confidence is None:
            yield FileCorrection(found.path, None, "failed", error=found.error)
            continue
        if found.confidence < threshold:
            action = "unsure"
        else:
            action = "upright" if angle_difference(found.angle, 0.0) <= UPRIGHT_WITHIN else "turned"
        try:
            _write(found.path, target, found.angle if action == "turned" else None, crop)
        except Exception as error:
            reason = _reason(found.path, error)
            yield FileCorrection(found.path, None, "failed", found.angle, found.confidence, reason)
        else:
            yield FileCorrection(found.path, target, action, found.angle, found.confidence)


def _write(source: Path, target: Path, angle: float | None, crop: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"{target.parent} cannot be made: {reason}; choose another folder") from error
    if angle is None:
        writing.copy(source, target)
        return
    times = source.stat()
    frames = _count_frames(source)
    if frames > 1:
        raise ImageError(f"{source} holds {frames} pictures, of which turning would lose all but the first")
    original = images.open_pil(source)
    writing.write(turn_back(original, angle, crop=crop), target, like=original)
    with suppress(OSError):  # some network and memory-card file systems
        os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))


def _count_frames(source: Path) -> int:
    """Frames or pages of a file; the further pictures of an MPO are previews and maps of the first."""
    with images.open_file(source) as file, Image.open(file, formats=images.readable_formats()) as opened:
        return 1 if opened.format == "MPO" else int(getattr(opened, "n_frames", 1))


def _submit(
    pool: ThreadPoolExecutor, predictor: Predictor, paths: Iterable[Path]
) -> list[tuple[Path, Future[_ViewOrReason]]]:
    return [(path, pool.submit(_view_or_reason, predictor, path)) for path in paths]


def _view_or_reason(predictor: Predictor, path: Path) -> _ViewOrReason:
    try:
        return predictor.view(path)
    except Exception as error:
        return _reason(path, error)


def _reason(path: Path, error: Exception) -> str:
    """Why one file failed. Whatever that is, memory or a bug in a decoder, the other files go on."""
    return str(error) if isinstance(error, RotNetError) else f"{path} failed: {type(error).__name__}: {error}"


def _check_output(output: Path) -> None:
    """Refuse at once what would fail for every picture."""
    nearest = next(folder for folder in (output, *output.parents) if os.path.lexists(folder))
    if not nearest.is_dir():
        raise OutputError(f"{output} cannot be made: {nearest} is not a folder; choose another one")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise OutputError(f"{output} cannot be written: {nearest} is read-only for you; choose another folder")


def _is_within(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _as_row(result: FilePrediction | FileCorrection) -> dict[str, Any]:
    """The fields that have a value, ready for JSON."""
    values = {field.name: getattr(result, field.name) for field in fields(result)}
    as_json = {
        "angle": lambda angle: round(angle, 3) % 360.0,  # 359.9996 does not become 360
        "confidence": lambda confidence: round(confidence, 4),
    }
    return {name: as_json.get(name, str)(value) for name, value in values.items() if value is not None}
