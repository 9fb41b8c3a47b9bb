"""What a run leaves in its folder for people to look at, and its report."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rotnet.errors import MissingExtraError
from rotnet.evaluation import Evaluation
from rotnet.evaluation.figures import plot_learning_curves
from rotnet.evaluation.plots import show_training_examples, show_worst
from rotnet.images.writing import atomic_file, make_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_log = logging.getLogger(__name__)
CURVES, EXAMPLES, WORST = "learning-curves.png", "examples.png", "worst.png"


def save_learning_curves(logs: Iterable[Path], folder: Path) -> None:
    """Draw the logs of a run's stages into its folder."""
    save_figure(lambda: plot_learning_curves(list(logs)), folder / CURVES)


def save_training_examples(images: NDArray[np.floating], angles: ArrayLike, folder: Path) -> None:
    """Draw pictures as the network sees them into the folder of a run."""
    save_figure(lambda: show_training_examples(images, angles), folder / EXAMPLES)


def save_worst(evaluation: Evaluation, folder: Path) -> None:
    """Draw the worst answers into the folder of a run."""
    save_figure(lambda: show_worst(evaluation), folder / WORST)


def save_figure(draw: Callable[[], Figure], path: Path) -> None:
    """Write a figure as PNG; without Matplotlib it is left out with a warning, for the model is worth more than it."""
    try:
        figure = draw()
    except MissingExtraError as error:
        _log.warning("%s is left out: %s", path, error)
        return
    make_folder(path.parent)
    with atomic_file(path) as file:
        figure.savefig(file, format="png", dpi=120)


def write_report(folder: Path, report: dict[str, Any]) -> dict[str, Any]:
    """Write the report of a run into its folder as `metrics.json`, and give it back."""
    with atomic_file(folder / "metrics.json") as file:
        file.write((json.dumps(report, indent=2) + "\n").encode())
    return report
