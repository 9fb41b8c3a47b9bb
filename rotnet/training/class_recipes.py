"""Classifiers of one's own pictures: any classes, or upright and wrong; taught, measured and drawn."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from rotnet.datasets import Labelled, split_class_folders, split_photos
from rotnet.datasets.augmentation import Augmentation
from rotnet.errors import WeightsError
from rotnet.evaluation.classification_plots import plot_class_counts, plot_confusion, plot_predictions
from rotnet.models import BACKBONES, build_classifier, load_rotation_model
from rotnet.models.transfer import unknown_backbone, usual_weights
from rotnet.training.classification import (
    UPRIGHT_CLASSES,
    LabelledBatches,
    Tilted,
    UprightBatches,
    teach,
)
from rotnet.training.devices import Devices, several_devices
from rotnet.training.metrics import BinaryAUC
from rotnet.training.progress import Say, watched
from rotnet.training.run_folder import check_run_folder, mark_run
from rotnet.training.run_pictures import save_figure, save_learning_curves

_log = logging.getLogger(__name__)
MISCLASSIFIED = "misclassified.png"
SHARES = (0.7, 0.2, 0.1)  # of the pictures: to learn from, to choose the best epoch by, to measure on


def run_classifier(
    folder: str | Path,
    output: str | Path,
    *,
    backbone: str = "rotnet",
    pretrained: bool = True,
    rotation_model: str = "photo",
    size: int = 192,
    frozen_epochs: int = 10,
    epochs: int = 10,
    batch_size: int = 32,
    seed: int = 0,
    workers: int = 2,
    devices: Devices = None,
    say: Say | None = None,
) -> dict[str, Any]:
    """Teach a network the classes of a folder, measure it and save it.

    Args:
        folder: Holds a folder of pictures for each class; 70 % of them are learned from, 20 % choose the best epoch,
            10 % measure, unless the `manifest.csv` of `rotnet prepare` in it says which.
        output: Where the run lives, outside of `folder`; new, empty, or of an earlier such run, which is replaced. It
            receives `model.keras`, `classes.json`, `metrics.json`, `learning-curves.png`, `class-counts.png`,
            `confusion.png` and, if there are mistakes, `misclassified.png`.
        backbone: A name in `rotnet.models.BACKBONES`, or `"rotnet"` for the one of `rotation_model`, which has learned
            which way pictures are up.
        pretrained: Whether the backbone has learned from ImageNet; the small ones never have.
        rotation_model: A preset, or the file of a model, that `"rotnet"` takes its backbone from.
        size: Side of the square pictures, pixels.
        frozen_epochs: Most epochs that only the last layer learns.
        epochs: Most epochs that all learns then. A backbone with random weights learns as a whole in both.
        batch_size: Pictures in a step.
        seed: Of everything drawn.
        workers: Threads that prepare pictures.
        devices: What learns, as `rotnet.training.devices.several_devices` takes it.
        say: Takes a line for a person after each epoch; None leaves telling to Keras.

    Returns:
        The `rotnet.evaluation.classification_scores.classification_report`.

    Raises:
        UsageError: The folder holds too little, `output` something else, or an option is not as described.
        WeightsError: The weights to begin with cannot be had.
    """
    output, shape = Path(output), (size, size, 3)
    check_run_folder(output, "classifier", pictures=folder)
    keras.utils.set_random_seed(seed)
    learn, val, test = split_class_folders(folder, SHARES, seed=seed)
    classes = learn.classes
    weights = usual_weights(backbone) if pretrained else None
    common: dict[str, Any] = {"input_shape": shape, "batch_size": batch_size, "seed": seed, "workers": workers}
    with several_devices(devices), watched(say) as told:
        if backbone == "rotnet":
            model = build_classifier(load_rotation_model(rotation_model), len(classes), input_shape=shape)
        else:
            model = build_classifier(backbone, len(classes), input_shape=shape, weights=weights)
        mark_run(output, "classifier")
        report = teach(
            model,
            classes,
            LabelledBatches(learn, shuffle=True, augmentation=Tilted(tilt=10.0), **common),
            LabelledBatches(val, same_every_epoch=True, **common),
            output,
            test=LabelledBatches(test, same_every_epoch=True, **common),
            draw=lambda truth, answers: _draw_misclassified(test, truth, answers, size, output / MISCLASSIFIED),
            **_stages(frozen_epochs, epochs, taught=backbone == "rotnet" or weights is not None),
            **told,
        )
    save_learning_curves([output / "log.csv"], output)
    save_figure(lambda: plot_confusion(report["confusion"], classes), output / "confusion.png")
    labels = [part.labels for part in (learn, val, test)]
    parts = ("training", "validation", "test")
    save_figure(lambda: plot_class_counts(labels, classes, parts=parts), output / "class-counts.png")
    return report


def _stages(frozen_epochs: int, epochs: int, *, taught: bool) -> dict[str, int]:
    """Epochs for `fit_classifier`; what has learned nothing yet is not worth freezing, and learns as long in all."""
    if taught:
        return {"frozen_epochs": frozen_epochs, "epochs": epochs}
    return {"frozen_epochs": 0, "epochs": frozen_epochs + epochs}


def _draw_misclassified(
    test: Labelled, truth: NDArray[np.int64], answers: NDArray[np.float32], size: int, path: Path
) -> None:
    """Draw pictures with a wrong answer as the network saw them; without mistakes, no file is left."""
    path.unlink(missing_ok=True)
    wrong = _misclassified(truth, answers)
    if len(wrong):
        images, _ = LabelledBatches(test.take(wrong), (size, size, 3), batch_size=len(wrong))[0]
        save_figure(
            lambda: plot_predictions(images.astype(np.uint8), answers[wrong], test.classes, truth=truth[wrong]), path
        )


def _misclassified(truth: NDArray[np.int64], answers: NDArray[np.float32], *, count: int = 24) -> NDArray[np.int64]:
    """Numbers of pictures with a wrong answer; one of each class in turn, so that none fills all."""
    wrong = np.flatnonzero(answers.argmax(axis=1) != truth)
    turns = zip_longest(*(wrong[truth[wrong] == label] for label in np.unique(truth[wrong])))
    return np.array([one for turn in turns for one in turn if one is not None][:count], np.int64)


def compare_classifiers(
    folder: str | Path, output: str | Path, backbones: Sequence[str], *, say: Say | None = None, **options: Any
) -> dict[str, dict[str, Any]]:
    """Teach several backbones the same classes.

    Args:
        folder, say: As for `run_classifier`.
        **options: More of its arguments.
        output: Holds a folder for each run, named by the backbone.
        backbones: Each as for `run_classifier`.

    Returns:
        By backbone, the report of each. One whose weights cannot be had, offline say, is left out with a warning: no
        other network takes its name.

    Raises:
        UsageError: As for `run_classifier`.
        WeightsError: None of them could be taught.
    """
    for backbone in backbones:  # before hours go by with those that are named before it
        if backbone not in (*BACKBONES, "rotnet"):
            raise unknown_backbone(backbone, also=["rotnet"])
    for backbone in backbones:
        check_run_folder(Path(output, backbone), "classifier", pictures=folder)
    reports = {}
    failed = None
    for backbone in dict.fromkeys(backbones):
        if say is not None and len(backbones) > 1:
            say(f"{backbone}:")
        try:
            reports[backbone] = run_classifier(folder, Path(output, backbone), backbone=backbone, say=say, **options)
        except WeightsError as error:
            failed = error
            if len(backbones) > 1:
                _log.warning("%s is left out: %s", backbone, error)
    if not reports and failed is not None:
        raise failed
    return reports


def upright_streams(
    folder: str | Path, shape: tuple[int, int, int], *, batch_size: int = 32, seed: int = 0, workers: int = 2
) -> tuple[keras.utils.PyDataset, keras.utils.PyDataset]:
    """Pictures and answers (0 upright, 1 wrong) to learn from, and others to measure on.

    Args:
        folder: Upright pictures, which are shown as they are and turned by any angle; or two folders, `upright` and
            `wrong`, with pictures that somebody has sorted.
        shape: `(height, width, 3)`, pixels.
        batch_size: Pictures in a step, even.
        seed: Of everything drawn.
        workers: Threads that prepare pictures.

    Raises:
        UsageError: The folder holds too little.
    """
    common: dict[str, Any] = {"input_shape": shape, "batch_size": batch_size, "seed": seed, "workers": workers}
    if all(Path(folder, name).is_dir() for name in UPRIGHT_CLASSES):
        train, val = split_class_folders(folder, (0.8, 0.2), seed=seed)
        return (
            LabelledBatches(train, shuffle=True, augmentation=Tilted(tilt=2.0), **common),
            LabelledBatches(val, shuffle=True, same_every_epoch=True, **common),
        )
    split = split_photos(folder, val_share=0.2)
    return (
        UprightBatches(split.train, shuffle=True, augmentation=Augmentation(), **common),
        UprightBatches(split.val, same_every_epoch=True, **common),
    )


def run_upright(
    folder: str | Path,
    output: str | Path,
    *,
    backbone: str = "efficientnet_lite0",
    weights: str | None = "imagenet",
    size: int = 224,
    frozen_epochs: int = 10,
    epochs: int = 10,
    batch_size: int = 32,
    seed: int = 0,
    workers: int = 2,
    devices: Devices = None,
    say: Say | None = None,
) -> dict[str, Any]:
    """Teach a network to tell upright pictures from those that are not, measure it and save it.

    Args:
        folder, batch_size, seed, workers: As for `upright_streams`.
        output: Where the run lives, outside of `folder`; new, empty, or of an earlier such run, which is replaced. It
            receives `model.keras`, `classes.json`, `metrics.json`, `learning-curves.png` and `predictions.png` (wrong
            answers in red).
        backbone: A name in `rotnet.models.BACKBONES`.
        weights: None for random weights, `"imagenet"` for a backbone that has learned from ImageNet, but for the small
            ones, which never have.
        size: Side of the square pictures, pixels.
        frozen_epochs: Most epochs that only the last layer learns.
        epochs: Most epochs that all learns then. A backbone with random weights learns as a whole in both.
        devices: What learns, as `rotnet.training.devices.several_devices` takes it.
        say: Takes a line for a person after each epoch; None leaves telling to Keras.

    Returns:
        The `rotnet.evaluation.classification_scores.classification_report`.

    Raises:
        UsageError: The folder holds too little, `output` something else, or an option is not as described.
        WeightsError: The weights to begin with cannot be had.
    """
    output, shape = Path(output), (size, size, 3)
    check_run_folder(output, "upright", pictures=folder)
    keras.utils.set_random_seed(seed)
    learn, val = upright_streams(folder, shape, batch_size=batch_size, seed=seed, workers=workers)
    weights = weights and usual_weights(backbone)
    with several_devices(devices), watched(say) as told:
        model = build_classifier(backbone, len(UPRIGHT_CLASSES), input_shape=shape, weights=weights)
        mark_run(output, "upright")
        report = teach(
            model,
            UPRIGHT_CLASSES,
            learn,
            val,
            output,
            **_stages(frozen_epochs, epochs, taught=weights is not None),
            draw=lambda truth, answers: _draw_first(val, truth, answers, output / "predictions.png"),
            metrics=["accuracy", BinaryAUC()],
            monitor="val_auc",
            **told,
        )
    save_learning_curves([output / "log.csv"], output)
    return report


def _draw_first(
    batches: keras.utils.PyDataset, truth: NDArray[np.int64], answers: NDArray[np.float32], path: Path
) -> None:
    """Draw the first batch with the answers to it; `truth` and `answers` go on with the other batches."""
    images = batches[0][0].astype(np.uint8)
    shown = slice(len(images))
    save_figure(lambda: plot_predictions(images, answers[shown], UPRIGHT_CLASSES, truth=truth[shown]), path)
