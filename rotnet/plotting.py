"""Pictures for people: what a model does, how it learned, where it errs.

Every function returns a `matplotlib.figure.Figure` that belongs to the caller: nothing is shown and no global state of
pyplot is touched. Save it with `figure.savefig("name.png")`; in a notebook, after `%matplotlib inline`, it shows itself
as the last line of a cell.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rotnet import images as pictures
from rotnet.angles import angle_difference
from rotnet.errors import UsageError, require
from rotnet.evaluation.measuring import Evaluation
from rotnet.evaluation.scores import angle_curve, calibration_error, quadrants, reliability, risk_coverage
from rotnet.geometry import generate_rotated_image, rotate
from rotnet.inference import AnglePrediction, Predictor, as_predictor
from rotnet.writing import atomic_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORST_COLUMNS = 6
TRAIN, VALIDATION, ACCENT, QUIET = "#7a8ba3", "#c2410c", "#c2410c", "#77777a"


def display_examples(
    model: Any,
    images: NDArray[Any] | Sequence[Any],
    num_images: int = 5,
    size: tuple[int, int] | None = None,
    crop_center: bool = False,
    crop_largest_rect: bool = False,
    preprocess_func: Callable[[NDArray[np.float32]], Any] | None = None,
    save_path: str | PathLike[str] | None = None,
    *,
    seed: int | None = None,
) -> Figure:
    """Turn some upright pictures at random and show what a model makes of them.

    A column a picture: as it is, turned by a random angle, and turned back by the model's answer.

    Args:
        model: Name of a preset, path of an `.onnx` or `.keras` file, a `rotnet.Predictor` or a Keras model.
        images: Upright pictures: an array `(N, H, W)` or `(N, H, W, C)`, or a sequence of whatever `rotnet.read_image`
            takes, such as paths.
        num_images: How many to show, drawn without repetition; fewer where there are fewer.
        size: `(height, width)` of the pictures, pixels; None for the size the model looks at.
        crop_center, crop_largest_rect: As for `rotnet.generate_rotated_image`.
        preprocess_func: As for `rotnet.Predictor`, for a model trained with preprocessing outside.
        save_path: Also write the figure there, in the format its extension names, PNG without one.
        seed: Of the choice and the angles; None draws anew each time.

    Returns:
        A figure of three rows and one column a picture.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: There are no pictures, or `num_images` is not positive.
        ImageError: A picture cannot be read.
        WeightsError: The model cannot be loaded or is none.
        OutputError: `save_path` cannot be written.

    Example:
        >>> upright = np.zeros((3, 60, 80, 3), np.uint8)
        >>> len(display_examples("photo", upright, num_images=2, seed=0).axes)
        6
    """
    if len(images) == 0 or num_images < 1:
        raise UsageError(
            "images must hold at least one picture and num_images be at least 1. "
            f"Received: {len(images)} images, num_images={num_images}."
        )
    predictor = as_predictor(model) if preprocess_func is None else Predictor(model, preprocess_func=preprocess_func)
    size = size or predictor.input_size
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(images), min(num_images, len(images)), replace=False)
    angles = rng.uniform(0.0, 360.0, len(chosen))
    upright = [pictures.read(images[i]) for i in chosen]

    def turned(angle: float, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return generate_rotated_image(image, angle, size, crop_center, crop_largest_rect)

    rotated = [turned(angle, image) for angle, image in zip(angles, upright, strict=True)]
    answers = [prediction.angle for prediction in predictor.predict(rotated)]
    corrected = [
        rotate(image, -answer, crop="inscribed" if crop_largest_rect else "same")
        for image, answer in zip(rotated, answers, strict=True)
    ]
    figure = _figure(1.9 * len(chosen) + 0.4, 5.7 * size[0] / size[1] + 1.0)
    axes = figure.subplots(3, len(chosen), squeeze=False)
    for column, (true, answer) in enumerate(zip(angles, answers, strict=True)):
        error = float(angle_difference(true, answer))
        captions = ("original", f"turned by {true:.1f}°", f"answer {answer:.1f}°\nerror {error:.1f}°")
        shown = (turned(0.0, upright[column]), rotated[column], corrected[column])
        for row, (image, caption) in enumerate(zip(shown, captions, strict=True)):
            axes[row, column].imshow(image, interpolation="antialiased")
            axes[row, column].set_title(caption, fontsize=9)
            axes[row, column].set_axis_off()
    if save_path is not None:
        with atomic_file(save_path) as file:
            figure.savefig(file, format=Path(save_path).suffix.lstrip(".") or "png", dpi=150)
    return figure


def plot_learning_curves(csv_path: str | PathLike[str]) -> Figure:
    """Plot the log of a training run, a panel a figure, training and validation together.

    Args:
        csv_path: The `log.csv` of a run, as `keras.callbacks.CSVLogger` writes it.

    Returns:
        A figure with a panel for each column that does not begin with `val_`; angle errors in degrees.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: The file is missing, or is not such a log.
    """
    columns = _read_log(Path(csv_path))
    epochs = columns.pop("epoch") + 1
    names = [name for name in columns if f"val_{name}" in columns or not name.startswith("val_")]
    figure = _figure(4.0 * len(names), 3.2)
    for axis, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        axis.plot(epochs, columns[name], color=TRAIN, marker=".", label="training")
        if f"val_{name}" in columns:
            axis.plot(epochs, columns[f"val_{name}"], color=VALIDATION, marker=".", label="validation")
            axis.legend(frameon=False)
        axis.set_title(name.replace("_", " ") + (" (degrees)" if "angle_error" in name else ""), loc="left")
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_ylim(bottom=0)
        _open(axis)
    return figure


def plot_error_histogram(errors: ArrayLike, *, bin_width: float = 5.0) -> Figure:
    """Show how errors are distributed, with their mean, median and the share that is worse than a quarter turn.

    Args:
        errors: `(N,)` distances from the truth, degrees in [0, 180].
        bin_width: Degrees a bar.

    Returns:
        A figure; its vertical axis is logarithmic, for the few pictures that are upside down matter as well.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: There are no errors, one is out of range, or `bin_width` is not positive.
    """
    values = np.asarray(errors, np.float64).ravel()
    if values.size == 0 or not ((values >= 0) & (values <= 180)).all():
        raise UsageError("errors must hold at least one number, all in [0, 180] degrees.")
    if not 0 < bin_width <= 180:
        raise UsageError(f"bin_width must be in (0, 180] degrees. Received: bin_width={bin_width}.")
    edges = np.append(np.arange(0.0, 180.0, bin_width), 180.0)
    figure = _figure(6.4, 3.4)
    axis = figure.subplots()
    counts, _, _ = axis.hist(values, edges, color=TRAIN, edgecolor="white", linewidth=0.5)
    mean, median = float(values.mean()), float(np.median(values))
    axis.axvline(mean, color=ACCENT, label=f"mean {mean:.1f}°")
    axis.axvline(median, color=ACCENT, linestyle=":", label=f"median {median:.1f}°")
    axis.set_yscale("log")
    axis.set_ylim(0.5, 2.0 * counts.max())
    axis.set_xlim(0, 180)
    axis.set_xticks(range(0, 181, 30))
    axis.set_xlabel("error (degrees)")
    axis.set_ylabel("pictures")
    axis.set_title(f"{values.size:,} pictures, {100 * (values > 90).mean():.1f} % over 90°", loc="left")
    axis.legend(frameon=False)
    _open(axis)
    return figure


def prediction_dial(prediction: AnglePrediction) -> Figure:
    """Draw the probabilities of all angles on a dial: 0 at the top, counter-clockwise as the picture is turned.

    Args:
        prediction: What `rotnet.predict_angle` answers.

    Returns:
        A figure with one polar axis; a line marks the answer.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    probabilities = prediction.probabilities
    bins = len(probabilities)
    figure = _figure(4.2, 4.4)
    axis = figure.subplots(subplot_kw={"projection": "polar"})
    axis.set_theta_zero_location("N")
    # the square root lets a second opinion be seen beside a sharp peak
    heights = np.sqrt(np.append(probabilities, probabilities[0]))
    around = np.linspace(0.0, 2.0 * np.pi, bins + 1)
    axis.plot(around, heights, color=TRAIN, linewidth=1)
    axis.fill(around, heights, color=TRAIN, alpha=0.4, linewidth=0)
    axis.plot(np.deg2rad([prediction.angle] * 2), [0.0, heights.max()], color=ACCENT, linewidth=1.5)
    axis.set_ylim(0, 1.05 * heights.max())
    axis.set_yticklabels([])
    axis.set_xticks(np.deg2rad(np.arange(0, 360, 45)))
    axis.grid(color="#e5e5e5")
    axis.set_title(f"{prediction.angle:.1f}°, confidence {prediction.confidence:.2f}", fontsize=11, pad=14)
    return figure


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
    figure = _figure(4.6, 4.8)
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
        _open(one)
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
    figure = _figure(5.2, 3.8)
    axis = figure.subplots()
    for limit, color in zip(limits, (TRAIN, ACCENT, QUIET), strict=False):
        coverage, risk, _ = risk_coverage(confidence, np.asarray(errors) > limit)
        axis.plot(100 * coverage, 100 * risk, color=color, label=f"over {limit:g}° wrong")
    axis.set_xlim(0, 100)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("pictures acted on, the surest first (%)")
    axis.set_ylabel("of these, wrong (%)")
    axis.legend(frameon=False, loc="upper left")
    _open(axis)
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
    figure = _figure(3.8, 3.8)
    axis = figure.subplots()
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), number in np.ndenumerate(counts):
        ink = "white" if shares[row, column] > 0.5 else "black"
        text = f"{number}\n{100 * shares[row, column]:.0f} %"
        axis.text(column, row, text, ha="center", va="center", color=ink, fontsize=9)
    names = [f"{angle}°" for angle in range(0, 360, 90)]
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
    figure = _figure(6.4, 3.4)
    axis = figure.subplots()
    axis.plot(middles, means, color=ACCENT, marker=".", label="mean")
    axis.plot(middles, medians, color=TRAIN, marker=".", label="median")
    axis.set_xlim(-5, 360)
    axis.set_xticks(range(0, 361, 45))
    axis.set_ylim(bottom=0)
    axis.set_xlabel("turned by (degrees)")
    axis.set_ylabel("error (degrees)")
    axis.legend(frameon=False)
    _open(axis)
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
    figure = _figure(2.0 * WORST_COLUMNS, 2.45 * rows)
    axes = figure.subplots(rows, WORST_COLUMNS, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, number in zip(axes, worst, strict=False):
        image = pictures.read(evaluation.trials[number].render())
        axis.imshow(image, interpolation="antialiased")
        height, width = image.shape[:2]
        for angle, style in ((evaluation.truth[number], "-"), (evaluation.angles[number], ":")):
            up = 0.4 * min(height, width) * np.array([-np.sin(np.deg2rad(angle)), -np.cos(np.deg2rad(angle))])
            start = np.array([width, height]) / 2
            for color, thickness in (("black", 3.0), ("white", 1.4)):
                arrow = {"arrowstyle": "->", "linestyle": style, "color": color, "linewidth": thickness}
                axis.annotate("", start + up, start, arrowprops=arrow)
        sure = "" if np.isnan(evaluation.confidence[number]) else f", sure {evaluation.confidence[number]:.2f}"
        caption = f"{evaluation.truth[number]:.0f}°, answer {evaluation.angles[number]:.0f}°{sure}"
        axis.set_title(caption, fontsize=8)
    return figure


def _figure(width: float, height: float) -> Any:
    require("matplotlib", "train", "plotting")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _open(axis: Any) -> None:
    """Leave out the two sides of a frame that carry no scale."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(colors=QUIET)


def _read_log(path: Path) -> dict[str, NDArray[np.float64]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        columns = {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, IndexError, csv.Error) as error:
        raise UsageError(f"{path} must be the log.csv of a training run, but it cannot be read: {error}") from error
    if "epoch" not in columns or len(columns) < 2:
        raise UsageError(f"{path} must have the column epoch and at least one more. Received: {sorted(columns)}.")
    return columns
