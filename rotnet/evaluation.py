"""How good a model really is: errors on saved, truly crooked pictures, and what its confidence is worth."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rotnet import images as pictures
from rotnet.angles import angle_difference
from rotnet.errors import ImageError, UsageError
from rotnet.geometry import rotate
from rotnet.inference import AnglePrediction, Predictor, as_predictor

PROTOCOLS = ("memory", "files", "twice", "noise")
JPEG_QUALITY = 90


@dataclass(frozen=True)
class Scores:
    """Errors of many answers, degrees around the circle, or shares of the pictures.

    Attributes:
        pictures: How many were answered.
        mean, median, p90, p95: Of the error, degrees.
        within_2, within_5, within_10: Share with an error no larger than so many degrees.
        gross: Share with an error over 45 degrees.
        flipped: Share with an error over 90 degrees.
        quadrant: Share whose answer falls into the right one of the four quarter turns, plus or minus 45 degrees.
    """

    pictures: int
    mean: float
    median: float
    p90: float
    p95: float
    within_2: float
    within_5: float
    within_10: float
    gross: float
    flipped: float
    quadrant: float


@dataclass(frozen=True)
class Evaluation:
    """Every answer of one measurement, `(N,)` arrays, and their summary."""

    truth: NDArray[np.float64]
    angles: NDArray[np.float64]
    confidence: NDArray[np.float64]
    mass: NDArray[np.float64]
    scores: Scores


def score(truth: Iterable[float], angles: Iterable[float]) -> Scores:
    """Summarize the errors of answers.

    Args:
        truth: `(N,)` degrees.
        angles: `(N,)` degrees that were answered.

    Returns:
        The summary.

    Raises:
        ValueError: There are no answers, or not as many as truths.

    Example:
        >>> score([0.0, 10.0], [1.0, 351.0]).mean
        10.0
    """
    true, found = np.asarray(list(truth), np.float64), np.asarray(list(angles), np.float64)
    if true.shape != found.shape or true.ndim != 1 or len(true) == 0:
        raise ValueError(f"truth and angles must be (N,), N > 0. Received: shapes {true.shape} and {found.shape}.")
    errors = np.asarray(angle_difference(true, found))
    shares = {f"within_{limit}": float((errors <= limit).mean()) for limit in (2, 5, 10)}
    return Scores(
        pictures=len(errors),
        mean=float(errors.mean()),
        median=float(np.median(errors)),
        p90=float(np.percentile(errors, 90)),
        p95=float(np.percentile(errors, 95)),
        gross=float((errors > 45).mean()),
        flipped=float((errors > 90).mean()),
        quadrant=float((errors < 45).mean()),
        **shares,
    )


def evaluate(
    model: Any,
    upright: Sequence[Any],
    *,
    protocol: str = "files",
    turns: int = 4,
    seed: int = 0,
    repeats: int = 1,
    angles: Sequence[float] | None = None,
) -> Evaluation:
    """Turn upright pictures by known angles and measure what a model answers.

    Args:
        model: As for `predict_angle`.
        upright: Upright pictures, whatever `rotnet.read_image` takes, each. Those that cannot be read are left out.
        protocol: `"files"` rotates at full resolution, crops to the inscribed rectangle, saves as JPEG of quality 90
            and reads that file; `"memory"` does not save; `"twice"` saves a crooked file, then rotates and saves that
            one again; `"noise"` takes white noise of the pictures' sizes, on which an honest model is at chance,
            90 degrees.
        turns: As for `predict_angle`.
        seed: Of the angles, uniform in [0, 360).
        repeats: How many angles each picture is turned by.
        angles: Fixed angles instead, one a picture and repeat.

    Returns:
        The answers and their summary.

    Raises:
        UsageError: The protocol is unknown, or there are no pictures.
    """
    if protocol not in PROTOCOLS:
        raise UsageError(f"protocol must be one of {PROTOCOLS}. Received: protocol={protocol!r}.")
    predictor = as_predictor(model)
    chosen = [picture for picture in upright for _ in range(repeats)]
    if not chosen:
        raise UsageError("upright must hold at least one picture. Received: none.")
    turned_by = np.random.default_rng(seed).uniform(0, 360, len(chosen)) if angles is None else np.asarray(angles)
    with _views(predictor, chosen, turned_by, protocol, seed) as views:
        pairs = [(angle, view) for angle, view in zip(turned_by, views, strict=True) if view is not None]
    truth = np.array([angle for angle, _ in pairs])
    return _evaluation(predictor, truth, predictor.predict_views((view for _, view in pairs), turns=turns))


def evaluate_views(
    model: Any, crooked: Iterable[NDArray[np.uint8]], truth: NDArray[np.float64], *, turns: int = 4
) -> Evaluation:
    """Measure a model on pictures that are crooked already, such as rotated digits."""
    predictor = as_predictor(model)
    return _evaluation(predictor, truth, predictor.predict(crooked, turns=turns))


def calibrate(mass: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit the logistic that maps probability mass to the share of right answers (Platt, 1999).

    Args:
        mass: `(N,)` probability mass near the answer, in [0, 1].
        right: `(N,)` whether the answer was right.

    Returns:
        Slope and intercept over the log-odds of the mass.

    Example:
        >>> mass = np.repeat([0.2, 0.8], 100)
        >>> slope, intercept = calibrate(mass, np.arange(200) % 10 < np.repeat([2, 8], 100))
        >>> round(slope, 1)
        1.0
    """
    odds = _log_odds(mass)
    design = np.stack([odds, np.ones_like(odds)], axis=1)
    # Platt's targets keep the fit finite when the classes are separable
    positives = int(right.sum())
    target = np.where(right, (positives + 1) / (positives + 2), 1 / (len(right) - positives + 2))
    weights = np.array([1.0, 0.0])
    for _ in range(50):
        share = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        curvature = (design * (share * (1 - share))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (target - share))
        weights = weights + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-8:
            break
    return float(weights[0]), float(weights[1])


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_], *, bins: int = 10) -> float:
    """Expected calibration error over bins of as many pictures each (Naeini and others, 2015), in [0, 1].

    Example:
        >>> calibration_error(np.array([1.0, 1.0]), np.array([True, True]))
        0.0
    """
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [abs(float(confidence[part].mean() - right[part].mean())) * len(part) for part in parts]
    return float(sum(gaps) / len(order))


def least_harmful_threshold(
    upright: Evaluation, *, harm: float = 10.0, at_most: float = 1 / 100, floor: float = 0.3
) -> float:
    """The lowest confidence at which few enough upright pictures would be harmed.

    Args:
        upright: Answers to pictures that stand upright.
        harm: A picture is harmed when it is turned by more than this, degrees.
        at_most: The share of harmed pictures must stay below this.
        floor: No threshold is lower.

    Returns:
        A confidence in [floor, 1].
    """
    harmful = np.asarray(angle_difference(upright.angles, 0.0)) > harm
    confident = np.sort(upright.confidence[harmful])[::-1]
    allowed = math.ceil(at_most * len(harmful)) - 1
    if allowed >= len(confident):
        return floor
    return max(floor, min(1.0, math.ceil(confident[allowed] * 100 + 0.5) / 100))


def rates(crooked: Evaluation, upright: Evaluation, threshold: float) -> dict[str, float]:
    """What a threshold does: shares of upright pictures turned by over 5 and 10 degrees, and of crooked ones turned at
    all, to within 5 degrees of upright, and over 10 degrees wrong."""
    acted, error = crooked.confidence >= threshold, np.asarray(angle_difference(crooked.truth, crooked.angles))
    harm = np.where(upright.confidence >= threshold, angle_difference(upright.angles, 0.0), 0.0)
    return {
        "min_confidence": threshold,
        "upright_turned_over_5": float((harm > 5).mean()),
        "upright_turned_over_10": float((harm > 10).mean()),
        "crooked_turned": float(acted.mean()),
        "crooked_corrected": float((acted & (error <= 5)).mean()),
        "turned_wrongly": float((acted & (error > 10)).mean()),
    }


def right(evaluation: Evaluation, *, tolerance: float = 10.0) -> NDArray[np.bool_]:
    """Which answers are within the tolerance of the truth, `(N,)`."""
    return np.asarray(angle_difference(evaluation.truth, evaluation.angles)) <= tolerance


def summary(evaluation: Evaluation) -> dict[str, float]:
    """Scores and calibration error of an evaluation, rounded for a report."""
    error = calibration_error(evaluation.confidence, right(evaluation))
    values = asdict(evaluation.scores) | {"calibration_error": error}
    return {key: value if isinstance(value, int) else round(value, 4) for key, value in values.items()}


def _evaluation(predictor: Predictor, truth: NDArray[np.float64], predictions: Iterable[AnglePrediction]) -> Evaluation:
    answers = list(predictions)
    angles = np.array([answer.angle for answer in answers])
    return Evaluation(
        truth=truth,
        angles=angles,
        confidence=np.array([answer.confidence for answer in answers]),
        mass=np.array([predictor.card.mass(answer.probabilities, answer.angle) for answer in answers]),
        scores=score(truth, angles),
    )


@contextmanager
def _views(
    predictor: Predictor, upright: Sequence[Any], angles: NDArray[np.float64], protocol: str, seed: int
) -> Iterator[Iterable[NDArray[np.uint8] | None]]:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:

        def view(number: int) -> NDArray[np.uint8] | None:
            rng = np.random.default_rng((seed, number))
            try:
                image = pictures.read(upright[number])
            except ImageError:
                return None
            if protocol == "noise":
                image = rng.integers(0, 256, image.shape, dtype=np.uint8)
            angle = float(angles[number])
            if protocol == "twice":
                first = float(rng.uniform(0, 360))
                image = pictures.read(_saved(_crooked(image, first), Path(folder, f"{number}-first.jpg")))
                angle -= first
            turned = _crooked(image, angle)
            return predictor.view(turned if protocol == "memory" else _saved(turned, Path(folder, f"{number}.jpg")))

        yield pool.map(view, range(len(upright)))


def _crooked(image: NDArray[np.uint8], angle: float) -> NDArray[np.uint8]:
    return rotate(image, angle, crop="inscribed", interpolation="cubic")


def _saved(image: NDArray[np.uint8], path: Path) -> Path:
    Image.fromarray(image).save(path, quality=JPEG_QUALITY)
    return path


def _log_odds(share: NDArray[np.float64]) -> NDArray[np.float64]:
    share = np.clip(share, 1e-6, 1 - 1e-6)
    return np.log(share / (1 - share))
