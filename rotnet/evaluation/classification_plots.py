"""Pictures of what a classifier answers; as in `rotnet.evaluation.figures`, every function returns a figure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rotnet.errors import UsageError
from rotnet.evaluation.figures import ACCENT, QUIET, TRAIN, new_figure, open_frame
from rotnet.images import reading
from rotnet.images.reading import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RIGHT, WRONG = "#1d1d1f", "#d11a2a"


def plot_predictions(
    images: NDArray | Sequence[Source],
    probabilities: NDArray[np.floating],
    classes: Sequence[str],
    *,
    truth: ArrayLike | None = None,
    columns: int = 6,
) -> Figure:
    """Show pictures with the most probable class of each; what is wrong is red.

    Args:
        images: Pictures, each whatever `rotnet.read_image` takes.
        probabilities: `(N, classes)`.
        classes: Names.
        truth: `(N,)` positions in `classes`; None where nobody knows.
        columns: Pictures beside each other.

    Returns:
        A figure with a panel a picture.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: There are no pictures, or not as many as answers.
        ImageError: A picture cannot be read.
    """
    if len(images) == 0 or len(images) != len(probabilities):
        raise UsageError(f"images must have an answer each. Received: {len(images)} and {len(probabilities)} answers.")
    rows = -(-len(images) // columns)
    figure = new_figure(1.9 * columns, 2.3 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    found = np.argmax(probabilities, axis=1)
    known = found if truth is None else np.asarray(truth)
    for axis, image, answer, true, row in zip(axes, images, found, known, probabilities, strict=False):
        axis.imshow(reading.read_image(image), interpolation="antialiased")
        caption = f"{classes[answer]} {row[answer]:.2f}" + ("" if answer == true else f"\nis {classes[true]}")
        axis.set_title(caption, fontsize=9, color=RIGHT if answer == true else WRONG)
    return figure


def plot_confusion(confusion: ArrayLike, classes: Sequence[str]) -> Figure:
    """Show which classes are taken for which.

    Args:
        confusion: `(classes, classes)` counts, a row a true class and a column an answer.
        classes: Names.

    Returns:
        A figure; the shade is the share of the row.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: The counts are not as many as the classes.
    """
    counts = np.asarray(confusion)
    if counts.shape != (len(classes), len(classes)):
        raise UsageError(f"confusion must be a square of {len(classes)}. Received: shape {counts.shape}.")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 2.2 + 0.5 * len(classes)
    figure = new_figure(side, side)
    axis = figure.subplots()
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        ink = "white" if shares[row, column] > 0.5 else "black"
        axis.text(column, row, str(count), ha="center", va="center", color=ink)
    axis.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axis.set_yticks(range(len(classes)), classes)
    axis.set_xlabel("answer")
    axis.set_ylabel("true class")
    return figure


def plot_class_counts(labels: Sequence[ArrayLike], classes: Sequence[str], *, parts: Sequence[str]) -> Figure:
    """Show how many pictures there are of each class: what is rare is learned badly.

    Args:
        labels: For each part, `(N,)` positions in `classes`.
        classes: Names.
        parts: Names of the parts, such as `("training", "test")`.

    Returns:
        A figure with a bar a class, the parts in it above each other.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = new_figure(6.4, 1.4 + 0.3 * len(classes))
    axis = figure.subplots()
    left = np.zeros(len(classes))
    for part, name, color in zip(labels, parts, cycle((TRAIN, ACCENT, QUIET)), strict=False):
        counts = np.bincount(np.asarray(part, np.int64), minlength=len(classes))
        axis.barh(range(len(classes)), counts, left=left, color=color, label=name)
        left += counts
    for row, number in enumerate(left):
        axis.text(number, row, f" {number:.0f}", va="center", fontsize=9)
    axis.set_yticks(range(len(classes)), classes)
    axis.invert_yaxis()
    axis.margins(x=0.1)
    axis.set_xlabel("pictures")
    axis.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(parts))
    open_frame(axis)
    return figure
