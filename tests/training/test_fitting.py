import csv
import importlib.util
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from rotnet import Predictor
from rotnet.errors import TrainingError, UsageError
from rotnet.images.reading import read_image
from rotnet.images.writing import write
from rotnet.training.fitting import Plan, fit
from rotnet.training.generators import RotNetDataGenerator
from rotnet.training.recipes import parse_stage, run_mnist, run_photos


def tiny_model():
    inputs = keras.Input((12, 12, 1))
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, keras.layers.Dense(360, activation="softmax")(x))


def upright_gradients(number, size):
    """Pictures, each brighter at the top than at the bottom, in a slope of its own."""
    rng = np.random.default_rng(0)
    slope = np.linspace(1, 0, size[0])[None, :, None] * rng.uniform(100, 255, (number, 1, 1))
    return np.broadcast_to(slope, (number, *size)).astype(np.uint8)


def streams(plan):
    digits = upright_gradients(64, (12, 12))
    common = {"color_mode": "grayscale", "batch_size": plan.batch_size, "sigma": plan.sigma, "seed": plan.seed}
    return RotNetDataGenerator(digits, shuffle=True, **common), RotNetDataGenerator(
        digits, same_every_epoch=True, **common
    )


def example(name):
    path = Path(__file__).parents[2] / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def log(folder):
    with open(folder / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_fit_learns_and_leaves_a_run_to_look_at(tmp_path):
    plan = Plan(epochs=12, batch_size=16, learning_rate=0.05, ema=0.9)
    fit(tiny_model(), *streams(plan), plan, tmp_path, verbose=0)
    rows = log(tmp_path)
    assert len(rows) == 12
    assert float(rows[-1]["val_angle_error"]) < 0.7 * float(rows[0]["val_angle_error"])
    assert float(rows[-1]["learning_rate"]) < float(rows[2]["learning_rate"])
    assert json.loads((tmp_path / "plan.json").read_text())["sigma"] == 3.0
    assert {path.name for path in tmp_path.iterdir()} >= {"best.keras", "best.weights.h5", "tensorboard", "backup"}


def test_fit_goes_on_where_it_was_stopped(tmp_path):
    plan = Plan(epochs=4, batch_size=16)

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    train, val = streams(plan)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        original = keras.Model.fit
        patch.setattr(
            keras.Model, "fit", lambda self, *a, callbacks, **k: original(self, *a, callbacks=[*callbacks, Stop()], **k)
        )
        fit(tiny_model(), train, val, plan, tmp_path, verbose=0)
    assert [row["epoch"] for row in log(tmp_path)] == ["0", "1"]
    train, val = streams(plan)
    fit(tiny_model(), train, val, plan, tmp_path, verbose=0)
    assert [row["epoch"] for row in log(tmp_path)] == ["0", "1", "2", "3"]


def test_photos_from_a_folder_to_a_model_that_answers(tmp_path):
    for number, picture in enumerate(upright_gradients(40, (40, 56))):
        write(np.repeat(picture[..., None], 3, 2), tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    report = run_photos(tmp_path, tmp_path / "run", stages=["32:1:1e-3:stage7"] * 2, weights=None)
    first, second = (keras.models.load_model(tmp_path / f"run/stage{n}/best.keras", compile=False) for n in (1, 2))
    changed = {
        before.path.rpartition("/")[2]
        for before, after in zip(first.weights, second.weights, strict=True)
        if (np.asarray(before) != np.asarray(after)).any()
    }
    assert "kernel" in changed and not changed & {"moving_mean", "moving_variance"}
    assert report["files"]["pictures"] >= 1
    assert set(report) >= {"files", "memory", "twice", "noise", "threshold"}
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == report
    predictor = Predictor(tmp_path / "run" / "model.onnx")
    assert predictor.input_size == (32, 32)
    assert set(predictor.card.calibration) == {"1", "4"}
    answer = predictor.predict([read_image(tmp_path / "1.png")])[0]
    assert 0 <= answer.angle < 360


@pytest.fixture
def mnist(tmp_path):
    digits, labels = upright_gradients(200, (28, 28)), np.arange(200) % 10
    np.savez(tmp_path / "mnist.npz", x_train=digits, y_train=labels, x_test=digits[:20], y_test=labels[:20])
    return tmp_path / "mnist.npz"


def test_mnist_from_a_file_to_a_model_that_answers(tmp_path, mnist):
    report = run_mnist(tmp_path / "run", data=mnist, epochs=1)
    assert report["test"]["pictures"] == 20
    assert set(report["mean_by_digit"]) == {str(digit) for digit in range(10)}
    assert Predictor(tmp_path / "run" / "model.onnx").card.calibration.keys() == {"1", "4"}


@pytest.mark.parametrize("leaky", [False, True])
def test_the_original_recipe_is_measured_under_both_protocols(tmp_path, mnist, leaky):
    report = example("train_mnist").run_original(tmp_path / "run", mnist, leaky=leaky, epochs=1)
    assert {scores["pictures"] for scores in report.values()} == {20}
    assert set(report) == {"canvas kept", "canvas grows (leaky)"}


@pytest.mark.parametrize("head", ["sigmoid", "sincos"])
def test_the_regression_example_reports_its_error(tmp_path, mnist, head):
    report = example("train_mnist_regression").run(tmp_path / "run", head=head, data=mnist, epochs=1, limit=40)
    assert 0 < report["mean"] < 180


def test_a_run_with_other_settings_is_not_gone_on_from(tmp_path):
    plan = Plan(epochs=1, batch_size=32)
    fit(tiny_model(), *streams(plan), plan, tmp_path, verbose=0)
    other = Plan(epochs=1, batch_size=32, learning_rate=0.5)
    with pytest.raises(UsageError, match="other settings"):
        fit(tiny_model(), *streams(other), other, tmp_path, verbose=0)


def test_a_run_on_other_pictures_or_of_another_network_is_not_gone_on_from(tmp_path):
    plan = Plan(epochs=1, batch_size=32)
    train, val = streams(plan)
    fit(tiny_model(), train, val, plan, tmp_path, verbose=0)
    others = RotNetDataGenerator(255 - train.images, color_mode="grayscale", batch_size=32, sigma=3.0, seed=0)
    with pytest.raises(UsageError, match=r"other settings \(pictures\)"):
        fit(tiny_model(), others, val, plan, tmp_path, verbose=0)
    inputs = keras.Input((12, 12, 1))
    hidden = keras.layers.Dense(4)(keras.layers.Flatten()(inputs))
    other = keras.Model(inputs, keras.layers.Dense(360, activation="softmax")(hidden))
    with pytest.raises(UsageError, match=r"other settings \(parameters, taught_parameters\)"):
        fit(other, train, val, plan, tmp_path, verbose=0)


def test_a_run_with_a_function_for_its_augmentation_is_found_again(tmp_path):
    plan = Plan(epochs=1, batch_size=32)
    for _ in range(2):  # as in two processes, each with a function of its own
        train, val = streams(plan)
        train.augmentation = lambda image, angle, size, rng: image
        fit(tiny_model(), train, val, plan, tmp_path, verbose=0)
    assert len(log(tmp_path)) == 1


def test_the_plan_on_disk_says_what_the_pictures_were_made_by(tmp_path):
    plan = Plan(epochs=1, batch_size=64, sigma=None, seed=5)
    train, val = streams(Plan(batch_size=32, seed=3))
    fit(tiny_model(), train, val, plan, tmp_path, optimizer=keras.optimizers.SGD(0.1), verbose=0)
    kept = json.loads((tmp_path / "plan.json").read_text())
    assert (kept["batch_size"], kept["sigma"], kept["seed"], kept["optimizer"]) == (32, 3.0, 3, "SGD")


def test_a_loss_that_is_no_number_ends_the_run_for_good(tmp_path):
    plan = Plan(epochs=2, batch_size=32)
    optimizer = keras.optimizers.SGD(float("nan"))
    with pytest.raises(TrainingError, match="remove .* and begin anew at a lower learning rate"):
        fit(tiny_model(), *streams(plan), plan, tmp_path, optimizer=optimizer, verbose=0)
    assert not (tmp_path / "best.keras").exists()


def test_a_run_that_patience_ended_is_not_taught_further(tmp_path):
    plan = Plan(epochs=9, batch_size=32, learning_rate=1e-9, patience=1)
    taught = fit(tiny_model(), *streams(plan), plan, tmp_path, verbose=0)
    epochs = len(log(tmp_path))
    assert epochs < 9
    again = fit(tiny_model(), *streams(plan), plan, tmp_path, verbose=0)
    assert len(log(tmp_path)) == epochs
    for before, after in zip(taught.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("text", ["", "160", "160:12", "160:x:1e-3", "0:1:1e-3", "160:1:1e-3:stage3:more"])
def test_a_stage_of_another_form_is_refused(text):
    with pytest.raises(UsageError, match="SIZE:EPOCHS:RATE"):
        parse_stage(text)
