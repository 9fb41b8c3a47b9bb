import csv
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from rotnet import Predictor
from rotnet.errors import OutputError, TrainingError, UsageError, WeightsError
from rotnet.images.reading import read_image
from rotnet.images.writing import write
from rotnet.models import build_classifier, build_model
from rotnet.training.classification import ImageClassifier
from rotnet.training.fitting import TrainingSettings, fit
from rotnet.training.generators import RotNetDataGenerator
from rotnet.training.metrics import BinaryAUC
from rotnet.training.mnist_recipe import run_mnist
from rotnet.training.recipes import _to_answer, parse_stage, run_photos


def tiny_model():
    inputs = keras.Input((12, 12, 1))
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    return keras.Model(inputs, keras.layers.Dense(360, activation="softmax")(x))


def upright_gradients(number, size):
    """Pictures, each brighter at the top than at the bottom, in a slope of its own."""
    rng = np.random.default_rng(0)
    slope = np.linspace(1, 0, size[0])[None, :, None] * rng.uniform(100, 255, (number, 1, 1))
    return np.broadcast_to(slope, (number, *size)).astype(np.uint8)


def streams(batch_size=32, *, sigma=3.0, seed=0):
    digits = upright_gradients(64, (12, 12))
    common = {"batch_size": batch_size, "sigma": sigma, "seed": seed}
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
    settings = TrainingSettings(epochs=12, learning_rate=0.05, ema=0.9)
    fit(tiny_model(), *streams(), settings, tmp_path, verbose=0)
    rows = log(tmp_path)
    assert len(rows) == 12
    assert float(rows[-1]["val_angle_error"]) < 0.7 * float(rows[0]["val_angle_error"])
    assert float(rows[-1]["learning_rate"]) < float(rows[2]["learning_rate"])
    assert json.loads((tmp_path / "settings.json").read_text())["sigma"] == 3.0
    assert {path.name for path in tmp_path.iterdir()} >= {"best.keras", "best.weights.h5", "tensorboard", "backup"}


PLAIN = """
import sys
import keras, numpy as np
models = [keras.saving.load_model(path) for path in sys.argv[1:]]
assert not [name for name in sys.modules if name.split(".")[0] == "rotnet"]
for model in models:
    print(repr(model(np.full((1, *model.input_shape[1:]), 99.0, np.float32)).numpy().sum()))
"""


def test_saved_models_load_in_plain_keras(tmp_path):
    fit(tiny_model(), *streams(), TrainingSettings(epochs=1), tmp_path / "run", verbose=0)
    network = build_model("small_cnn", input_shape=(32, 32, 3), weights=None)
    pictures = np.zeros((2, 32, 32, 3), np.uint8)
    stream = RotNetDataGenerator(pictures, seed=0)
    fit(network, stream, None, TrainingSettings(epochs=1), tmp_path / "transfer", monitor="loss", verbose=0)
    classifier = build_classifier("small_cnn", 2, input_shape=(32, 32, 3), weights=None)
    classifier.compile("sgd", "sparse_categorical_crossentropy", metrics=[BinaryAUC()])
    ImageClassifier(classifier, ("a", "b")).save(tmp_path / "classes")
    paths = [tmp_path / "run/best.keras", tmp_path / "transfer/best.keras", tmp_path / "classes/model.keras"]
    command = [sys.executable, "-c", PLAIN, *map(str, paths)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    sums = [float(line.partition("(")[2].rstrip(")")) for line in answer.stdout.splitlines()]
    assert sums == pytest.approx([1, 1, 1], abs=1e-4)
    for path, taught in zip(paths[1:], (network, classifier), strict=True):
        again = keras.saving.load_model(path)
        assert again.name == taught.name
        np.testing.assert_allclose(again(pictures), taught(pictures), atol=1e-6)


def test_fit_goes_on_where_it_was_stopped(tmp_path):
    settings = TrainingSettings(epochs=4)

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    train, val = streams()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        original = keras.Model.fit
        patch.setattr(
            keras.Model, "fit", lambda self, *a, callbacks, **k: original(self, *a, callbacks=[*callbacks, Stop()], **k)
        )
        fit(tiny_model(), train, val, settings, tmp_path, verbose=0)
    assert [row["epoch"] for row in log(tmp_path)] == ["0", "1"]
    train, val = streams()
    fit(tiny_model(), train, val, settings, tmp_path, verbose=0)
    assert [row["epoch"] for row in log(tmp_path)] == ["0", "1", "2", "3"]


@pytest.mark.long
def test_photos_from_a_folder_to_a_model_that_answers(tmp_path):
    (tmp_path / "in").mkdir()
    for number, picture in enumerate(upright_gradients(40, (40, 56))):
        write(np.repeat(picture[..., None], 3, 2), tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    report = run_photos(tmp_path / "in", tmp_path / "run", stages=["32:1:1e-3:stage7"] * 2, weights=None)
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
    answer = predictor.predict([read_image(tmp_path / "in" / "1.png")])[0]
    assert 0 <= answer.angle < 360


@pytest.fixture
def mnist(tmp_path):
    digits, labels = upright_gradients(200, (28, 28)), np.arange(200) % 10
    np.savez(tmp_path / "mnist.npz", x_train=digits, y_train=labels, x_test=digits[:20], y_test=labels[:20])
    return tmp_path / "mnist.npz"


def test_mnist_from_a_file_to_a_model_that_answers(tmp_path, mnist):
    report = run_mnist(tmp_path / "run", data=mnist, epochs=1, seed=4)
    assert json.loads((tmp_path / "run" / "settings.json").read_text())["seed"] == 4
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
    settings = TrainingSettings(epochs=1)
    fit(tiny_model(), *streams(), settings, tmp_path, verbose=0)
    other = TrainingSettings(epochs=1, learning_rate=0.5)
    with pytest.raises(UsageError, match="other settings"):
        fit(tiny_model(), *streams(), other, tmp_path, verbose=0)


def test_a_run_on_other_pictures_or_of_another_network_is_not_gone_on_from(tmp_path):
    settings = TrainingSettings(epochs=1)
    train, val = streams()
    fit(tiny_model(), train, val, settings, tmp_path, verbose=0)
    others = RotNetDataGenerator(255 - train.images, color_mode="grayscale", batch_size=32, sigma=3.0, seed=0)
    with pytest.raises(UsageError, match=r"other settings \(pictures\)"):
        fit(tiny_model(), others, val, settings, tmp_path, verbose=0)
    inputs = keras.Input((12, 12, 1))
    hidden = keras.layers.Dense(4)(keras.layers.Flatten()(inputs))
    other = keras.Model(inputs, keras.layers.Dense(360, activation="softmax")(hidden))
    with pytest.raises(UsageError, match=r"other settings \(parameters, taught_parameters\)"):
        fit(other, train, val, settings, tmp_path, verbose=0)


def test_a_run_of_another_version_says_which_settings_it_misses_or_has_besides(tmp_path):
    settings = TrainingSettings(epochs=1)
    fit(tiny_model(), *streams(), settings, tmp_path, verbose=0)
    path = tmp_path / "settings.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps(kept | {"momentum": 0.9}))
    with pytest.raises(UsageError, match=r"other settings \(momentum\)"):
        fit(tiny_model(), *streams(), settings, tmp_path, verbose=0)
    path.write_text(json.dumps({key: value for key, value in kept.items() if key != "ema"}))  # which is None
    fit(tiny_model(), *streams(), settings, tmp_path, verbose=0)
    assert json.loads(path.read_text()) == kept


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "run").write_bytes(b"")
    with pytest.raises(OutputError, match="run cannot be made"):
        fit(tiny_model(), *streams(), TrainingSettings(epochs=1), tmp_path / "run", verbose=0)


def test_a_run_with_a_function_for_its_augmentation_is_found_again(tmp_path):
    settings = TrainingSettings(epochs=1)
    for _ in range(2):  # as in two processes, each with a function of its own
        train, val = streams()
        train.augmentation = lambda image, angle, size, rng: image
        fit(tiny_model(), train, val, settings, tmp_path, verbose=0)
    assert len(log(tmp_path)) == 1


def test_the_plan_on_disk_says_what_the_pictures_were_made_by(tmp_path):
    settings = TrainingSettings(epochs=1)
    train, val = streams(seed=3)
    fit(tiny_model(), train, val, settings, tmp_path, optimizer=keras.optimizers.SGD(0.1), verbose=0)
    kept = json.loads((tmp_path / "settings.json").read_text())
    assert (kept["batch_size"], kept["sigma"], kept["seed"], kept["optimizer"]) == (32, 3.0, 3, "SGD")


def test_a_loss_that_is_no_number_ends_the_run_for_good(tmp_path):
    settings = TrainingSettings(epochs=2)
    optimizer = keras.optimizers.SGD(float("nan"))
    with pytest.raises(TrainingError, match="remove .* and begin anew at a lower learning rate"):
        fit(tiny_model(), *streams(), settings, tmp_path, optimizer=optimizer, verbose=0)
    assert not (tmp_path / "best.keras").exists()


def test_a_run_that_patience_ended_is_not_taught_further(tmp_path):
    settings = TrainingSettings(epochs=9, learning_rate=1e-9, patience=1)
    taught = fit(tiny_model(), *streams(), settings, tmp_path, verbose=0)
    epochs = len(log(tmp_path))
    assert epochs < 9
    again = fit(tiny_model(), *streams(), settings, tmp_path, verbose=0)
    assert len(log(tmp_path)) == epochs
    for before, after in zip(taught.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_model_that_cannot_be_gone_on_from_is_refused_with_a_sentence(tmp_path):
    for side in ("train", "val"):
        (tmp_path / "in" / side).mkdir(parents=True)
        write(np.zeros((40, 40, 3), np.uint8), tmp_path / "in" / side / "1.png")
    build_classifier("small_cnn", 3, input_shape=(32, 32, 3), weights=None).save(tmp_path / "classes.keras")
    build_model("small_cnn", input_shape=(None, None, 3)).save(tmp_path / "any.keras")
    begun = {"weights": str(tmp_path / "classes.keras"), "stages": ["32:1:1e-3"]}
    with pytest.raises(WeightsError, match=r"\(None, 360\). Received: small_cnn_classifier, with .* \(None, 3\)"):
        run_photos(tmp_path / "in", tmp_path / "run", **begun)
    with pytest.raises(UsageError, match="takes pictures of any size: give stages"):
        run_photos(tmp_path / "in", tmp_path / "run", weights=str(tmp_path / "any.keras"))


def test_a_model_taught_on_tiny_pictures_answers_at_32_pixels():
    taught = build_model("small_cnn", input_shape=(8, 8, 3))
    assert _to_answer(taught, 8, "small_cnn").input_shape == (None, 32, 32, 3)
    assert _to_answer(taught, 192, "small_cnn").input_shape == (None, 224, 224, 3)


@pytest.mark.parametrize(
    "text", ["", "160", "160:12", "160:x:1e-3", "0:1:1e-3", "160:1:1e-3:stage3:more", "160:1:-1e-3", "160:1:nan"]
)
def test_a_stage_of_another_form_is_refused(text):
    with pytest.raises(UsageError, match="SIZE:EPOCHS:RATE"):
        parse_stage(text)
