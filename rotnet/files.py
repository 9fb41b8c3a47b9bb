"""Many files: predict them, or turn a tree of them upright without losing one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotnet import images, writing
from rotnet.angles import angle_difference
from rotnet.correction import turn_back
from rotnet.errors import OutputError, RotNetError, UsageError
from rotnet.inference import Predictor

# a resampling costs more sharpness than a smaller turn gives straightness
UPRIGHT_WITHIN = 0.5
_AHEAD = 16  # pictures decoded while the network answers for those before


@dataclass(frozen=True)
class FilePrediction:
    """What became of one file to predict: an angle and a confidence, or the reason why not."""

    path: Path
    angle: float | None = None
    confidence: float | None = None
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """`{"path", "angle", "confidence"}` or `{"path", "error"}`."""
        if self.error is not None:
            return {"path": str(self.path), "error": self.error}
        return {"path": str(self.path), "angle": round(self.angle or 0.0, 3), "confidence": round(self.confidence or 0.0, 4)}


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
        row = {"path": str(self.path), "target": str(self.target) if self.target else None, "action": self.action}
        numbers = {"angle": _rounded(self.angle, 3), "confidence": _rounded(self.confidence, 4), "error": self.error}
        return {key: value for key, value in (row | numbers).items() if value is not None}


def predict_files(paths: Iterable[str | Path], predictor: Predictor, *, turns: int = 4) -> Iterator[FilePrediction]:
    """Predict the angle of each picture among files and folders.

    Args:
        paths: Files, and folders that are walked.
        predictor: The model.
        turns: As for `Predictor.predict`.

    Yields:
        One result a file, in order; a file that cannot be read gives its error and the others go on.
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
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
        UsageError: Two inputs would share a target, a target is one of the inputs or exists, or there are no inputs.
    """
    output = Path(output)
    targets: dict[Path, Path] = {}
    for given in map(Path, paths):
        inside = images.find_images([given])
        for source in inside:
            if given.is_dir() and _is_within(source, output):
                continue
            targets.setdefault(source, output / (source.relative_to(given) if given.is_dir() else source.name))
    if not targets:
        raise UsageError("There are no pictures to correct: name files, or folders that hold pictures.")
    owners: dict[str, Path] = {}
    inputs = {os.path.realpath(source) for source in targets}
    for source, target in targets.items():
        other = owners.setdefault(str(target).casefold(), source)
        if other is not source:
            raise UsageError(f"{other} and {source} would both become {target}. Correct them into two folders.")
        if os.path.realpath(target) in inputs:
            raise UsageError(f"{target} is itself an input, and originals are never overwritten. Choose another folder.")
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
        except (RotNetError, ValueError) as error:
            yield FileCorrection(found.path, None, "failed", found.angle, found.confidence, str(error))
        else:
            yield FileCorrection(found.path, target, action, found.angle, found.confidence)


def _write(source: Path, target: Path, angle: float | None, crop: str) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target.parent} cannot be made: {error.strerror or error}; choose another folder") from error
    if angle is None:
        writing.copy(source, target)
        return
    original = images.open_pil(source)
    writing.write(turn_back(original, angle, crop=crop), target, like=original)
    times = source.stat()
    os.utime(target, ns=(times.st_atime_ns, times.st_mtime_ns))


def _submit(pool: ThreadPoolExecutor, predictor: Predictor, paths: Iterable[Path]) -> list:
    return [(path, pool.submit(_view_or_reason, predictor, path)) for path in paths]


def _view_or_reason(predictor: Predictor, path: Path) -> NDArray[np.uint8] | str:
    try:
        return predictor.view(path)
    except (RotNetError, MemoryError) as error:
        return str(error) or f"{path} does not fit into memory"


def _is_within(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


__all__ = ["FileCorrection", "FilePrediction", "correct_files", "plan_targets", "predict_files"]
