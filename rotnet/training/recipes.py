"""What the shipped presets are made by: data, network and settings, then export, calibration and measurement."""

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
from rotnet.training.fitting import TrainingSettings, Verbosity, fit
from rotnet.training.generators import RotNetDataGenerator


@dataclass(frozen=True)
class Stage:
    """A part of a run at one resolution.

    Attributes:
        size: Side of the square pictures, pixels.
        settings: Epochs and rates.
        freeze_before: Layers of the backbone before the first of this name stay as they are; None teaches all.
        batch_size: Pictures in a step.
        sigma: Width of the soft labels, degrees; None for one-hot labels.
        seed: Of everything drawn.
    """

    size: int
    settings: TrainingSettings
    freeze_before: str | None = None
    batch_size: int = 32
    sigma: float | None = 1.5
    seed: int = 0


def train_photos(
    folder: str | Path,
    output: str | Path,
    *,
    backbone: str = "efficientnet_lite0",
    weights: str | None = "imagenet",
    stages: Sequence[Stage],
    dropout: float = 0.2,
    workers: int = 2,
    verbose: Verbosity = 2,
) -> keras.Model:
    """Teach a backbone which way is up from a folder of upright photographs.

    Args:
        folder: Upright photographs; see `rotnet.datasets.split_photos` for how it is divided. All are held in memory,
            decoded, with a shorter side of at most twice the largest stage: 0.6 MB each at 4:3 and 192 pixels.
        output: Where the run lives; each stage has a folder of its own in it. Started again, the run goes on.
        backbone: A name in `rotnet.models.BACKBONES`.
        weights: None for random weights, `"imagenet"`, the name of a preset, or a path to the file of a whole model.
        dropout: Share of the features left out in training before the last layer.
        stages: Taken in order, each starting from the weights of the one before. Only the first learns the statistics
            of batch normalization; the others run on them.
        workers: Threads that prepare pictures.
        verbose: 0 prints nothing, 1 a progress bar, 2 a line an epoch.

    Returns:
        The model of the last stage, with its best weights.

    Raises:
        UsageError: The folder has no pictures to learn from or to measure on, or there are no stages.
    """
    if not stages:
        raise UsageError("stages must hold at least one Stage. Received: no stages.")
    split = split_photos(folder)
    models = [_network(stage, backbone, weights if stage is stages[0] else None, dropout) for stage in stages]
    largest = max(stage.size for stage in stages)
    upright = {side: load_photos(getattr(split, side), short_side=2 * largest) for side in ("train", "val")}
    taught = None
    for number, (stage, model) in enumerate(zip(stages, models, strict=True), start=1):
        keras.utils.set_random_seed(stage.seed)
        if taught is not None:
            copy_weights(taught, model)
            fix_statistics(model)  # those that the first stage has learned
        common: dict[str, Any] = {"input_shape": (stage.size, stage.size, 3), "batch_size": stage.batch_size}
        common |= {"sigma": stage.sigma, "seed": stage.seed}
        train = RotNetDataGenerator(
            upright["train"], shuffle=True, augmentation=Augmentation(), workers=workers, **common
        )
        val = RotNetDataGenerator(upright["val"], augmentation=SAVED, same_every_epoch=True, **common)
        taught = fit(model, train, val, stage.settings, Path(output, f"stage{number}"), verbose=verbose)
    return taught


def _network(stage: Stage, backbone: str, weights: str | None, dropout: float) -> keras.Model:
    keras.utils.set_random_seed(stage.seed)
    model = build_model(backbone, input_shape=(stage.size, stage.size, 3), weights=weights, dropout=dropout)
    if stage.freeze_before:
        freeze(model, stage.freeze_before)
    return model


# the recipe of the preset `mnist`
MNIST_SETTINGS = TrainingSettings(epochs=28, learning_rate=2e-3)
MNIST_AUGMENTATION = DigitAugmentation(zoom=(0.95, 1.05), shift=0.5, gain=(0.85, 1.2))
MNIST_HELD_BACK = 2000


def train_mnist(
    output: str | Path,
    *,
    data: str | Path | None = None,
    settings: TrainingSettings = MNIST_SETTINGS,
    batch_size: int = 128,
    sigma: float | None = 3.0,
    seed: int = 0,
    workers: int = 1,
    verbose: Verbosity = 2,
) -> keras.Model:
    """Teach `rotnet.models.mnist_p4cnn` which way MNIST digits are up.

    2,000 of the 60,000 training digits choose the best epoch; the test digits are never seen.

    Args:
        output: Where the run lives; started again, it goes on.
        data: An `mnist.npz`; see `rotnet.datasets.load_mnist`.
        settings: Epochs and rates.
        batch_size: Digits in a step.
        sigma: Width of the soft labels, degrees; None for one-hot labels.
        seed: Of everything drawn.
        workers: Threads that prepare digits.
        verbose: 0 prints nothing, 1 a progress bar, 2 a line an epoch.

    Returns:
        The model with its best weights.
    """
    (digits, _), _ = load_mnist(data)
    taught, held_back = _hold_back(digits)
    keras.utils.set_random_seed(seed)
    common: dict[str, Any] = {"color_mode": "grayscale", "batch_size": batch_size, "seed": seed, "sigma": sigma}
    train = RotNetDataGenerator(taught, shuffle=True, augmentation=MNIST_AUGMENTATION, workers=workers, **common)
    val = RotNetDataGenerator(held_back, same_every_epoch=True, **common)
    return fit(mnist_p4cnn(), train, val, settings, output, verbose=verbose)


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

    Args:
        text: Side of the pictures in pixels, epochs, highest learning rate, and the first layer that is taught.
        batch_size, sigma, seed: Those of the `Stage`.

    Raises:
        UsageError: The text has another form.

    Example:
        >>> parse_stage("160:12:1e-3:stage3").settings.epochs
        12
    """
    try:
        size, epochs, rate, freeze_before, *more = [*text.split(":"), ""]
        if any(more) or min(int(size), int(epochs)) < 1:
            raise ValueError(text)
        settings = TrainingSettings(epochs=int(epochs), learning_rate=float(rate))
        return Stage(int(size), settings, freeze_before or None, batch_size, sigma, seed)
    except ValueError as error:
        raise UsageError(
            f"A stage must be SIZE:EPOCHS:RATE[:FREEZE_BEFORE], as 160:12:1e-3. Received: {text}"
        ) from error


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
        folder: Upright photographs; see `rotnet.datasets.split_photos` for how it is divided.
        output: Where the run lives; started again, it goes on.
        backbone: A name in `rotnet.models.BACKBONES`.
        weights: None for random weights, `"imagenet"`, the name of a preset, or a path to the file of a whole model.
        stages: Each as `parse_stage` reads it; None as the preset `photo` was trained, with nothing frozen in backbones
            of another kind.
        seed: Of everything drawn.

    Returns:
        The report that is also written to `metrics.json`; the model lies beside it as `model.onnx`.
    """
    output = Path(output)
    parsed = [parse_stage(text, seed=seed) for text in stages or PHOTO_STAGES]
    if stages is None and backbone not in VARIANTS:  # others have no layers of these names
        parsed = [replace(stage, freeze_before=None) for stage in parsed]
    model = train_photos(folder, output, backbone=backbone, weights=weights, stages=parsed)
    exported = export_onnx(_to_answer(model, parsed[-1].size, backbone), output / "model.onnx")
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
    looks = {
        turns: evaluate(val, model=Predictor(exported), turns=turns, seed=seed + 1, repeats=repeats) for turns in (1, 4)
    }
    card["calibration"] = {str(turns): calibrate(one.mass, one.right) for turns, one in looks.items()}
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
    pooled = looks[4]
    held_out = held_out_confidence(pooled.mass, pooled.right, [trial.seed[1] for trial in pooled.trials])
    report["calibration_error_held_out"] = round(calibration_error(held_out, pooled.right), 4)
    harm = rates(crooked, evaluate(val, model=predictor, protocol="upright"))
    report["threshold"] = {"min_confidence": MIN_CONFIDENCE, "max_upright": card["max_upright"]}
    report["threshold"] |= {key: round(rate, 4) for key, rate in harm.items()}
    return report


def run_mnist(output: str | Path, *, data: str | Path | None = None, epochs: int | None = None) -> dict[str, Any]:
    """Train on MNIST, export the model, calibrate it and measure it on the 10,000 test digits.

    Args:
        output: Where the run lives; started again, it goes on.
        data: An `mnist.npz`; see `rotnet.datasets.load_mnist`.
        epochs: None as the preset `mnist` was trained.

    Returns:
        The report that is also written to `metrics.json`; the model lies beside it as `model.onnx`.
    """
    output = Path(output)
    settings = MNIST_SETTINGS if epochs is None else replace(MNIST_SETTINGS, epochs=epochs)
    exported = export_onnx(train_mnist(output, data=data, settings=settings), output / "model.onnx")
    return _write_report(output, calibrate_mnist(exported, data=data))


def calibrate_mnist(exported: str | Path, *, data: str | Path | None = None) -> dict[str, Any]:
    """Calibrate an exported digit model on the digits held back and measure it on the 10,000 test digits.

    Args:
        exported: `.onnx` file; its metadata is replaced.
        data: An `mnist.npz`; see `rotnet.datasets.load_mnist`.

    Returns:
        Scores with four quarter turns and with one, and the mean error of each digit.
    """
    (digits, _), (test_digits, labels) = load_mnist(data)
    held_back, truth = rotated_mnist(_hold_back(digits)[1])
    # the mean error is what digits are compared by, and the median of the answer is what makes it least
    card: dict[str, Any] = {"decoder": "median", "calibration": {}, "min_confidence": 0.5}
    set_metadata(exported, card)
    for turns in (1, 4):
        look = evaluate_views(Predictor(exported), held_back, truth, turns=turns)
        card["calibration"][str(turns)] = calibrate(look.mass, look.right)
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
