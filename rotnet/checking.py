"""Which pictures do not stand upright? A question with two answers, decided by all 360 probabilities.

The most likely angle alone is a poor judge: a picture without a clear up has one as well. What counts is whether the
model finds upright less likely than chance does, for whoever checks a folder expects most of it to be right.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rotnet import images
from rotnet.angles import angle_difference
from rotnet.errors import UsageError
from rotnet.files.predictions import answer_files
from rotnet.inference import AnglePrediction, as_predictor, is_many, predict_angle

__all__ = ["FileCheck", "UprightScores", "check_files", "is_upright", "upright_probability", "upright_scores"]

TOLERANCE = 10.0
FADING = 0.5  # of the tolerance, in which the prior of a tilt beyond it falls to a third


@dataclass(frozen=True)
class FileCheck:
    """What became of one file to check: an answer, or the reason why not.

    Attributes:
        path: The file.
        prediction: The model's answer; None if the file cannot be read.
        upright: Probability that the picture stands upright, see `upright_probability`; None likewise.
        error: Why it cannot be read.
    """

    path: Path
    prediction: AnglePrediction | None = None
    upright: float | None = None
    error: str | None = None

    @property
    def is_wrong(self) -> bool:
        """Whether the picture was read and is more likely turned than upright."""
        return self.upright is not None and self.upright < 0.5

    def as_dict(self) -> dict[str, Any]:
        """`{"path", "angle", "confidence", "upright"}` or `{"path", "error"}`, ready for JSON."""
        if self.prediction is None or self.upright is None:
            return {"path": str(self.path), "error": self.error}
        return {
            "path": str(self.path),
            "angle": round(self.prediction.angle, 3) % 360.0,  # 359.9996 does not become 360
            "confidence": round(self.prediction.confidence, 4),
            "upright": round(self.upright, 4),
        }


@dataclass(frozen=True)
class UprightScores:
    """How well upright pictures are told from wrong ones; a *positive* is a picture that is not upright.

    Attributes:
        pictures: How many were answered for.
        tolerance: Degrees that an upright picture may be off.
        precision: Share of those called wrong that are.
        recall: Share of the wrong ones that are called so.
        accuracy: Share of right answers.
        auc: Area under the receiver operating characteristic: the probability that a wrong picture looks more wrong
            than an upright one.
        false_alarms: Share of the upright ones that are called wrong.
    """

    pictures: int
    tolerance: float
    precision: float
    recall: float
    accuracy: float
    auc: float
    false_alarms: float


def is_upright(image: Any, *, tolerance: float = TOLERANCE, model: Any = "photo", turns: int | None = None) -> Any:
    """Tell whether a picture stands upright.

    Args:
        image: A path, bytes, file object, PIL image or array, as `rotnet.read_image` takes, or a list (or 4-D array) of
            them.
        tolerance: Degrees that an upright picture may be off, in (0, 180).
        model: Name of a preset, path of an `.onnx` or `.keras` file, a `Predictor` or a Keras model.
        turns: As for `rotnet.predict_angle`.

    Returns:
        True where upright is at least as likely as not, see `upright_probability`; a list of answers for a list or a
        4-D array.

    Raises:
        ImageError: A picture cannot be read.
        UsageError: An option is not as described.
        WeightsError: The model cannot be loaded or is none.

    Example:
        >>> is_upright(np.zeros((60, 80, 3), np.uint8)) in (True, False)
        True
    """
    check_tolerance(tolerance)
    answers = predict_angle(image, model=model, turns=turns)
    if is_many(image):
        return [_is_likely(answer, tolerance) for answer in answers]
    return _is_likely(answers, tolerance)


def upright_probability(probabilities: npt.ArrayLike, *, tolerance: float = TOLERANCE) -> npt.NDArray[np.float64]:
    """Probability that a picture stands upright, given that half of all pictures do.

    A model learns from pictures turned by any angle alike, of which few stand upright. Bayes' rule replaces that prior
    by even odds; a model that knows nothing comes out at one half, whatever the tolerance. Just beyond the tolerance
    the prior does not fall at once but fades, to a third within half the tolerance again, so that a small doubt does
    not make a sure tilt upright.

    Args:
        probabilities: `(..., bins)`, one for each part of a turn from 0 on, summing to 1.
        tolerance: Degrees that an upright picture may be off, in (0, 180).

    Returns:
        `(...)` in [0, 1].

    Raises:
        UsageError: The tolerance is out of range.

    Example:
        >>> round(float(upright_probability(np.full(360, 1 / 360))), 6)
        0.5
        >>> float(upright_probability(np.eye(360)[180]))
        0.0
    """
    check_tolerance(tolerance)
    values = np.asarray(probabilities, np.float64)
    bins = values.shape[-1]
    distance = np.asarray(angle_difference(np.arange(bins) * (360.0 / bins), 0.0))
    near = distance <= tolerance
    off = distance - distance[near].max()
    fading = np.where(near, 0.0, np.exp(-np.maximum(off, 0.0) / (FADING * tolerance)))
    # so much likelier than far off that both sides have the same prior in all
    likelier = ((~near).sum() - fading.sum()) / (near.sum() - fading.sum())
    upright = likelier * values[..., near].sum(axis=-1)
    turned = (values * np.where(near, 0.0, 1.0 + (likelier - 1.0) * fading)).sum(axis=-1)
    return np.asarray(upright / np.maximum(upright + turned, np.finfo(np.float64).tiny))


def check_files(
    paths: Iterable[str | Path],
    model: Any = "photo",
    *,
    tolerance: float = TOLERANCE,
    turns: int | None = None,
    max_pixels: int | None = images.MAX_PIXELS,
) -> Iterator[FileCheck]:
    """Check each picture among files and folders; nothing is written.

    Args:
        paths: Files, and folders that are walked.
        model, tolerance, turns: As for `is_upright`.
        max_pixels: Refuse larger pictures; None for no limit.

    Returns:
        One result a file, in order, as they come; a file that cannot be read gives its error and the others go on.

    Raises:
        UsageError: An option is not as described.
        WeightsError: The model cannot be loaded or is none.
    """
    check_tolerance(tolerance)
    return _checks(answer_files(paths, as_predictor(model), turns=turns, max_pixels=max_pixels), tolerance)


def _checks(
    answers: Generator[tuple[Path, AnglePrediction | str], None, None], tolerance: float
) -> Iterator[FileCheck]:
    with closing(answers):
        for path, answer in answers:
            if isinstance(answer, str):
                yield FileCheck(path, error=answer)
            else:
                yield FileCheck(path, answer, float(upright_probability(answer.probabilities, tolerance=tolerance)))


def upright_scores(truth: npt.ArrayLike, upright: npt.ArrayLike, *, tolerance: float = TOLERANCE) -> UprightScores:
    """Summarize how well upright pictures were told from wrong ones.

    Args:
        truth: `(N,)` degrees that the pictures are turned by.
        upright: `(N,)` probabilities that they stand upright.
        tolerance: Degrees that an upright picture may be off.

    Returns:
        The summary; a share of nothing is nan.

    Raises:
        ValueError: The shapes differ, or one of the two kinds is missing.

    Example:
        >>> upright_scores([0.0, 90.0, 180.0, 0.0], [0.9, 0.2, 0.1, 0.3]).precision
        0.6666666666666666
    """
    angles, probability = np.asarray(truth, np.float64), np.asarray(upright, np.float64)
    wrong = np.asarray(angle_difference(angles, 0.0)) > tolerance
    if angles.shape != probability.shape or angles.ndim != 1 or wrong.all() or not wrong.any():
        raise ValueError(
            "truth and upright must be (N,) and hold upright and wrong pictures. "
            f"Received: shapes {angles.shape} and {probability.shape}, {int(wrong.sum())} wrong ones."
        )
    called = probability < 0.5
    hits = int((called & wrong).sum())
    # for each wrong picture, the share of upright ones that look more upright, a tie counting half
    rest = np.sort(probability[~wrong])
    below = np.searchsorted(rest, probability[wrong], "left"), np.searchsorted(rest, probability[wrong], "right")
    return UprightScores(
        pictures=len(angles),
        tolerance=float(tolerance),
        precision=hits / int(called.sum()) if called.any() else float("nan"),
        recall=hits / int(wrong.sum()),
        accuracy=float((called == wrong).mean()),
        auc=float(1 - np.mean(below) / len(rest)),
        false_alarms=float(called[~wrong].mean()),
    )


def _is_likely(answer: AnglePrediction, tolerance: float) -> bool:
    return bool(upright_probability(answer.probabilities, tolerance=tolerance) >= 0.5)


def check_tolerance(tolerance: float) -> None:
    """Raise `UsageError` unless these are degrees that an upright picture may be off."""
    if not 0 < tolerance < 180:
        raise UsageError(f"tolerance must be degrees between 0 and 180. Received: tolerance={tolerance!r}.")
