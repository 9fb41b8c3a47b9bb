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

from rotnet.errors import UsageError, require
from rotnet.evaluation.measuring import Named
from rotnet.geometry.angles import angle_difference, shown_angle
from rotnet.geometry.warping import generate_rotated_image, rotate
from rotnet.images import reading
from rotnet.images.reading import Source
from rotnet.images.writing import atomic_file
from rotnet.inference.predictor import AnglePrediction, Predictor, as_predictor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRAIN, VALIDATION, ACCENT, QUIET = "#7a8ba3", "#c2410c", "#c2410c", "#77777a"


def display_examples(
    model: Named,
    images: NDArray | Sequence[Source],
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
        crop_center: Take the centre square of each picture first.
        crop_largest_rect: Cut turned pictures to the largest rectangle without empty corners.
        preprocess_func: Called with each float32 batch of pixel values 0 to 255 before a Keras model that was trained
            with preprocessing outside; returns what the model takes.
        save_path: Also write the figure there, in the format its extension names, PNG without one.
        seed: Of the choice and the angles; None draws anew each time.

    Returns:
        A figure of three rows and one column a picture.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: There are no pictures, or `num_images` is not positive.
        ImageError: A picture cannot be read.
        WeightsError: The model cannot be loaded.
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
    upright = [reading.read_image(images[i]) for i in chosen]

    def turned(angle: float, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return generate_rotated_image(image, angle, size, crop_center, crop_largest_rect)

    rotated = [turned(angle, image) for angle, image in zip(angles, upright, strict=True)]
    answers = [prediction.angle for prediction in predictor.predict(rotated)]
    corrected = [
        rotate(image, -answer, crop="fit" if crop_largest_rect else "same")
        for image, answer in zip(rotated, answers, strict=True)
    ]
    figure = new_figure(1.9 * len(chosen) + 0.4, 5.7 * size[0] / size[1] + 1.0)
    axes = figure.subplots(3, len(chosen), squeeze=False)
    for column, (true, answer) in enumerate(zip(angles, answers, strict=True)):
        error = float(angle_difference(true, answer))
        captions = ("original", f"turned by {shown_angle(true)}", f"answer {shown_angle(answer)}\nerror {error:.1f}°")
        shown = (turned(0.0, upright[column]), rotated[column], corrected[column])
        for row, (image, caption) in enumerate(zip(shown, captions, strict=True)):
            axes[row, column].imshow(image, interpolation="antialiased")
            axes[row, column].set_title(caption, fontsize=9)
            axes[row, column].set_axis_off()
    if save_path is not None:
        with atomic_file(save_path) as file:
            figure.savefig(file, format=Path(save_path).suffix.lstrip(".") or "png", dpi=150)
    return figure


def plot_learning_curves(csv_path: str | PathLike[str] | Sequence[str | PathLike[str]]) -> Figure:
    """Plot the log of a training run, a panel a figure, training and validation together.

    Args:
        csv_path: The `log.csv` of a run, as `keras.callbacks.CSVLogger` writes it; or those of its stages, which are
            drawn one after the other.

    Returns:
        A figure with a panel for each column that does not begin with `val_`; angle errors in degrees. Dotted lines
        part the stages.

    Raises:
        MissingExtraError: matplotlib is not installed.
        UsageError: A file is missing, or is not such a log.
    """
    paths = [csv_path] if isinstance(csv_path, (str, PathLike)) else csv_path
    logs = [_read_log(Path(path)) for path in paths]
    if not logs:
        raise UsageError("csv_path must name at least one log. Received: none.")
    lengths = [len(log.pop("epoch")) for log in logs]
    epochs, ends = 1 + np.arange(sum(lengths)), np.cumsum(lengths)[:-1]
    shared = [name for name in logs[0] if all(name in log for log in logs)]
    columns = {name: np.concatenate([log[name] for log in logs]) for name in shared}
    names = [name for name in columns if f"val_{name}" in columns or not name.startswith("val_")]
    figure = new_figure(4.0 * len(names), 3.2)
    for axis, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        axis.plot(epochs, columns[name], color=TRAIN, marker=".", label="training")
        if f"val_{name}" in columns:
            axis.plot(epochs, columns[f"val_{name}"], color=VALIDATION, marker=".", label="validation")
            axis.legend(frameon=False)
        for end in ends:
            axis.axvline(end + 0.5, color=QUIET, linestyle=":", linewidth=1)
        axis.set_title(name.replace("_", " ") + (" (degrees)" if "angle_error" in name else ""), loc="left")
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axis.set_xlim(0.5, len(epochs) + 0.5)
        axis.set_ylim(bottom=0)
        open_frame(axis)
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
    figure = new_figure(6.4, 3.4)
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
    open_frame(axis)
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
    figure = new_figure(4.2, 4.4)
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
    axis.set_title(f"{shown_angle(prediction.angle)}, confidence {prediction.confidence:.2f}", fontsize=11, pad=14)
    return figure


def new_figure(width: float, height: float) -> Any:  # the types of Matplotlib know no polar axes
    """An empty figure of this size in inches, known to nobody else."""
    require("matplotlib", "train", "plotting")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def open_frame(axis: Axes) -> None:
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
