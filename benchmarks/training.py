"""Teaching networks with examples that are made on the device: how quick, and how much of the time the making takes."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import keras
import numpy as np
from keras import ops

from benchmarks.timing import Table, rates
from rotnet.models import folding
from rotnet.models.transfer import build_model, copy_weights, freeze, freeze_depthwise
from rotnet.training.layers import RandomDegradation, RandomUprightRotation
from rotnet.training.trainer import RotationTrainer

BACKBONES = {
    "EfficientNet-Lite0": "efficientnet_lite0",
    "EfficientNet-Lite2": "efficientnet_lite2",
    "ResNet50": "resnet50",
}


class Ready(keras.layers.Layer):
    """Gives the same examples again and again, in the place of a layer that makes them."""

    def __init__(self, examples: Any, labels: Any) -> None:
        super().__init__(dtype="float32")
        self.examples = keras.Variable(examples, trainable=False)
        self.labels = keras.Variable(labels, trainable=False)

    def call(self, _: Any) -> tuple[Any, Any]:
        """The examples and their labels, whatever comes."""
        return ops.convert_to_tensor(self.examples), ops.convert_to_tensor(self.labels)


def tables(*, tiny: bool) -> Iterator[Table]:
    """All that is measured here."""
    device = _accelerator()
    before = keras.config.dtype_policy()
    if device:
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        side, batch, steps, rounds = (32, 2, 1, 1) if tiny else (224, 256, 20, 5) if device else (224, 16, 1, 3)
        # a processor would take minutes for the others
        names = tuple(BACKBONES) if device else ("EfficientNet-Lite0",)
        yield _teaching(device, names, side, batch, steps, rounds)
        yield _folded(device, *((32, 2, 1, 1) if tiny else (160, 32, 2, 5)))
    finally:
        keras.config.set_dtype_policy(before)


def _teaching(device: str, names: Sequence[str], side: int, batch: int, steps: int, rounds: int) -> Table:
    rng = np.random.default_rng(0)
    upright = rng.integers(0, 256, (batch, 2 * side, 2 * side, 3), np.uint8)
    ready = Ready(rng.integers(0, 256, (batch, side, side, 3)).astype(np.float32), np.full((batch, 360), 1 / 360))
    numbers = np.tile(np.arange(batch), steps)

    def making() -> RandomUprightRotation:
        return RandomUprightRotation((side * 5 // 4, side * 5 // 4), sigma=1.5)

    def fitting(network: keras.Model, rotation: keras.layers.Layer, **options: Any) -> Callable[[], object]:
        trainer = RotationTrainer(network, rotation, pictures=upright, **options)
        trainer.compile("adam", keras.losses.CategoricalCrossentropy(), jit_compile="auto" if device else False)
        return lambda: trainer.fit(numbers, batch_size=batch, shuffle=False, verbose=0)

    degradation = RandomDegradation(size=(side, side))
    # as little to teach as there can be
    nothing = keras.Sequential([keras.Input((side, side, 3)), keras.layers.GlobalAveragePooling2D()])
    nothing.add(keras.layers.Dense(360, activation="softmax", dtype="float32"))
    ways = {"making examples alone": fitting(nothing, making(), degradation=degradation)}
    for name in names:
        network = build_model(BACKBONES[name], input_shape=(side, side, 3), weights=None)
        ways[f"{name}, examples made on the device"] = fitting(network, making(), degradation=degradation)
        ways[f"{name}, ready examples"] = fitting(network, ready)
    found = rates(ways, batch * steps, rounds=rounds, clock=time.perf_counter)
    speeds = {one.name: one.median for one in found}
    shares = (1 - speeds[f"{name}, examples made on the device"] / speeds[f"{name}, ready examples"] for name in names)
    told = (f"{name} {max(share, 0.0):.1%}" for name, share in zip(names, shares, strict=True))
    policy = keras.config.dtype_policy().name
    notes = (
        f"{side}x{side}, batches of {batch}, {policy}, Keras on {keras.backend.backend()}",
        f"share of a step that making its examples takes: {', '.join(told)}",
    )
    return Table(f"Teaching, on {device or 'the processor, one thread'}", "pictures/s", found, notes)


def _folded(device: str, side: int, batch: int, steps: int, rounds: int) -> Table:
    rng = np.random.default_rng(0)
    examples = rng.integers(0, 256, (batch, side, side, 3)).astype(np.float32)
    labels = np.full((batch, 360), 1 / 360, np.float32)

    def teaching(network: keras.Model, before: str | None, *, depthwise: bool = True) -> Callable[[], object]:
        if before:
            freeze(network, before)
        if not depthwise:
            freeze_depthwise(network)
        network.compile("adamw", keras.losses.CategoricalCrossentropy(), jit_compile="auto" if device else False)
        return lambda: [network.train_on_batch(examples, labels) for _ in range(steps)]

    ways = {}
    for name, before in (("all of it", None), ("from stage 3 on", "stage3")):
        network = folding.fold(build_model(input_shape=(side, side, 3), weights=None))
        ways[f"{name}, convolutions as Keras has them"] = teaching(_plain(network), before)
        ways[f"{name}, as folded"] = teaching(network, before)
    network = folding.fold(build_model(input_shape=(side, side, 3), weights=None))
    ways["from stage 3 on, as folded, without depthwise kernels"] = teaching(network, "stage3", depthwise=False)
    switches = ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_DEFAULT_FPMATH_MODE")
    told = (f"{name}: {os.environ.get(name, 'not set')}" for name in switches)
    # by the processor's seconds, which other work hardly changes
    found = rates(ways, batch * steps, rounds=rounds, clock=time.perf_counter if device else time.process_time)
    notes = (
        f"EfficientNet-Lite0, batch normalization folded, ready examples, {side}x{side}, batches of {batch}, AdamW",
        f"Keras on {keras.backend.backend()}, {', '.join(told)}",
    )
    return Table(f"Teaching a folded network, on {device or 'the processor'}", "pictures/s", found, notes)


def _plain(network: keras.Model) -> keras.Model:
    """The same network with Keras' convolution in the place of one that is a product of matrices."""

    def clone(layer: keras.Layer) -> keras.Layer:
        kind = keras.layers.Conv2D if isinstance(layer, folding.Pointwise) else layer.__class__
        return kind.from_config(layer.get_config())

    plain = keras.models.clone_model(network, clone_function=clone, recursive=True)
    copy_weights(network, plain)
    return plain


def _accelerator() -> str:
    """What an Nvidia GPU is called that Keras' backend uses; empty where there is none."""
    with suppress(Exception):  # each backend has its own way to say that there is none
        if keras.distribution.list_devices("gpu"):
            query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
            return subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()
    return ""
