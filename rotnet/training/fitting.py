"""Teaching a network which way is up, and keeping what it takes to do it again.

A run lives in one folder: `settings.json` (what it is a run of), `log.csv`, TensorBoard events, a backup to go on from,
and in the end `best.keras`, which plain Keras loads. Recipes add `model.onnx` and `metrics.json`.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias

import keras
import numpy as np

from rotnet.errors import TrainingError, UsageError
from rotnet.images.writing import atomic_file, make_folder
from rotnet.models.transfer import copy_weights
from rotnet.training.devices import shared
from rotnet.training.generators import Augment, RotNetDataGenerator
from rotnet.training.metrics import AngleError

__all__ = ["TrainingSettings", "fit"]

# what `compile` takes for a loss and for a metric
Loss: TypeAlias = "str | keras.losses.Loss | Callable[[Any, Any], Any]"
Metric: TypeAlias = "str | keras.metrics.Metric | Callable[[Any, Any], Any]"
Verbosity = Literal[0, 1, 2]


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one training run. What the pictures and labels are like is up to the generator.

    Attributes:
        epochs: Passes over the training pictures.
        learning_rate: Highest rate; it is reached after `warmup` of the steps and falls to zero along a cosine.
        warmup: Share of the steps.
        weight_decay: Of AdamW, on kernels only.
        ema: Momentum of the moving average of the weights that is kept; None keeps the last weights. The statistics of
            batch normalization are not averaged: in a run of few thousand steps they do not fit the averaged weights.
        patience: Epochs without a better validation error before the run stops; None runs to the end.
    """

    epochs: int = 10
    learning_rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 0.01
    ema: float | None = None
    patience: int | None = None


class FollowEpoch(keras.callbacks.Callback):
    """Sets the epoch of a generator, so that a resumed run sees the pictures it would have seen."""

    def __init__(self, generator: RotNetDataGenerator) -> None:
        super().__init__()
        self.generator = generator

    def on_epoch_begin(self, epoch, logs=None):
        self.generator.epoch = epoch


class LogLearningRate(keras.callbacks.Callback):
    """Keeps the learning rate of the epoch in the logs."""

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None:
            logs["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))


def fit(
    model: keras.Model,
    train: RotNetDataGenerator,
    validation: RotNetDataGenerator | None,
    settings: TrainingSettings,
    folder: str | PathLike[str],
    *,
    loss: Loss = "categorical_crossentropy",
    metric: Metric | None = None,
    monitor: str = "val_loss",
    optimizer: keras.optimizers.Optimizer | None = None,
    verbose: Verbosity = 2,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> keras.Model:
    """Train a model, or go on with a run that was stopped; one that has ended is not taught again.

    Args:
        model: A built model; its trainable layers are taught.
        train: The training stream.
        validation: Pictures to measure on after each epoch, made with `same_every_epoch=True`; None measures nothing.
        settings: Epochs, rates and when to stop.
        folder: Where the run lives; made when missing. A backup found there is gone on from. Its `best.keras` loads in
            plain Keras, uncompiled, unless the model has layers of rotnet's own, as `mnist_p4cnn` has.
        loss, metric: What `keras.Model.compile` takes; the metric defaults to `AngleError`.
        monitor: The figure the best weights are chosen by, lower is better. The loss is steadier than the error, which
            a few pictures more or less upside down can shift by degrees.
        optimizer: None for AdamW with warm-up and cosine decay.
        verbose: 0 prints nothing, 1 a progress bar, 2 a line an epoch.
        callbacks: More of them, such as `rotnet.training.progress.EpochProgress`.

    Returns:
        The model with its best weights.

    Raises:
        OutputError: The folder cannot be made.
        TrainingError: The loss became NaN or infinite.
        UsageError: The folder holds a run with other settings, another network or other pictures.

    Example:
        >>> from tempfile import mkdtemp
        >>> layers = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(360, "softmax")]
        >>> model = keras.Sequential(layers)
        >>> train = RotNetDataGenerator(np.zeros((4, 8, 8), np.uint8), seed=0)
        >>> model = fit(model, train, None, TrainingSettings(epochs=1), mkdtemp(), monitor="loss", verbose=0)
    """
    folder = Path(folder)
    make_folder(folder)
    _keep_settings(folder / "settings.json", {**asdict(settings), **_description(model, train, optimizer)})
    ended = folder / "best.keras"
    if ended.exists():
        copy_weights(keras.models.load_model(ended, compile=False), model)
        return model
    steps = settings.epochs * len(train)
    model.compile(
        optimizer=optimizer or _adamw(settings, steps),
        loss=loss,
        metrics=[metric or AngleError()],
        jit_compile=jit_compile(),
    )
    best = folder / "best.weights.h5"
    log = keras.callbacks.CSVLogger(folder / "log.csv", append=True)
    averaged = optimizer is None and settings.ema is not None
    try:
        history = model.fit(
            shared(train),
            validation_data=shared(validation),
            epochs=settings.epochs,
            callbacks=[*_callbacks(train, settings, folder, best, monitor, averaged=averaged), log, *callbacks],
            # the generator draws the order, so that a resumed run takes the batches it would have taken
            shuffle=False,
            verbose=verbose,
        )
    finally:
        close_log(log)
    check_finite(history, folder)
    if best.exists():
        model.load_weights(best)
    save_uncompiled(model, ended)
    return model


def close_log(log: keras.callbacks.CSVLogger) -> None:
    """Close the file, which Keras leaves open when a run is interrupted."""
    if log.csv_file and not log.csv_file.closed:
        log.csv_file.close()


def check_finite(history: keras.callbacks.History, folder: Path) -> None:
    """Raise `TrainingError` if the loss of a run became NaN or infinite."""
    if not all(map(math.isfinite, history.history.get("loss", ()))):
        raise TrainingError(f"The loss is no longer a number: remove {folder} and begin anew at a lower learning rate.")


def jit_compile() -> bool | Literal["auto"]:
    """What to hand to `compile`: with TensorFlow, XLA makes convolutions on a processor many times slower."""
    return False if keras.backend.backend() == "tensorflow" else "auto"


def tensorboard(folder: Path) -> list[keras.callbacks.Callback]:
    """The callback that writes events into `folder/tensorboard`, where TensorBoard is installed."""
    if all(importlib.util.find_spec(name) for name in ("tensorboard", "tensorflow")):
        return [keras.callbacks.TensorBoard(folder / "tensorboard")]
    return []


def save_uncompiled(model: keras.Model, path: Path) -> None:
    """Write a model of one input and one output without what it was compiled with, so that plain Keras can load it."""
    keras.Model(model.inputs[0], model.outputs[0], name=model.name).save(path)


def _adamw(settings: TrainingSettings, steps: int) -> keras.optimizers.Optimizer:
    warmup = max(1, round(settings.warmup * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate / 100, max(1, steps - warmup), warmup_target=settings.learning_rate, warmup_steps=warmup
    )
    optimizer = keras.optimizers.AdamW(
        schedule,
        weight_decay=settings.weight_decay,
        global_clipnorm=5.0,
        use_ema=settings.ema is not None,
        ema_momentum=settings.ema or 0.0,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _callbacks(
    train: RotNetDataGenerator, settings: TrainingSettings, folder: Path, best: Path, monitor: str, *, averaged: bool
) -> list[keras.callbacks.Callback]:
    # the backup comes before the swap, so that a resumed run goes on from the raw weights
    callbacks: list[keras.callbacks.Callback] = [
        FollowEpoch(train),
        keras.callbacks.BackupAndRestore(folder / "backup", delete_checkpoint=False),
        LogLearningRate(),
    ]
    if averaged:
        callbacks.append(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
    callbacks += [
        keras.callbacks.ModelCheckpoint(
            best,
            monitor=monitor,
            mode="min",
            save_best_only=True,
            save_weights_only=True,
            initial_value_threshold=_best_so_far(folder / "log.csv", monitor),
        ),
        keras.callbacks.TerminateOnNaN(),
    ]
    callbacks += tensorboard(folder)
    if settings.patience is not None:
        callbacks.append(keras.callbacks.EarlyStopping(monitor=monitor, mode="min", patience=settings.patience))
    return callbacks


def _description(
    model: keras.Model, train: RotNetDataGenerator, optimizer: keras.optimizers.Optimizer | None
) -> dict[str, Any]:
    """What is taught, of what: a run of something else must not be gone on from."""
    digest = hashlib.sha256()
    for image in train.images:
        if isinstance(image, np.ndarray):  # a part of its pixels tells it from others
            digest.update(repr(image.shape).encode() + np.ascontiguousarray(image[::16, ::16]).tobytes())
        else:
            path = Path(image)
            size = path.stat().st_size if path.is_file() else 0
            digest.update(f"{path.name} {size}\n".encode(errors="surrogateescape"))
    return {
        "batch_size": train.batch_size,
        "sigma": train.sigma,
        "seed": train.seed,
        "optimizer": "AdamW" if optimizer is None else type(optimizer).__name__,
        "input_shape": model.input_shape[1:],
        "parameters": model.count_params(),
        "taught_parameters": sum(math.prod(weight.shape) for weight in model.trainable_weights),
        "augmentation": _name(train.augmentation),
        "pictures": digest.hexdigest(),
    }


def _name(augmentation: Augment | None) -> str:
    """The same in every process, where the text of a function would hold its address."""
    if augmentation is None or is_dataclass(augmentation):
        return repr(augmentation)
    return str(getattr(augmentation, "__qualname__", type(augmentation).__qualname__))


def _keep_settings(path: Path, settings: dict[str, Any]) -> None:
    text = json.dumps(settings, indent=2) + "\n"
    before, now = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}, json.loads(text)
    # what an earlier version did not know of is None there
    if before and (other := [key for key in {**now, **before} if before.get(key) != now.get(key)]):
        raise UsageError(
            f"{path.parent} holds a run with other settings ({', '.join(other)}): choose another folder, or remove "
            "that one"
        )
    with atomic_file(path) as file:
        file.write(text.encode())


def _best_so_far(log: Path, monitor: str) -> float | None:
    """The least value of a figure in the log of a run that was stopped, so that it is not lost to a worse one."""
    if not log.is_file():
        return None
    with log.open(newline="", encoding="utf-8") as rows:
        return min((float(row[monitor]) for row in csv.DictReader(rows) if row.get(monitor)), default=None)
