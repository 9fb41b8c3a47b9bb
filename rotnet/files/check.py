"""Which pictures in folders do not stand upright?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rotnet.files.predict import Answers, answer_files
from rotnet.images.reading import MAX_PIXELS
from rotnet.inference.decision import Decision
from rotnet.inference.options import Options, Turns
from rotnet.inference.prediction import AnglePrediction
from rotnet.inference.predictor import Model, Predictor, as_predictor
from rotnet.inference.upright import TOLERANCE, check_tolerance, upright_probability


@dataclass(frozen=True)
class FileCheck:
    """What became of one file to check: an answer, or the reason why not.

    Attributes:
        path: The file.
        prediction: The model's answer; None if the file cannot be read.
        decision: What `rotnet correct` would do; None likewise.
        upright: Probability that the picture stands upright, see `upright_probability`; None likewise.
        error: Why it cannot be read.
    """

    path: Path
    prediction: AnglePrediction | None = None
    decision: Decision | None = None
    upright: float | None = None
    error: str | None = None

    @property
    def is_wrong(self) -> bool:
        """Whether the picture was read and is more likely turned than upright."""
        return self.upright is not None and self.upright < 0.5

    def as_dict(self) -> dict[str, Any]:
        """`{"path", "angle", "confidence", "upright", "action", "reason"}` or `{"path", "error"}`, ready for JSON."""
        if self.prediction is None or self.upright is None or self.decision is None:
            return {"path": str(self.path), "error": self.error}
        return {
            "path": str(self.path),
            "angle": round(self.prediction.angle, 3) % 360.0,  # 359.9996 does not become 360
            "confidence": round(self.decision.confidence, 4),
            "upright": round(self.upright, 4),
            "action": self.decision.action,
            "reason": self.decision.reason,
        }


def check_files(
    paths: Iterable[str | Path],
    model: Model = "photo",
    *,
    tolerance: float = TOLERANCE,
    turns: Turns | None = None,
    max_pixels: int | None = MAX_PIXELS,
    strict: bool = True,
    contents: Mapping[Path, bytes] | None = None,
) -> Iterator[FileCheck]:
    """Check each picture among files and folders; nothing is written.

    Args:
        paths: Files, and folders that are walked.
        model: Name of a preset, path of an `.onnx` or `.keras` file, a `rotnet.Predictor` or a Keras model.
        tolerance: Degrees that an upright picture may be off, in (0, 180).
        turns: Views that are pooled for an answer: 4 for the picture and its quarter turns, or 1. None takes 1, 2 or
            4, until it is sure.
        max_pixels: Refuse larger pictures; None for no limit.
        strict: Refuse damaged pictures too; False answers for what is left of them.
        contents: What is in files that are not read from disk, by their path among `paths`.

    Returns:
        One result a file, in order, as they come; a file that cannot be read gives its error and the others go on.

    Raises:
        UsageError: An option is not as described.
        WeightsError: The model cannot be loaded.
    """
    check_tolerance(tolerance)
    predictor, options = as_predictor(model), Options(turns=turns)
    predictor.check(options)
    answers = answer_files(paths, predictor, options=options, max_pixels=max_pixels, strict=strict, contents=contents)
    return _checks(answers, predictor, tolerance)


def _checks(answers: Answers, predictor: Predictor, tolerance: float) -> Iterator[FileCheck]:
    with closing(answers):
        for path, answer in answers:
            if isinstance(answer, str):
                yield FileCheck(path, error=answer)
            else:
                upright = float(upright_probability(answer.probabilities, tolerance=tolerance))
                yield FileCheck(path, answer, predictor.decide(answer), upright)
