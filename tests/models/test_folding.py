"""Batch normalization merged into convolutions and taken out again: the same answers all the way."""

import keras
import numpy as np
import pytest
from keras import layers

from rotnet.models import backbone_of, build_model
from rotnet.models.folding import Pointwise, fold, unfold


@pytest.fixture(scope="module")
def model():
    model = build_model("efficientnet_lite0", input_shape=(64, 64, 3), weights="imagenet", dropout=0.2)
    rng = np.random.default_rng(0)
    for layer in backbone_of(model).layers:
        if "bn" in layer.name:
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([gamma, beta, mean + rng.normal(0, 0.01, mean.shape), variance * 1.1])
    return model


def test_folded_and_unfolded_models_answer_alike(model):
    pictures = np.random.default_rng(1).uniform(0, 255, (4, 64, 64, 3)).astype(np.float32)
    expected = model.predict_on_batch(pictures)
    folded = fold(model)
    np.testing.assert_allclose(folded.predict_on_batch(pictures), expected, rtol=1e-4, atol=1e-6)
    again = unfold(folded, build_model("efficientnet_lite0", input_shape=(64, 64, 3)))
    np.testing.assert_allclose(again.predict_on_batch(pictures), expected, rtol=1e-4, atol=1e-6)


def test_biases_are_taught(model):
    folded = fold(model)
    folded.compile("sgd", "categorical_crossentropy")
    before = backbone_of(folded).get_layer("stem_conv").get_weights()[1]
    folded.train_on_batch(np.full((2, 64, 64, 3), 90, np.float32), np.eye(360, dtype=np.float32)[:2])
    assert (backbone_of(folded).get_layer("stem_conv").get_weights()[1] != before).any()
    assert not any("bn" in weight.path for weight in folded.weights)


@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"activation": "relu6"}])
@pytest.mark.parametrize("may_round", [False, True])  # oneDNN read the switch when it was loaded, and does not here
def test_pointwise_convolutions_answer_and_learn_as_plain_ones(options, may_round, monkeypatch):
    if may_round:
        monkeypatch.setenv("ONEDNN_DEFAULT_FPMATH_MODE", "BF16")
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(3, 6, 5, 8)).astype(np.float32), rng.normal(size=(3, 6, 5, 12)).astype(np.float32)
    found = []
    for kind in (layers.Conv2D, Pointwise):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((None, None, 8))
        # a convolution before it, so that the gradient of its input counts as well
        model = keras.Model(inputs, kind(12, 1, **options)(layers.Conv2D(8, 3, padding="same")(inputs)))
        model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
        outputs = model.predict_on_batch(images)
        model.train_on_batch(images, labels)
        found.append([outputs, *model.get_weights()])
    for plain, quick in zip(*found, strict=True):
        np.testing.assert_allclose(quick, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="other backends keep the plain convolution")
def test_folded_models_can_be_saved_and_read(model, tmp_path):
    folded = fold(model)
    assert isinstance(backbone_of(folded).get_layer("stage3_block1_expand_conv"), Pointwise)
    folded.save(tmp_path / "folded.keras")
    pictures = np.random.default_rng(2).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    again = keras.models.load_model(tmp_path / "folded.keras", compile=False)
    np.testing.assert_array_equal(again.predict_on_batch(pictures), folded.predict_on_batch(pictures))
