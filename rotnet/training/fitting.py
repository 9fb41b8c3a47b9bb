"""Teaching a network which way is up, and keeping what it takes to do it again.

A run lives in one folder: `plan.json` (what it is a run of), `log.csv`, TensorBoard events, a backup to go on from, and
in the end `best.keras` and `model.onnx` with `metrics.json`.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import math
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rotnet.errors import TrainingError, UsageError
from rotnet.images.writing import atomic_file
from rotnet.models.transfer import copy_weights
from rotnet.training.generators import RotNetDataGenerator
from rotnet.training.metrics import AngleError


@dataclass(frozen=True)
class Plan:
    """Settings of one training run.

    Attributes:
        epochs: Passes over the training pictures.
        batch_size, sigma, seed: For whoever makes the generator, which has the last word: pictures in a step, width of
            the circular Gaussian labels in degrees (None for one-hot labels), and the seed of everything drawn.
        learning_rate: Highest rate; it is reached after `warmup` of the steps and falls to zero along a cosine.
        warmup: Share of the steps.
        weight_decay: Of AdamW, on kernels only.
        ema: Momentum of the moving average of the weights that is kept; None keeps the last weights. The statistics of
            batch normalization are not averaged: in a run of few thousand steps they do not fit the averaged weights.
        patience: Epochs without a better validation error before the run stops; None runs to the end.
    """

    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 0.01
    ema: float | None = None
    sigma: float | None = 3.0
    patience: int | None = None
    seed: int = 0


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
    plan: Plan,
    folder: str | Path,
    *,
    loss: Any = "categorical_crossentropy",
    metric: Any = None,
    monitor: str = "val_loss",
    optimizer: keras.optimizers.Optimizer | None = None,
    verbose: int = 2,
) -> keras.Model:
    """Train a model, or go on with a run that was stopped; one that has ended is not taught again.

    Args:
        model: A built model; its trainable layers are taught.
        train: The training stream.
        validation: Pictures to measure on after each epoch, made with `same_every_epoch=True`; None measures nothing.
        plan: Settings.
        folder: Where the run lives; made when missing. A backup found there is gone on from.
        loss, metric: As for `compile`; the metric defaults to `AngleError`.
        monitor: The figure the best weights are chosen by, lower is better. The loss is steadier than the error, which
            a few pictures more or less upside down can shift by degrees.
        optimizer: None for AdamW with warm-up and cosine decay.
        verbose: As for `keras.Model.fit`.

    Returns:
        The model with its best weights.

    Raises:
        TrainingError: The loss became NaN or infinite.
        UsageError: The folder holds a run with other settings, another network or other pictures.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _keep_plan(folder / "plan.json", {**asdict(plan), **_description(model, train, optimizer)})
    ended = folder / "best.keras"
    if ended.exists():
        copy_weights(keras.models.load_model(ended, compile=False), model)
        return model
    steps = plan.epochs * len(train)
    model.compile(
        optimizer=optimizer or _adamw(plan, steps),
        loss=loss,
        metrics=[metric or AngleError()],
        # XLA makes convolutions on a processor many times slower
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    best = folder / "best.weights.h5"
    log = keras.callbacks.CSVLogger(folder / "log.csv", append=True)
    averaged = optimizer is None and plan.ema is not None
    try:
        history = model.fit(
            train,
            validation_data=validation,
            epochs=plan.epochs,
            callbacks=[*_callbacks(train, plan, folder, best, monitor, averaged=averaged), log],
            # the generator draws the order, so that a resumed run takes the batches it would have taken
            shuffle=False,
            verbose=verbose,
        )
    finally:
        # Keras leaves it open when the run is interrupted
        if log.csv_file and not log.csv_file.closed:
            log.csv_file.close()
    if not all(map(math.isfinite, history.history.get("loss", ()))):
        raise TrainingError(f"The loss is no longer a number: remove {folder} and begin anew at a lower learning rate.")
    if best.exists():
        model.load_weights(best)
    model.save(ended)
    return model


def _adamw(plan: Plan, steps: int) -> keras.optimizers.Optimizer:
    warmup = max(1, round(plan.warmup * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        plan.learning_rate / 100, max(1, steps - warmup), warmup_target=plan.learning_rate, warmup_steps=warmup
    )
    optimizer = keras.optimizers.AdamW(
        schedule,
        weight_decay=plan.weight_decay,
        global_clipnorm=5.0,
        use_ema=plan.ema is not None,
        ema_momentum=plan.ema or 0.0,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _callbacks(train, plan: Plan, folder: Path, best: Path, monitor: str, *, averaged: bool) -> list:
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
    if all(importlib.util.find_spec(name) for name in ("tensorboard", "tensorflow")):
        callbacks.append(keras.callbacks.TensorBoard(folder / "tensorboard"))
    if plan.patience is not None:
        callbacks.append(keras.callbacks.EarlyStopping(monitor=monitor, mode="min", patience=plan.patience))
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


def _name(augmentation: Any) -> str:
    """The same in every process, where the text of a function would hold its address."""
    if augmentation is None or is_dataclass(augmentation):
        return repr(augmentation)
    return str(getattr(augmentation, "__qualname__", type(augmentation).__qualname__))


def _keep_plan(path: Path, plan: dict[str, Any]) -> None:
    text = json.dumps(plan, indent=2) + "\n"
    if path.is_file() and (earlier := path.read_text(encoding="utf-8")) != text:
        before, now = json.loads(earlier), json.loads(text)
        other = ", ".join(key for key in now if before.get(key) != now[key])
        raise UsageError(
            f"{path.parent} holds a run with other settings ({other}): choose another folder, or remove that one"
        )
    with atomic_file(path) as file:
        file.write(text.encode())


def _best_so_far(log: Path, monitor: str) -> float | None:
    """The least value of a figure in the log of a run that was stopped, so that it is not lost to a worse one."""
    if not log.is_file():
        return None
    with log.open(newline="", encoding="utf-8") as rows:
        return min((float(row[monitor]) for row in csv.DictReader(rows) if row.get(monitor)), default=None)
