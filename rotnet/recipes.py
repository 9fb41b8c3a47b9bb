"""What the shipped presets are made by: data, network and plan put together, then exported, calibrated and measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from rotnet.angles import angle_difference
from rotnet.augmentation import UNDEGRADED, Augmentation, DigitAugmentation
from rotnet.datasets import load_mnist, load_photos, rotated_mnist, split_photos
from rotnet.errors import UsageError
from rotnet.evaluation import (
    calibrate,
    evaluate,
    evaluate_views,
    least_harmful_threshold,
    rates,
    right,
    summary,
)
from rotnet.export import export_onnx, set_metadata
from rotnet.generators import RotNetDataGenerator
from rotnet.inference import Predictor
from rotnet.models.mnist import mnist_cnn_large
from rotnet.models.transfer import build_model, copy_weights, freeze
from rotnet.training import Plan, fit


@dataclass(frozen=True)
class Stage:
    """A part of a run at one resolution.

    Attributes:
        size: Side of the square pictures, pixels.
        plan: Settings.
        freeze_before: Layers of the backbone before the first of this name stay as they are; None teaches all.
    """

    size: int
    plan: Plan
    freeze_before: str | None = None


def train_photos(
    folder: str | Path,
    output: str | Path,
    *,
    backbone: str = "efficientnet_lite0",
    weights: str | None = "imagenet",
    stages: Sequence[Stage],
    dropout: float = 0.2,
    workers: int = 2,
    verbose: int = 2,
) -> keras.Model:
    """Teach a backbone which way is up from a folder of upright photographs.

    Args:
        folder: Upright photographs; see `rotnet.datasets.split_photos` for how it is divided.
        output: Where the run lives; each stage has a folder of its own in it. Started again, the run goes on.
        backbone, weights, dropout: As for `rotnet.build_model`.
        stages: Taken in order, each starting from the weights of the one before.
        workers: Threads that prepare pictures.
        verbose: As for `keras.Model.fit`.

    Returns:
        The model of the last stage, with its best weights.

    Raises:
        UsageError: The folder has no pictures to learn from or to measure on, or there are no stages.
    """
    if not stages:
        raise UsageError("stages must hold at least one Stage. Received: none.")
    split = split_photos(folder)
    models = [_network(stage, backbone, weights if stage is stages[0] else None, dropout) for stage in stages]
    largest = max(stage.size for stage in stages)
    upright = {side: load_photos(getattr(split, side), short_side=2 * largest) for side in ("train", "val")}
    taught = None
    for number, (stage, model) in enumerate(zip(stages, models, strict=True), start=1):
        shape, plan = (stage.size, stage.size, 3), stage.plan
        keras.utils.set_random_seed(plan.seed)
        if taught is not None:
            copy_weights(taught, model)
        common: dict[str, Any] = {"input_shape": shape, "batch_size": plan.batch_size, "sigma": plan.sigma}
        train = RotNetDataGenerator(
            upright["train"], shuffle=True, seed=plan.seed, augmentation=Augmentation(), workers=workers, **common
        )
        val = RotNetDataGenerator(
            upright["val"], seed=plan.seed, augmentation=UNDEGRADED, same_every_epoch=True, **common
        )
        taught = fit(model, train, val, plan, Path(output, f"stage{number}"), verbose=verbose)
    return taught


def _network(stage: Stage, backbone: str, weights: str | None, dropout: float) -> keras.Model:
    keras.utils.set_random_seed(stage.plan.seed)
    model = build_model(backbone, input_shape=(stage.size, stage.size, 3), weights=weights, dropout=dropout)
    if stage.freeze_before:
        freeze(model, stage.freeze_before)
    return model


@dataclass(frozen=True)
class DigitStage:
    """A part of a run on digits.

    Attributes:
        plan: Settings.
        dropout: As for `rotnet.models.mnist_cnn_large`.
        augmentation: How digits are varied.
    """

    plan: Plan
    dropout: float
    augmentation: DigitAugmentation


# the recipe of the preset `mnist`: first strongly varied, then less; weights/README.md says how the shipped run differs
MNIST_STAGES = (
    DigitStage(Plan(epochs=20, batch_size=128, learning_rate=1e-3), 0.3, DigitAugmentation()),
    DigitStage(Plan(epochs=14, batch_size=128, learning_rate=7e-4, seed=1), 0.15, DigitAugmentation(gain=(0.8, 1.25))),
)
MNIST_HELD_BACK = 2000


def train_mnist(
    output: str | Path,
    *,
    data: str | Path | None = None,
    stages: Sequence[DigitStage] = MNIST_STAGES,
    workers: int = 1,
    verbose: int = 2,
) -> keras.Model:
    """Teach `rotnet.models.mnist_cnn_large` which way MNIST digits are up.

    The last 2,000 of the 60,000 training digits choose the best epoch; the test digits are never seen.

    Args:
        output: Where the run lives, a folder for each stage; started again, it goes on.
        data: An `mnist.npz`; see `rotnet.datasets.load_mnist`.
        stages: Taken in order, each starting from the weights of the one before.
        workers: Threads that prepare digits.
        verbose: As for `keras.Model.fit`.

    Returns:
        The model with the best weights of the last stage.
    """
    if not stages:
        raise UsageError("stages must hold at least one DigitStage. Received: none.")
    (digits, _), _ = load_mnist(data)
    taught, held_back = _hold_back(digits)
    model = None
    for number, stage in enumerate(stages, start=1):
        plan = stage.plan
        keras.utils.set_random_seed(plan.seed)
        fresh = mnist_cnn_large(dropout=stage.dropout)
        if model is not None:
            copy_weights(model, fresh)
        common: dict[str, Any] = {"color_mode": "grayscale", "batch_size": plan.batch_size}
        common |= {"seed": plan.seed, "sigma": plan.sigma}
        train = RotNetDataGenerator(taught, shuffle=True, augmentation=stage.augmentation, workers=workers, **common)
        val = RotNetDataGenerator(held_back, same_every_epoch=True, **common)
        model = fit(fresh, train, val, plan, Path(output, f"stage{number}"), verbose=verbose)
    return model


# the recipe of the preset `photo`; weights/README.md says where the shipped run differs
PHOTO_STAGES = ("160:12:1e-3:stage3", "192:8:5e-4:stage3")


def parse_stage(text: str, *, batch_size: int = 32, sigma: float = 3.0, seed: int = 0) -> Stage:
    """Read `SIZE:EPOCHS:RATE[:FREEZE_BEFORE]`.

    Raises:
        UsageError: The text has another form.

    Example:
        >>> parse_stage("160:12:1e-3:stage3").plan.epochs
        12
    """
    try:
        size, epochs, rate, freeze_before, *more = [*text.split(":"), ""]
        if any(more) or min(int(size), int(epochs)) < 1:
            raise ValueError(text)
        plan = Plan(epochs=int(epochs), learning_rate=float(rate), batch_size=batch_size, sigma=sigma, seed=seed)
        return Stage(int(size), plan, freeze_before or None)
    except ValueError as error:
        raise UsageError(f"A stage must be SIZE:EPOCHS:RATE[:FREEZE_BEFORE], as 160:12:1e-3. Got: {text}") from error


def run_photos(
    folder: str | Path,
    output: str | Path,
    *,
    backbone: str = "efficientnet_lite0",
    stages: Sequence[str] | None = None,
    seed: int = 0,
    weights: str | None = "imagenet",
) -> dict[str, Any]:
    """Train on a folder of upright photographs, export the model, calibrate and measure it.

    Args:
        folder, output, backbone, weights: As for `train_photos`.
        stages: Each as `parse_stage` reads it; None as the preset `photo` was trained.
        seed: Of everything drawn.

    Returns:
        The report that is also written to `metrics.json`; the model lies beside it as `model.onnx`.
    """
    output = Path(output)
    plan = [parse_stage(text, seed=seed) for text in stages or PHOTO_STAGES]
    model = train_photos(folder, output, backbone=backbone, weights=weights, stages=plan)
    exported = export_onnx(model, output / "model.onnx")
    report = calibrate_photos(exported, split_photos(folder).val, seed=seed)
    return _write_report(output, report)


def calibrate_photos(exported: str | Path, val: Sequence[Path], *, seed: int = 0, repeats: int = 4) -> dict[str, Any]:
    """Measure an exported model on saved crooked files and write what its confidence is worth into the file.

    Args:
        exported: `.onnx` file; its metadata is replaced.
        val: Upright photographs that the model has not learned from.
        seed: Of the angles; the figures come from other angles than the calibration.
        repeats: Angles a photograph is turned by, for the calibration.

    Returns:
        Scores by protocol and number of turns, and what the default threshold does.
    """
    card: dict[str, Any] = {"calibration": {}}
    for turns in (1, 4):
        found = evaluate(Predictor(exported), val, turns=turns, seed=seed + 1, repeats=repeats)
        card["calibration"][str(turns)] = calibrate(found.mass, right(found))
    set_metadata(exported, card)
    predictor = Predictor(exported)
    upright = evaluate(predictor, val, angles=[0.0] * len(val))
    crooked = evaluate(predictor, val, seed=seed)
    card["min_confidence"] = least_harmful_threshold(upright)
    set_metadata(exported, card)
    report: dict[str, Any] = {"files": summary(crooked)}
    report["files_one_turn"] = summary(evaluate(predictor, val, seed=seed, turns=1))
    for protocol in ("memory", "twice", "noise"):
        report[protocol] = summary(evaluate(predictor, val, seed=seed, protocol=protocol))
    report["threshold"] = {key: round(rate, 4) for key, rate in rates(crooked, upright, card["min_confidence"]).items()}
    return report


def run_mnist(output: str | Path, *, data: str | Path | None = None, epochs: int | None = None) -> dict[str, Any]:
    """Train on MNIST, export the model, calibrate it and measure it on the 10,000 test digits.

    Args:
        output, data: As for `train_mnist`.
        epochs: Of each stage; None as the preset `mnist` was trained.

    Returns:
        The report that is also written to `metrics.json`; the model lies beside it as `model.onnx`.
    """
    output = Path(output)
    stages: tuple[DigitStage, ...] = MNIST_STAGES
    if epochs is not None:
        stages = tuple(replace(stage, plan=replace(stage.plan, epochs=epochs)) for stage in stages)
    exported = export_onnx(train_mnist(output, data=data, stages=stages), output / "model.onnx")
    return _write_report(output, calibrate_mnist(exported, data=data))


def calibrate_mnist(exported: str | Path, *, data: str | Path | None = None) -> dict[str, Any]:
    """Calibrate an exported digit model on the digits held back and measure it on the 10,000 test digits.

    Args:
        exported: `.onnx` file; its metadata is replaced.
        data: As for `train_mnist`.

    Returns:
        Scores with four quarter turns and with one, and the mean error of each digit.
    """
    (digits, _), (test_digits, labels) = load_mnist(data)
    held_back, truth = rotated_mnist(_hold_back(digits)[1])
    card: dict[str, Any] = {"calibration": {}, "min_confidence": 0.5}
    for turns in (1, 4):
        found = evaluate_views(Predictor(exported), held_back, truth, turns=turns)
        card["calibration"][str(turns)] = calibrate(found.mass, right(found))
    set_metadata(exported, card)
    turned, truth = rotated_mnist(test_digits)
    predictor = Predictor(exported)
    found = evaluate_views(predictor, turned, truth)
    errors = np.asarray(angle_difference(found.truth, found.angles))
    return {
        "test": summary(found),
        "test_one_turn": summary(evaluate_views(predictor, turned, truth, turns=1)),
        "mean_by_digit": {str(digit): round(float(errors[labels == digit].mean()), 2) for digit in np.unique(labels)},
    }


def _hold_back(digits: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    number = min(MNIST_HELD_BACK, max(1, len(digits) // 5))
    return digits[:-number], digits[-number:]


def _write_report(output: Path, report: dict[str, Any]) -> dict[str, Any]:
    (output / "metrics.json").write_text(json.dumps(report, indent=2) + "\n")
    return report
