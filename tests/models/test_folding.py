"""Batch normalization merged into convolutions and taken out again: the same answers all the way."""

import numpy as np
import pytest

from rotnet.models import backbone_of, build_model
from rotnet.models.folding import fold, unfold


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
