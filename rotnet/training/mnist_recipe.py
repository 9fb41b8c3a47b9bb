"""What the preset `mnist` is made by: digits, network and settings, then export, calibration and measurement."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from rotnet.datasets import load_mnist, rotated_mnist
from rotnet.datasets.augmentation import DigitAugmentation
from rotnet.evaluation import calibrate, evaluate_views, is_guessing, summary
from rotnet.geometry.angles import angle_difference
from rotnet.inference.predictor import Predictor
from rotnet.models.export import export_onnx, set_metadata
from rotnet.models.mnist import mnist_p4cnn
from rotnet.models.transfer import copy_weights
from rotnet.training.devices import Devices, several_devices
from rotnet.training.fitting import TrainingSettings, Verbosity, fit
from rotnet.training.generators import RotNetDataGenerator
from rotnet.training.progress import Say, watched
from rotnet.training.run_folder import check_run_folder, mark_run
from rotnet.training.run_pictures import save_learning_curves, write_report

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
    say: Say | None = None,
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
        say: Takes a line for a person after each epoch, in the place of `verbose`; a bar runs through the epoch.

    Returns:
        The model with its best weights.
    """
    (digits, _), _ = load_mnist(data)
    taught, held_back = _hold_back(digits)
    keras.utils.set_random_seed(seed)
    common: dict[str, Any] = {"color_mode": "grayscale", "batch_size": batch_size, "seed": seed, "sigma": sigma}
    train = RotNetDataGenerator(taught, shuffle=True, augmentation=MNIST_AUGMENTATION, workers=workers, **common)
    val = RotNetDataGenerator(held_back, same_every_epoch=True, **common)
    mark_run(Path(output), "mnist")
    with watched(say) as told:
        return fit(mnist_p4cnn(), train, val, settings, output, **{"verbose": verbose, **told})


def run_mnist(
    output: str | Path,
    *,
    data: str | Path | None = None,
    epochs: int | None = None,
    seed: int = 0,
    devices: Devices = None,
    say: Say | None = None,
) -> dict[str, Any]:
    """Train on MNIST, export the model, calibrate it and measure it on the 10,000 test digits.

    Args:
        output: Where the run lives: new, empty, or of the same run, which goes on.
        data: An `mnist.npz`; see `rotnet.datasets.load_mnist`.
        epochs: None as the preset `mnist` was trained.
        seed: Of everything drawn.
        devices: What learns, as `rotnet.training.devices.several_devices` takes it.
        say: Takes sentences for a person; None leaves telling to Keras.

    Returns:
        The report that is also written to `metrics.json`; the model lies beside it as `model.onnx`.
    """
    output = Path(output)
    check_run_folder(output, "mnist")
    settings = MNIST_SETTINGS if epochs is None else replace(MNIST_SETTINGS, epochs=epochs)
    with several_devices(devices):
        taught = train_mnist(output, data=data, settings=settings, seed=seed, say=say)
    model = mnist_p4cnn()  # on one device, as what follows wants it
    copy_weights(taught, model)
    exported = export_onnx(model, output / "model.onnx")
    if say:
        say("Measuring the model on the test digits, which it has never seen.")
    report = calibrate_mnist(exported, data=data)
    save_learning_curves([output / "log.csv"], output)
    return write_report(output, report)


def calibrate_mnist(exported: str | Path, *, data: str | Path | None = None) -> dict[str, Any]:
    """Calibrate an exported digit model on the digits held back and measure it on the 10,000 test digits.

    Args:
        exported: `.onnx` file; its metadata is replaced.
        data: An `mnist.npz`; see `rotnet.datasets.load_mnist`.

    Returns:
        Whether the answers are no better than chance, scores with four quarter turns and with one, and the mean error
        of each digit.
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
        "guessing": is_guessing(found.scores),
        "test": summary(found),
        "test_one_turn": summary(evaluate_views(predictor, turned, truth, turns=1)),
        "mean_by_digit": {str(digit): round(float(errors[labels == digit].mean()), 2) for digit in np.unique(labels)},
    }


def _hold_back(digits: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    number = min(MNIST_HELD_BACK, max(1, len(digits) // 5))
    # drawn, because the last digits of the file are easier than the others
    drawn = np.random.default_rng(0).permutation(len(digits))
    return digits[np.sort(drawn[number:])], digits[np.sort(drawn[:number])]
