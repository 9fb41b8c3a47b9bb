"""Numbers about many answers: arrays in, figures out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rotnet.geometry.angles import angle_difference, signed_difference, wrap_angle

SURE = 2.5  # standard deviations


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
class LevelScores:
    """Small errors of many answers to pictures whose truth is known to a fraction of a degree.

    Attributes:
        within_quarter, within_half, within_1, within_2: Share with an error no larger than so many degrees.
        auc_1, auc_5, auc_10: Area under the share of pictures over the error, up to 1, 5 and 10 degrees, as
            a share of the largest possible: 1 is no error at all. GeoCalib (Veicht et al., 2024) and its predecessors
            count roll so.
    """

    within_quarter: float
    within_half: float
    within_1: float
    within_2: float
    auc_1: float
    auc_5: float
    auc_10: float


def level_score(errors: ArrayLike) -> LevelScores:
    """Summarize small errors.

    Args:
        errors: `(N,)` degrees in [0, 180], N > 0.

    Returns:
        The summary.

    Raises:
        ValueError: There are no errors.

    Example:
        >>> level_score([0.0, 0.5, 3.0]).auc_1  # recall is 1/3 from 0 on and 2/3 from half a degree on
        0.5
    """
    values = np.asarray(errors, np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"errors must be (N,), N > 0. Received: shape {values.shape}.")
    within = [float((values <= limit).mean()) for limit in (0.25, 0.5, 1.0, 2.0)]
    # a picture adds to the recall from its error on: what is left of the limit, as a share of it
    area = [float(np.maximum(limit - values, 0.0).mean() / limit) for limit in (1.0, 5.0, 10.0)]
    return LevelScores(*within, *area)


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


def is_guessing(scores: Scores) -> bool:
    """Whether answers may well be guesses, with angles drawn evenly from the whole circle.

    The error of a guess is then spread evenly from 0 to 180 degrees. Answers are better than that if their mean error
    is so low, or the share within 10 degrees so high, as chance brings about less than once in a hundred times each.

    Example:
        >>> is_guessing(score([20.0, 90.0, 180.0, 270.0], [0.0] * 4)), is_guessing(score([80.0] * 9, [82.0] * 9))
        (True, False)
    """
    spread, close = 180 / 12**0.5, 10 / 180
    mean = 90 - SURE * spread / scores.pictures**0.5
    return scores.mean > mean and scores.within_10 < reached_by_chance(close, scores.pictures)


def reached_by_chance(share: float, pictures: int) -> float:
    """The share of so many pictures that one right with the probability `share` exceeds once in a hundred times.

    Example:
        >>> reached_by_chance(0.5, 100)
        0.625
    """
    return share + SURE * (share * (1 - share) / pictures) ** 0.5


def quadrants(truth: ArrayLike, angles: ArrayLike) -> NDArray[np.int64]:
    """Count which quarter turn pictures were given, by the one they had.

    Args:
        truth, angles: `(N,)` degrees.

    Returns:
        `(4, 4)` counts: a row for the quarter turn nearest to the truth, a column for the one that the answer amounts
        to, itself plus the error to the nearest quarter turn.

    Example:
        >>> quadrants([2.0, 95.0], [1.0, 275.0]).tolist()
        [[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]
    """
    rows = np.round(np.asarray(wrap_angle(truth)) / 90.0).astype(int) % 4
    columns = (rows + np.round(np.asarray(signed_difference(angles, truth)) / 90.0).astype(int)) % 4
    counts = np.zeros((4, 4), np.int64)
    np.add.at(counts, (rows, columns), 1)
    return counts


def angle_curve(
    truth: ArrayLike, angles: ArrayLike, *, parts: int = 24
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """How errors depend on the angle that pictures are turned by.

    Args:
        truth, angles: `(N,)` degrees.
        parts: Equal parts of the circle, the first centred on 0 degrees.

    Returns:
        `(parts,)` middles of the parts, degrees, and mean and median error in each, NaN where there are no pictures.

    Example:
        >>> angle_curve([359.0, 180.0], [1.0, 170.0], parts=4)[1].tolist()
        [2.0, nan, 10.0, nan]
    """
    errors = np.asarray(angle_difference(truth, angles))
    width = 360.0 / parts
    part = np.floor(np.asarray(wrap_angle(np.asarray(truth) + width / 2)) / width).astype(int)
    inside = [errors[part == number] for number in range(parts)]
    means, medians = (
        np.array([of(some) if len(some) else np.nan for some in inside], np.float64) for of in (np.mean, np.median)
    )
    return width * np.arange(parts, dtype=np.float64), means, medians


def reliability(
    confidence: ArrayLike, right: ArrayLike, *, bins: int = 10
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """What answers of like confidence are worth, over bins of as many pictures each (Naeini and others, 2015).

    Args:
        confidence: `(N,)`, N > 0, in [0, 1].
        right: `(N,)` bool, whether the answer was right.
        bins: How many; fewer where there are fewer answers.

    Returns:
        By bin, from the least sure on: mean confidence, share of right answers, number of answers.

    Example:
        >>> reliability([0.2, 0.9, 0.8], [False, True, True], bins=1)[1].round(2).tolist()
        [0.67]
    """
    sure, was_right = np.asarray(confidence, np.float64), np.asarray(right, np.float64)
    parts = [part for part in np.array_split(np.argsort(sure, kind="stable"), bins) if len(part)]
    means, shares = (np.array([values[part].mean() for part in parts]) for values in (sure, was_right))
    return means, shares, np.array([len(part) for part in parts])


def calibration_error(confidence: ArrayLike, right: ArrayLike, *, bins: int = 10) -> float:
    """Expected calibration error, in [0, 1]: the mean distance from the diagonal of `reliability`.

    With few answers a bin, chance alone makes it large, whatever the model.

    Example:
        >>> calibration_error([1.0, 1.0], [True, True])
        0.0
    """
    means, shares, counts = reliability(confidence, right, bins=bins)
    return float(np.average(np.abs(means - shares), weights=counts))


def risk_coverage(
    confidence: ArrayLike, wrong: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """What it costs to act on more and more answers, the surest first (El-Yaniv and Wiener, 2010).

    Args:
        confidence: `(N,)`, N > 0.
        wrong: `(N,)` bool.

    Returns:
        `(N,)` each: coverage, the share acted on; risk, the share of these that is wrong; the least confidence of
        these.

    Example:
        >>> coverage, risk, least = risk_coverage([0.9, 0.5], [False, True])
        >>> risk.tolist()
        [0.0, 0.5]
    """
    sure = np.asarray(confidence, np.float64)
    order = np.argsort(-sure, kind="stable")
    number = np.arange(1, len(sure) + 1)
    return number / len(sure), np.cumsum(np.asarray(wrong, np.float64)[order]) / number, sure[order]


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


def upright_scores(truth: ArrayLike, upright: ArrayLike, *, tolerance: float = 10.0) -> UprightScores:
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
