"""Two virtual devices learn what one learns. Each run is a process of its own, for devices are counted only once."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rotnet.errors import UsageError
from rotnet.training import RotNetDataGenerator
from rotnet.training.devices import _chosen, _Shared, several_devices, shared

RUN = """
import json, sys
import keras, numpy as np
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from rotnet.training import RotNetDataGenerator, TrainingSettings, fit
from rotnet.training.devices import several_devices

class Stop(keras.callbacks.Callback):
    def __init__(self, before):
        super().__init__()
        self.before = before
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.before:
            raise KeyboardInterrupt

for folder, devices, pictures, stop in json.loads(sys.argv[1]):
    upright = np.random.default_rng(0).integers(0, 255, (pictures, 12, 12), np.uint8)
    common = {"batch_size": 16, "sigma": 3.0, "seed": 0, "workers": 2}
    train = RotNetDataGenerator(upright, shuffle=True, **common)
    val = RotNetDataGenerator(upright, same_every_epoch=True, **common)
    with several_devices(devices) as number:
        keras.utils.set_random_seed(0)
        inputs = keras.Input((12, 12, 1))
        x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
        model = keras.Model(inputs, keras.layers.Dense(360, activation="softmax")(x))
        try:
            fit(model, train, val, TrainingSettings(epochs=3), folder, verbose=0, callbacks=[Stop(stop)])
        except KeyboardInterrupt:
            print(number, None)
            continue
    plain = keras.models.load_model(f"{folder}/best.keras", compile=False)
    answers = [keras.ops.convert_to_numpy(one(upright[:5, ..., None], training=False)) for one in (model, plain)]
    print(number, np.abs(answers[0] - answers[1]).max() < 1e-6)
"""
BACKENDS = [
    pytest.param(name, marks=pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"without {name}"))
    for name in ("jax", "tensorflow")
]


def learn(backend, folder, *runs):
    """What each run printed."""
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    path = os.pathsep.join((str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")))
    environment = {**os.environ, **flags, "CUDA_VISIBLE_DEVICES": "", "KERAS_BACKEND": backend, "PYTHONPATH": path}
    command = [sys.executable, "-W", "ignore", "-c", RUN, json.dumps(runs)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def log(folder):
    with open(folder / "log.csv", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_devices_learn_what_one_learns(tmp_path, backend):
    told = learn(
        backend,
        tmp_path,
        ("one", None, 64, None),
        ("two", "all", 64, None),
        ("changed", 1, 64, 1),  # stopped after an epoch, and gone on from with one device more
        ("changed", 2, 64, None),
        ("odd", 1, 37, None),
        ("filled", 2, 37, None),  # the last batch of an epoch is of 5 pictures, which two devices cannot share
    )
    assert told == ["1 True", "2 True", "1 None", "2 True", "1 True", "2 True"]
    alone = log(tmp_path / "one")
    assert len(alone) == 3 and alone[-1]["loss"] < 0.999 * alone[0]["loss"]
    for folder in ("two", "changed"):
        for row, expected in zip(log(tmp_path / folder), alone, strict=True):
            assert row == pytest.approx(expected, rel=1e-4)
    for row, expected in zip(log(tmp_path / "filled"), log(tmp_path / "odd"), strict=True):
        assert row["loss"] == pytest.approx(expected["loss"], rel=0.01) and row["loss"] != expected["loss"]


def test_hosts_share_a_batch_without_overlap():
    upright = np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    whole = RotNetDataGenerator(upright, batch_size=8, seed=0, rotate=False)
    parts = [_Shared(whole, 4, 2, host) for host in range(2)]
    shown = [[part[index][0][:, 2, 2, 0].tolist() for part in parts] for index in range(len(whole))]
    assert shown == [[[0, 1, 2, 3], [4, 5, 6, 7]], [[8, 9], [8, 9]]]
    for part in parts:
        part.on_epoch_end()
    assert whole.epoch == 2


def test_one_device_takes_the_stream_itself():
    with several_devices(1) as number:
        stream = RotNetDataGenerator(np.zeros((4, 8, 8), np.uint8), seed=0)
        assert number == 1 and shared(stream) is stream and shared(None) is None


@pytest.mark.parametrize("number", [0, 3])
def test_devices_that_are_not_there_are_refused(number):
    with pytest.raises(UsageError, match=rf"from 1 to 2, as many .*cpu:0, cpu:1.*devices={number}"):
        _chosen(["cpu:0", "cpu:1"], number)


def test_other_backends_are_refused_with_a_sentence(monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "torch")
    with pytest.raises(UsageError, match="one device only with torch: .* KERAS_BACKEND to jax"), several_devices("all"):
        pass
    with several_devices(1) as number:
        assert number == 1
