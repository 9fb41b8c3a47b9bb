"""The angles of many files."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from rotnet.errors import RotNetError
from rotnet.images import reading
from rotnet.images.finding import find_images
from rotnet.images.prefetch import JOBS, ahead, check_jobs
from rotnet.images.raw import picture_in
from rotnet.images.reading import StrPath
from rotnet.inference.allowed_angles import AngleRange
from rotnet.inference.decision import Action
from rotnet.inference.options import Options, Refine, Turns
from rotnet.inference.predictor import DEFAULT, AnglePrediction, Model, Predictor, as_predictor
from rotnet.inference.views import View

_CHUNK = 16  # pictures that the network answers for while the next are decoded

# each file with its answer, or the reason why it has no answer
Answers: TypeAlias = "Generator[tuple[Path, AnglePrediction | str], None, None]"
T = TypeVar("T")


@dataclass(frozen=True)
class FilePrediction:
    """What became of one file to predict: an answer and what `rotnet correct` would do, or the reason why not.

    Attributes:
        path: The file.
        angle: As in `AnglePrediction`; None if the file cannot be read.
        action, reason, confidence: As in `rotnet.inference.decision.Decision`; None likewise.
        error: Why it cannot be read.
    """

    path: Path
    angle: float | None = None
    confidence: float | None = None
    action: Action | None = None
    reason: str | None = None
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The fields that have a value, ready for JSON."""
        return as_row(self)


def predict_files(
    paths: StrPath | Iterable[StrPath],
    *,
    model: Model = "photo",
    turns: Turns | None = None,
    angle_range: AngleRange | None = None,
    right_angles: bool = False,
    refine: Refine | None = "lines",
    max_pixels: int | None = reading.MAX_PIXELS,
    strict: bool = True,
    jobs: int = JOBS,
    contents: Mapping[Path, bytes] | None = None,
) -> Iterator[FilePrediction]:
    """Predict the angle of each picture among files and folders.

    Args:
        paths: A file or folder, or several; folders are walked.
        model: Name of a preset, path of an `.onnx` or `.keras` file, a `rotnet.Predictor` or a Keras model.
        turns: Views that are pooled for an answer: 4 for the picture and its quarter turns, or 1. None takes 1, 2 or
            4, until it is sure.
        angle_range: `(low, high)` degrees to choose the answer from, as `(-15, 15)`; None allows all angles.
        right_angles: Answer 0, 90, 180 or 270 degrees only.
        refine: `"lines"` refines a sure answer by the straight lines of the picture; None leaves what the network says.
        max_pixels: Refuse larger pictures; None for no limit.
        strict: Refuse damaged pictures too; False answers for what is left of them.
        jobs: Threads that decode, each of which holds one picture.
        contents: What is in files that are not read from disk, by their path among `paths`.

    Returns:
        One result a file, in order, as they come; a file that cannot be read gives its error and the others go on.

    Raises:
        UsageError: An option is not as described; before the first result.
        WeightsError: The model cannot be loaded.

    Example:
        >>> [result.path.name for result in predict_files("examples/photos/coffee.jpg")]
        ['coffee.jpg']
    """
    check_jobs(jobs)
    options = Options(turns=turns, angle_range=angle_range, right_angles=right_angles, refine=refine)
    predictor = as_predictor(model)
    predictor.check(options)
    return _predictions(
        answer_files(
            paths, predictor, max_pixels=max_pixels, strict=strict, jobs=jobs, options=options, contents=contents
        ),
        predictor,
        options,
    )


def _predictions(answers: Answers, predictor: Predictor, options: Options) -> Iterator[FilePrediction]:
    with closing(answers):
        for path, answer in answers:
            if isinstance(answer, str):
                yield FilePrediction(path, error=answer)
            else:
                decision = predictor.decide(answer, options)
                yield FilePrediction(path, answer.angle, decision.confidence, decision.action, decision.reason)


def answer_files(
    paths: StrPath | Iterable[StrPath],
    predictor: Predictor,
    *,
    max_pixels: int | None = reading.MAX_PIXELS,
    strict: bool = True,
    jobs: int = JOBS,
    options: Options = DEFAULT,
    contents: Mapping[Path, bytes] | None = None,
) -> Answers:
    """As `predict_files`, but each file with the whole answer, or the reason why it has no answer."""
    held = contents or {}

    def look(path: Path) -> tuple[Path, View | str]:
        try:
            source = reading.named(held[path], _name(path)) if path in held else picture_in(path)
            return path, predictor.view(source, max_pixels=max_pixels, strict=strict)
        except Exception as error:
            return path, why_failed(path, error)

    with closing(ahead(look, find_images(paths), jobs=jobs)) as looked:
        yield from ask(looked, predictor, options)


def _name(path: Path) -> str:
    """What an error calls a file that is not read from disk."""
    return "standard input" if str(path) == "-" else str(path)


def ask(
    looked: Iterable[tuple[T, View | str]], predictor: Predictor, options: Options
) -> Iterator[tuple[T, AnglePrediction | str]]:
    """The answers to pictures, some at a time; a reason why one has no view stands for its answer.

    Args:
        looked: Whatever tells a picture, and its view or the reason.
        predictor: The model.
        options: What is asked of it.
    """
    remaining = iter(looked)
    while chunk := list(islice(remaining, _CHUNK)):
        answers = predictor.predict_views([view for _, view in chunk if not isinstance(view, str)], options)
        for told, view in chunk:
            yield told, view if isinstance(view, str) else next(answers)


def why_failed(path: Path, error: Exception) -> str:
    """Why one file failed. Whatever that is, memory or a bug in a decoder, the other files go on."""
    return str(error) if isinstance(error, RotNetError) else f"{path} failed: {type(error).__name__}: {error}"


def as_row(result: Any) -> dict[str, Any]:
    """The fields of a result that have a value, ready for JSON."""
    values = {field.name: getattr(result, field.name) for field in fields(result)}
    as_json = {
        "angle": lambda angle: round(angle, 3) % 360.0,  # 359.9996 does not become 360
        "confidence": lambda confidence: round(confidence, 4),
        "lost": lambda lost: lost,
    }
    return {name: as_json.get(name, str)(value) for name, value in values.items() if value is not None}
