"""One rule for labels, whoever makes them."""

import keras
import numpy as np
import pytest

from rotnet.training.labels import LABELS, choose_label, encode_labels, encode_labels_on_device, upright_classes


@pytest.mark.parametrize("label", LABELS)
def test_the_device_makes_the_labels_of_the_processor(label):
    angles = np.array([0, 0.4, 0.6, 90, 179.5, 200.25, 359.4, 359.6, -10, 370], np.float32)
    sigma = 3.0 if label == "soft" else None
    found = keras.ops.convert_to_numpy(encode_labels_on_device(keras.ops.convert_to_tensor(angles), label, sigma))
    expected = encode_labels(angles, label, sigma)
    assert found.shape == expected.shape and found.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_what_is_meant_where_nothing_is_said():
    assert choose_label(None, None) == "one_hot" and choose_label(None, 2.0) == "soft"


@pytest.mark.parametrize(
    ("label", "sigma", "named"),
    [
        ("class", None, "label"),
        ("soft", None, "label"),
        ("angle", 2.0, "label"),
        (None, 0.0, "sigma"),
        (None, -1, "sigma"),
    ],
)
def test_what_does_not_go_together_is_named(label, sigma, named):
    with pytest.raises(ValueError, match=f"^{named} must .*Received"):
        choose_label(label, sigma)


def test_upright_is_what_lies_within_the_tolerance():
    assert upright_classes([0, 5, 5.1, 354.9, 355, 180], 5.0).tolist() == [0, 0, 1, 1, 0, 1]
