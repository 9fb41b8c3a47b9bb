"""Errors on the circle as Keras sees them, against NumPy's."""

import keras
import numpy as np
import pytest

from rotnet import AngleError, angle_difference, angle_error, angle_error_regression, encode_angles
from rotnet.training.metrics import angle_error_sincos


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def random_pairs(size=500):
    """Pairs of whole degrees, with those around the wrap."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 360, (2, size)).astype(float)
    x[:4], y[:4] = [0, 359, 0, 90], [359, 1, 180, 270]
    return x, y


@pytest.mark.parametrize("sigma", [None, 3.0])
def test_angle_error_is_that_of_numpy(sigma):
    x, y = random_pairs()
    error = numbers(angle_error(encode_angles(x, sigma=sigma), encode_angles(y, sigma=5.0)))
    assert error.shape == () and error.dtype == np.float32
    assert error == pytest.approx(np.mean(angle_difference(x, y)), abs=1e-3)


def test_angle_error_goes_round_the_circle():
    pairs = [(0, 359, 1.0), (359, 1, 2.0), (0, 180, 180.0), (90, 270, 180.0), (10, 350, 20.0)]
    for true, found, expected in pairs:
        assert float(angle_error(encode_angles([true]), encode_angles([found]))) == expected


def test_logits_serve_as_well_as_probabilities():
    x, y = random_pairs(50)
    scores = np.log(encode_angles(y, sigma=5.0) + 1e-9)
    assert float(angle_error(encode_angles(x), scores)) == pytest.approx(np.mean(angle_difference(x, y)), abs=1e-3)


def test_any_number_of_bins():
    labels, answers = encode_angles([0.0, 350.0], bins=36), encode_angles([350.0, 20.0], bins=36)
    assert float(angle_error(labels, answers)) == 20.0


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_regression_error_is_that_of_numpy(shape):
    x, y = np.random.default_rng(1).uniform(0, 1, (2, 300)).astype(np.float32)
    x[:3], y[:3] = [0.0, 0.999, 0.25], [1.0, 0.001, 0.75]
    error = float(angle_error_regression(x.reshape(shape), y.reshape(-1, 1)))
    assert error == pytest.approx(np.mean(angle_difference(x * 360.0, y * 360.0)), abs=1e-3)


def test_sincos_error_is_that_of_numpy():
    x, y = np.random.default_rng(2).uniform(0, 360, (2, 300))

    def points(angles, length):
        return length * np.stack([np.sin(np.deg2rad(angles)), np.cos(np.deg2rad(angles))], axis=1)

    error = float(angle_error_sincos(points(x, 1.0), points(y, 0.3)))
    assert error == pytest.approx(np.mean(angle_difference(x, y)), abs=1e-2)


def test_the_class_averages_over_pictures_not_batches():
    x, y = random_pairs(10)
    metric = AngleError()
    for part in (slice(0, 7), slice(7, 10)):
        metric.update_state(encode_angles(x[part]), encode_angles(y[part]))
    assert float(metric.result()) == pytest.approx(np.mean(angle_difference(x, y)), abs=1e-3)
    metric.reset_state()
    metric.update_state(encode_angles([0.0, 0.0]), encode_angles([10.0, 50.0]), sample_weight=[3.0, 1.0])
    assert float(metric.result()) == pytest.approx(20.0)


def test_the_class_comes_back_from_its_config():
    metric = AngleError(name="off_by")
    again = AngleError.from_config(metric.get_config())
    assert again.get_config() == metric.get_config() and again.name == "off_by"
    again = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert type(again) is AngleError and again.name == "off_by"


@pytest.mark.parametrize("metric", [AngleError(), angle_error])
def test_a_compiled_model_is_saved_with_its_metric(tmp_path, metric):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(360, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy", metrics=[metric])
    x, y = np.random.default_rng(0).random((5, 4), np.float32), encode_angles(np.arange(5) * 70.0)
    before = model.evaluate(x, y, verbose=0, return_dict=True)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    after = again.evaluate(x, y, verbose=0, return_dict=True)
    assert set(after) == {"loss", "angle_error"}
    assert after == pytest.approx(before, rel=1e-5)


def test_the_regression_error_serves_as_a_loss():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile("sgd", angle_error_regression)
    x, y = np.random.default_rng(0).random((6, 4), np.float32), np.linspace(0, 0.9, 6, dtype=np.float32)
    before = model.get_weights()[0]
    history = model.fit(x, y, batch_size=4, epochs=1, verbose=0)
    assert 0 <= history.history["loss"][0] <= 180
    assert np.isfinite(model.get_weights()[0]).all() and (model.get_weights()[0] != before).any()
