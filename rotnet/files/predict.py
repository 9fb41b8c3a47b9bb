"""The angles of many files."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rotnet.errors import RotNetError
from rotnet.images import reading
from rotnet.images.finding import find_images
from rotnet.images.prefetch import JOBS, ahead
from rotnet.inference.predictor import AnglePrediction, Predictor

_CHUNK = 16  # pictures that the network answers for while the next are decoded

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
        return as_row(self)


def predict_files(
    paths: Iterable[str | Path],
    predictor: Predictor,
    *,
    max_pixels: int | None = reading.MAX_PIXELS,
    strict: bool = True,
    jobs: int = JOBS,
    **asked: Any,
) -> Generator[FilePrediction, None, None]:
    """Predict the angle of each picture among files and folders.

    Args:
        paths: Files, and folders that are walked.
        predictor: The model.
        max_pixels, strict: As for `rotnet.read_image`: what is too large, or damaged, gives an error.
        jobs: Threads that decode, each of which holds one picture.
        **asked: `turns`, `angle_range` and `right_angles`, as for `predict_angle`.

    Yields:
        One result a file, in order; a file that cannot be read gives its error and the others go on.
    """
    with closing(answer_files(paths, predictor, max_pixels=max_pixels, strict=strict, jobs=jobs, **asked)) as answers:
        for path, answer in answers:
            if isinstance(answer, str):
                yield FilePrediction(path, error=answer)
            else:
                yield FilePrediction(path, answer.angle, answer.confidence)


def answer_files(
    paths: Iterable[str | Path],
    predictor: Predictor,
    *,
    max_pixels: int | None = reading.MAX_PIXELS,
    strict: bool = True,
    jobs: int = JOBS,
    **asked: Any,
) -> Generator[tuple[Path, AnglePrediction | str], None, None]:
    """As `predict_files`, but each file with the whole answer, or the reason why there is none."""

    def look(path: Path) -> tuple[Path, _ViewOrReason]:
        try:
            return path, predictor.view(path, max_pixels=max_pixels, strict=strict)
        except Exception as error:
            return path, reason(path, error)

    with closing(ahead(look, find_images(paths), jobs=jobs)) as looked:
        while chunk := list(islice(looked, _CHUNK)):
            answers = predictor.predict_views([view for _, view in chunk if not isinstance(view, str)], **asked)
            for path, view in chunk:
                yield path, view if isinstance(view, str) else next(answers)


def reason(path: Path, error: Exception) -> str:
    """Why one file failed. Whatever that is, memory or a bug in a decoder, the other files go on."""
    return str(error) if isinstance(error, RotNetError) else f"{path} failed: {type(error).__name__}: {error}"


def as_row(result: Any) -> dict[str, Any]:
    """The fields of a result that have a value, ready for JSON."""
    values = {field.name: getattr(result, field.name) for field in fields(result)}
    as_json = {
        "angle": lambda angle: round(angle, 3) % 360.0,  # 359.9996 does not become 360
        "confidence": lambda confidence: round(confidence, 4),
    }
    return {name: as_json.get(name, str)(value) for name, value in values.items() if value is not None}
