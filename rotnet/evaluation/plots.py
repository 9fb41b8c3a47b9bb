"""What was measured, drawn; as in `rotnet.evaluation.figures`, every function returns a figure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from rotnet.errors import UsageError
from rotnet.evaluation.figures import ACCENT, QUIET, TRAIN, new_figure, open_frame
from rotnet.evaluation.measuring import Evaluation
from rotnet.evaluation.scores import angle_curve, calibration_error, quadrants, reliability, risk_coverage
from rotnet.geometry.angles import shown_angle
from rotnet.geometry.lines import level_from_lines
from rotnet.images import reading
from rotnet.images.turning import turn_back

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rotnet.images.reading import Source
    from rotnet.inference.prediction import AnglePrediction

WORST_COLUMNS = 6


def plot_reliability(confidence: ArrayLike, right: ArrayLike, *, bins: int = 10) -> Figure:
    """Show what confidences are worth: the share of right answers over the confidence, on the diagonal if it is honest.

    Args:
        confidence: `(N,)`, N > 0, in [0, 1].
        right: `(N,)` bool, whether the answer was right.
        bins: Points, each of as many answers.

    Returns:
        A figure; bars span two standard errors, the histogram below shows how many answers are how sure.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    sure = np.asarray(confidence, np.float64)
    means, shares, counts = reliability(sure, right, bins=bins)
    figure = new_figure(4.6, 4.8)
    axis, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    axis.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=":")
    spread = 2 * np.sqrt(shares * (1 - shares) / counts)
    axis.errorbar(means, shares, spread, color=ACCENT, marker="o", markersize=4, linewidth=1.2, elinewidth=0.8)
    axis.set_ylim(0, 1.02)
    axis.set_ylabel("share of right answers")
    axis.set_title(f"calibration error {calibration_error(sure, right, bins=bins):.3f}", loc="left")
    below.hist(sure, np.linspace(0, 1, 21), color=TRAIN, edgecolor="white", linewidth=0.5)
    below.set_xlim(0, 1.02)
    below.set_xlabel("confidence")
    below.set_ylabel("answers")
    for one in (axis, below):
        open_frame(one)
    return figure


def plot_level(image: Source, prediction: AnglePrediction) -> Figure:
    """Show what lines say of a picture: the believed ones over the picture as it is, and a grid over it turned back.

    Args:
        image: The picture, as for `rotnet.read_image`.
        prediction: What a model says of it.

    Returns:
        A figure. Without lines to believe the left half shows the picture alone.

    Raises:
        ImageError: The picture cannot be read.
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> from rotnet import Predictor
        >>> image = np.full((90, 120, 3), 200, np.uint8)
        >>> figure = plot_level(image, Predictor("photo").predict(image))
    """
    picture = reading.read_image(image)
    network = prediction.angle - prediction.refined_by
    level = None if prediction.level is None else level_from_lines(picture, up=network)
    figure = new_figure(9, 9 * 0.5 * picture.shape[0] / picture.shape[1] + 0.5)
    before, after = figure.subplots(1, 2)
    before.imshow(picture)
    if level is not None:
        before.plot(level.segments[:, ::2].T, level.segments[:, 1::2].T, color=ACCENT, linewidth=1)
    said = f"{shown_angle(network)} says the network"
    before.set_title(said + (f", {shown_angle(prediction.angle)} with lines" if level else ""), loc="left")
    upright = turn_back(picture, prediction.angle, crop="expand", fill=255)
    after.imshow(upright)
    height, width = upright.shape[:2]
    for share in np.arange(1, 8) / 8:
        after.axhline(share * height - 0.5, color=QUIET, linewidth=0.6)
        after.axvline(share * width - 0.5, color=QUIET, linewidth=0.6)
    after.set_title("turned back", loc="left")
    for axis in (before, after):
        axis.set_axis_off()
        axis.set_anchor("N")
    return figure


def plot_risk_coverage(confidence: ArrayLike, errors: ArrayLike, *, limits: Sequence[float] = (5.0, 10.0)) -> Figure:
    """Show what it costs to act on more answers, the surest first.

    Args:
        confidence: `(N,)`, N > 0.
        errors: `(N,)` distances from the truth, degrees.
        limits: A curve for each: an answer is wrong when its error is larger, degrees.

    Returns:
        A figure with the share of wrong answers over the share of pictures that are acted on.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = new_figure(5.2, 3.8)
    axis = figure.subplots()
    for limit, color in zip(limits, cycle((TRAIN, ACCENT, QUIET)), strict=False):
        coverage, risk, _ = risk_coverage(confidence, np.asarray(errors) > limit)
        axis.plot(100 * coverage, 100 * risk, color=color, label=f"over {limit:g}° wrong")
    axis.set_xlim(0, 100)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("pictures acted on, the surest first (%)")
    axis.set_ylabel("of these, wrong (%)")
    axis.legend(frameon=False, loc="upper left")
    open_frame(axis)
    return figure


def plot_quadrants(truth: ArrayLike, angles: ArrayLike) -> Figure:
    """Show which quarter turns are mistaken for which.

    Args:
        truth, angles: `(N,)` degrees that pictures are turned by, and that were answered.

    Returns:
        A figure with a four by four table of counts, see `rotnet.evaluation.scores.quadrants`; shaded by the share of
        the row.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    counts = quadrants(truth, angles)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = new_figure(3.8, 3.8)
    axis = figure.subplots()
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), number in np.ndenumerate(counts):
        ink = "white" if shares[row, column] > 0.5 else "black"
        text = f"{number}\n{100 * shares[row, column]:.0f} %"
        axis.text(column, row, text, ha="center", va="center", color=ink, fontsize=9)
    names = [shown_angle(angle) for angle in range(0, 360, 90)]
    axis.set_xticks(range(4), names)
    axis.set_yticks(range(4), names)
    axis.set_xlabel("answer")
    axis.set_ylabel("truth")
    axis.set_title(f"right quarter turn {100 * np.trace(counts) / max(counts.sum(), 1):.1f} %", loc="left")
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure


def plot_angle_curve(truth: ArrayLike, angles: ArrayLike, *, parts: int = 24) -> Figure:
    """Show how errors depend on the angle that pictures are turned by.

    Args:
        truth, angles: `(N,)` degrees that pictures are turned by, and that were answered.
        parts: Points around the circle.

    Returns:
        A figure with mean and median error; an honest model is about as good at any angle.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    middles, means, medians = angle_curve(truth, angles, parts=parts)
    figure = new_figure(6.4, 3.4)
    axis = figure.subplots()
    axis.plot(middles, means, color=ACCENT, marker=".", label="mean")
    axis.plot(middles, medians, color=TRAIN, marker=".", label="median")
    axis.set_xlim(-5, 360)
    axis.set_xticks(range(0, 361, 45))
    axis.set_ylim(bottom=0)
    axis.set_xlabel("turned by (degrees)")
    axis.set_ylabel("error (degrees)")
    axis.legend(frameon=False)
    open_frame(axis)
    return figure


def show_worst(evaluation: Evaluation, *, count: int = 12) -> Figure:
    """Show the pictures that a model was most sure of and most wrong about, as it saw them, crooked.

    Args:
        evaluation: What `rotnet.evaluate` found.
        count: How many pictures to show.

    Returns:
        A figure of rows of six pictures, the worst first: by error times confidence, or by error alone where there are
        no confidences. An arrow points where the top of the picture is, a dotted one where the model believes it.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: The evaluation does not know its pictures.
    """
    if not evaluation.trials:
        raise UsageError("evaluation must come from rotnet.evaluate, which knows the pictures. Received: one without.")
    weight = np.nan_to_num(evaluation.confidence, nan=1.0)
    order = np.argsort(-evaluation.errors * weight, kind="stable")
    # each picture at its worst only
    _, first = np.unique([evaluation.trials[number].seed[1] for number in order], return_index=True)
    worst = order[np.sort(first)][:count]
    rows = -(-len(worst) // WORST_COLUMNS)
    figure = new_figure(2.0 * WORST_COLUMNS, 2.45 * rows)
    axes = figure.subplots(rows, WORST_COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, number in zip(axes, worst, strict=False):
        image = reading.read_image(evaluation.trials[number].render())
        axis.imshow(image, interpolation="antialiased")
        height, width = image.shape[:2]
        for angle, style in ((evaluation.truth[number], "-"), (evaluation.angles[number], ":")):
            up = 0.4 * min(height, width) * np.array([-np.sin(np.deg2rad(angle)), -np.cos(np.deg2rad(angle))])
            start = np.array([width, height]) / 2
            for color, thickness in (("black", 3.0), ("white", 1.4)):
                arrow = {"arrowstyle": "->", "linestyle": style, "color": color, "linewidth": thickness}
                axis.annotate("", start + up, start, arrowprops=arrow)
        sure = "" if np.isnan(evaluation.confidence[number]) else f", sure {evaluation.confidence[number]:.2f}"
        caption = f"{shown_angle(evaluation.truth[number])}, answer {shown_angle(evaluation.angles[number])}{sure}"
        axis.set_title(caption, fontsize=8)
    return figure
