"""How good a classifier is, and whether it may well be guessing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotnet.errors import UsageError, require
from rotnet.evaluation.scores import reached_by_chance


def classification_report(
    truth: NDArray[np.int64], probabilities: NDArray[np.floating], classes: Sequence[str]
) -> dict[str, Any]:
    """Precision, recall and F1 of each class, and which classes are taken for which.

    Args:
        truth: `(N,)` positions in `classes`.
        probabilities: `(N, classes)`.
        classes: Names.

    Returns:
        Scikit-learn's report as a dictionary: a row a class, `accuracy`, `macro avg` and `weighted avg`; besides
        `confusion`, a row a true class and a column an answer, and `auc` where there are two classes.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        UsageError: There are no pictures.

    Example:
        >>> report = classification_report(np.array([0, 1]), np.array([[0.9, 0.1], [0.6, 0.4]]), ("cat", "dog"))
        >>> report["accuracy"], report["confusion"]
        (0.5, [[1, 0], [1, 0]])
    """
    if len(truth) == 0:
        raise UsageError("truth must hold at least one picture. Received: no pictures.")
    metrics = require("sklearn.metrics", "train", "a classification report")
    labels, found = range(len(classes)), probabilities.argmax(axis=1)
    report: dict[str, Any] = metrics.classification_report(
        truth, found, labels=labels, target_names=classes, output_dict=True, zero_division=0
    )
    report["confusion"] = metrics.confusion_matrix(truth, found, labels=labels).tolist()
    if len(classes) == 2 and len(set(truth)) == 2:
        report["auc"] = float(metrics.roc_auc_score(truth, probabilities[:, 1]))
    return report


def is_guessing_classes(report: Mapping[str, Any], classes: Sequence[str]) -> bool:
    """Whether answers may well be no better than saying the most frequent class each time.

    Args:
        report: What `classification_report` gives.
        classes: Names.

    Returns:
        False where there are so many more right answers as chance brings about less than once in a hundred times.
    """
    pictures = sum(report[name]["support"] for name in classes)
    share = max(report[name]["support"] for name in classes) / pictures
    return report["accuracy"] <= reached_by_chance(share, pictures)
