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

from rotnet.datasets import load_mnist, load_photos, rotated_mnist, split_photos
from rotnet.datasets.augmentation import SAVED, Augmentation, DigitAugmentation
from rotnet.errors import UsageError
from rotnet.evaluation import (
    calibrate,
    calibration_error,
    evaluate,
    evaluate_views,
    held_out_confidence,
    largest_harmless,
    rates,
    summary,
)
from rotnet.geometry.angles import angle_difference
from rotnet.inference.predictor import Predictor
from rotnet.models.efficientnet_lite import VARIANTS
from rotnet.models.export import export_onnx, set_metadata
from rotnet.models.mnist import mnist_p4cnn
from rotnet.models.transfer import build_model, copy_weights, fix_statistics, freeze
from rotnet.training.fitting import Plan, fit
from rotnet.training.generators import RotNetDataGenerator


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
        folder: Upright photographs; see `rotnet.datasets.split_photos` for how it is divided. All are held in memory,
            decoded, with a shorter side of at most twice the largest stage: 0.6 MB each at 4:3 and 192 pixels.
        output: Where the run lives; each stage has a folder of its own in it. Started again, the run goes on.
        backbone, weights, dropout: As for `rotnet.build_model`.
        stages: Taken in order, each starting from the weights of the one before. Only the first learns the statistics
            of batch normalization; the others run on them.
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
            fix_statistics(model)  # those that the first stage has learned
        common: dict[str, Any] = {"input_shape": shape, "batch_size": plan.batch_size, "sigma": plan.sigma}
        train = RotNetDataGenerator(
            upright["train"], shuffle=True, seed=plan.seed, augmentation=Augmentation(), workers=workers, **common
        )
        val = RotNetDataGenerator(upright["val"], seed=plan.seed, augmentation=SAVED, same_every_epoch=True, **common)
        taught = fit(model, train, val, plan, Path(output, f"stage{number}"), verbose=verbose)
    return taught


def _network(stage: Stage, backbone: str, weights: str | None, dropout: float) -> keras.Model:
    keras.utils.set_random_seed(stage.plan.seed)
    model = build_model(backbone, input_shape=(stage.size, stage.size, 3), weights=weights, dropout=dropout)
    if stage.freeze_before:
        freeze(model, stage.freeze_before)
    return model


# the recipe of the preset `mnist`
MNIST_PLAN = Plan(epochs=28, batch_size=128, learning_rate=2e-3)
MNIST_AUGMENTATION = DigitAugmentation(zoom=(0.95, 1.05), shift=0.5, gain=(0.85, 1.2))
MNIST_HELD_BACK = 2000


def train_mnist(
    output: str | Path,
    *,
    data: str | Path | None = None,
    plan: Plan = MNIST_PLAN,
    workers: int = 1,
    verbose: int = 2,
) -> keras.Model:
    """Teach `rotnet.models.mnist_p4cnn` which way MNIST digits are up.

    2,000 of the 60,000 training digits choose the best epoch; the test digits are never seen.

    Args:
        output: Where the run lives; started again, it goes on.
        data: An `mnist.npz`; see `rotnet.datasets.load_mnist`.
        plan: Settings.
        workers: Threads that prepare digits.
        verbose: As for `keras.Model.fit`.

    Returns:
        The model with its best weights.
    """
    (digits, _), _ = load_mnist(data)
    taught, held_back = _hold_back(digits)
    keras.utils.set_random_seed(plan.seed)
    common: dict[str, Any] = {"color_mode": "grayscale", "batch_size": plan.batch_size}
    common |= {"seed": plan.seed, "sigma": plan.sigma}
    train = RotNetDataGenerator(taught, shuffle=True, augmentation=MNIST_AUGMENTATION, workers=workers, **common)
    val = RotNetDataGenerator(held_back, same_every_epoch=True, **common)
    return fit(mnist_p4cnn(), train, val, plan, output, verbose=verbose)


# the recipe of the preset `photo`; weights/README.md says where the shipped run differs
PHOTO_STAGES = (
    "160:12:1e-3:stage3",
    "192:8:5e-4:stage3",
    "160:20:2.5e-4:stage3",
    "192:18:2e-4:stage3",
    "224:16:1.2e-4:stage3",
    "224:7:6e-5:stage3",
    "224:14:1.1e-4:stage3",
)


def parse_stage(text: str, *, batch_size: int = 32, sigma: float = 1.5, seed: int = 0) -> Stage:
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
        stages: Each as `parse_stage` reads it; None as the preset `photo` was trained, with nothing frozen in backbones
            of another kind.
        seed: Of everything drawn.

    Returns:
        The report that is also written to `metrics.json`; the model lies beside it as `model.onnx`.
    """
    output = Path(output)
    plan = [parse_stage(text, seed=seed) for text in stages or PHOTO_STAGES]
    if stages is None and backbone not in VARIANTS:  # others have no layers of these names
        plan = [replace(stage, freeze_before=None) for stage in plan]
    model = train_photos(folder, output, backbone=backbone, weights=weights, stages=plan)
    exported = export_onnx(_to_answer(model, plan[-1].size, backbone), output / "model.onnx")
    report = calibrate_photos(exported, split_photos(folder).val, seed=seed)
    return _write_report(output, report)


def _to_answer(model: keras.Model, size: int, backbone: str) -> keras.Model:
    """The same network for pictures a sixth larger, in steps of 32 pixels.

    In training, things look larger than they will, for it crops; at a higher resolution they look as large as the
    network knows them (Touvron et al., "Fixing the train-test resolution discrepancy", 2019).
    """
    size = 32 * round(size * 7 / 6 / 32)
    larger = build_model(backbone, input_shape=(size, size, 3), weights=None)
    copy_weights(model, larger)
    return larger


MIN_CONFIDENCE = 0.8  # four in five: whoever wants another balance asks for it
UPRIGHT_WINDOWS = 8  # of each upright photograph, so that no single one decides which are left alone


def calibrate_photos(exported: str | Path, val: Sequence[Path], *, seed: int = 0, repeats: int = 4) -> dict[str, Any]:
    """Measure an exported model on saved crooked files and write what its confidence is worth into the file.

    Args:
        exported: `.onnx` file; its metadata is replaced.
        val: Upright photographs that the model has not learned from.
        seed: Of the angles; the figures come from other angles than the calibration.
        repeats: Angles a photograph is turned by, for the calibration and again for the figures.

    Returns:
        Scores by protocol and number of turns, and what the default threshold does.
    """
    card: dict[str, Any] = {"calibration": {}, "min_confidence": MIN_CONFIDENCE}
    for turns in (1, 4):
        found = evaluate(val, model=Predictor(exported), turns=turns, seed=seed + 1, repeats=repeats)
        card["calibration"][str(turns)] = calibrate(found.mass, found.right)
    set_metadata(exported, card)
    upright = evaluate(val, model=Predictor(exported), protocol="upright", seed=seed, repeats=UPRIGHT_WINDOWS)
    card["max_upright"] = largest_harmless(upright, min_confidence=MIN_CONFIDENCE)
    set_metadata(exported, card)
    predictor = Predictor(exported)
    crooked = evaluate(val, model=predictor, seed=seed, repeats=repeats)
    report: dict[str, Any] = {"files": summary(crooked)}
    report["files_one_turn"] = summary(evaluate(val, model=predictor, seed=seed, repeats=repeats, turns=1))
    for protocol in ("memory", "twice", "noise"):
        report[protocol] = summary(evaluate(val, model=predictor, seed=seed, repeats=repeats, protocol=protocol))
    held_out = held_out_confidence(found.mass, found.right, [trial.seed[1] for trial in found.trials])
    report["calibration_error_held_out"] = round(calibration_error(held_out, found.right), 4)
    harm = rates(crooked, evaluate(val, model=predictor, protocol="upright"))
    report["threshold"] = {"min_confidence": MIN_CONFIDENCE, "max_upright": card["max_upright"]}
    report["threshold"] |= {key: round(rate, 4) for key, rate in harm.items()}
    return report


def run_mnist(output: str | Path, *, data: str | Path | None = None, epochs: int | None = None) -> dict[str, Any]:
    """Train on MNIST, export the model, calibrate it and measure it on the 10,000 test digits.

    Args:
        output, data: As for `train_mnist`.
        epochs: None as the preset `mnist` was trained.

    Returns:
        The report that is also written to `metrics.json`; the model lies beside it as `model.onnx`.
    """
    output = Path(output)
    plan = MNIST_PLAN if epochs is None else replace(MNIST_PLAN, epochs=epochs)
    exported = export_onnx(train_mnist(output, data=data, plan=plan), output / "model.onnx")
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
    # the mean error is what digits are compared by, and the median of the answer is what makes it least
    card: dict[str, Any] = {"decoder": "median", "calibration": {}, "min_confidence": 0.5}
    set_metadata(exported, card)
    for turns in (1, 4):
        found = evaluate_views(Predictor(exported), held_back, truth, turns=turns)
        card["calibration"][str(turns)] = calibrate(found.mass, found.right)
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
    # drawn, because the last digits of the file are easier than the others
    drawn = np.random.default_rng(0).permutation(len(digits))
    return digits[np.sort(drawn[number:])], digits[np.sort(drawn[:number])]


def _write_report(output: Path, report: dict[str, Any]) -> dict[str, Any]:
    (output / "metrics.json").write_text(json.dumps(report, indent=2) + "\n")
    return report
