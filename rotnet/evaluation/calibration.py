"""What a model's confidence is worth, and which pictures it should leave alone: the figures of a `ModelCard`."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rotnet.evaluation.measuring import Evaluation
from rotnet.inference.model_card import HARMLESS_WITHIN, LEAST_MASS


def calibrate(mass: ArrayLike, right: ArrayLike) -> tuple[float, float]:
    """Fit the logistic that maps probability mass to the share of right answers (Platt, 1999).

    Args:
        mass: `(N,)` probability mass near the answer, in [0, 1].
        right: `(N,)` bool, whether the answer was right.

    Returns:
        Slope and intercept over the log-odds of the mass.

    Example:
        >>> mass = np.repeat([0.2, 0.8], 100)
        >>> slope, intercept = calibrate(mass, np.arange(200) % 10 < np.repeat([2, 8], 100))
        >>> round(slope, 1)
        1.0
    """
    odds, was_right = _log_odds(mass), np.asarray(right, bool)
    design = np.stack([odds, np.ones_like(odds)], axis=1)
    # Platt's targets keep the fit finite when the classes are separable
    positives = int(was_right.sum())
    target = np.where(was_right, (positives + 1) / (positives + 2), 1 / (len(was_right) - positives + 2))
    weights = np.array([1.0, 0.0])
    for _ in range(50):
        share = _logistic(design @ weights)
        curvature = (design * (share * (1 - share))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (target - share))
        weights = weights + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-8:
            break
    return float(weights[0]), float(weights[1])


def held_out_confidence(
    mass: ArrayLike, right: ArrayLike, picture: ArrayLike, *, folds: int = 5, seed: int = 0
) -> NDArray[np.float64]:
    """Confidences from calibrations that have not seen the picture: what `calibrate` is worth on others.

    Args:
        mass: `(N,)` probability mass near the answer, in [0, 1].
        right: `(N,)` bool, whether the answer was right.
        picture: `(N,)` which picture each answer is about; all those about one are held out together.
        folds: Parts that the pictures are divided into.
        seed: Of the division.

    Returns:
        `(N,)` in [0, 1].
    """
    values, was_right = np.asarray(mass, np.float64), np.asarray(right, bool)
    pictures, number = np.unique(picture, return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(len(pictures)) % folds)[number]
    confidence = np.empty(len(values))
    for held_out in range(folds):
        now = fold == held_out
        slope, intercept = calibrate(values[~now], was_right[~now])
        confidence[now] = _logistic(slope * _log_odds(values[now]) + intercept)
    return confidence


def largest_harmless(upright: Evaluation, *, min_confidence: float, at_most: float = 1 / 500) -> float:
    """The most that a model may believe in upright for a picture still to be turned.

    Args:
        upright: Answers to pictures that stand upright.
        min_confidence: Pictures answered with less are left alone anyway.
        at_most: The share of pictures turned by more than 5 degrees must stay below this.

    Returns:
        The `max_upright` of a `rotnet.inference.model_card.ModelCard`, in [0, 1].
    """
    harmful = (upright.confidence >= min_confidence) & (upright.errors > HARMLESS_WITHIN)
    doubts = np.sort(upright.upright[harmful])
    allowed = math.ceil(at_most * len(harmful)) - 1
    if allowed >= len(doubts):
        return 1.0
    # rounded down, and below the first picture too many
    return max(0.0, (math.ceil(1e5 * float(doubts[allowed])) - 1) / 1e5)


def _logistic(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.clip(values, -30, 30)))


def _log_odds(share: ArrayLike) -> NDArray[np.float64]:
    clipped = np.clip(np.asarray(share, np.float64), LEAST_MASS, 1 - LEAST_MASS)
    return np.log(clipped / (1 - clipped))
