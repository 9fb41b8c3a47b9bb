"""Small networks for MNIST digits: the original RotNet's, and one that does better."""

from __future__ import annotations

import keras
from keras import layers

BINARIZE_AT = 25.5  # a tenth of the full level, as in the original


def binarize(inputs):
    """Turn levels 0 to 255 into exact zeros and ones inside a model, so that every caller sees the same digit."""
    return keras.ops.cast(inputs >= BINARIZE_AT, "float32")


def mnist_cnn(input_shape: tuple[int, int, int] = (28, 28, 1)) -> keras.Model:
    """The network of the original RotNet's MNIST experiment (d4nst/RotNet, `train_mnist.py`).

    Args:
        input_shape: `(height, width, 1)`.

    Returns:
        A `keras.Model` from digits, levels 0 to 255, to 360 probabilities.

    Example:
        >>> mnist_cnn().output_shape
        (None, 360)
    """
    inputs = keras.Input(input_shape, name="images")
    x = _original_features(binarize(inputs))
    x = layers.Dropout(0.25)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(128, activation="relu")(x)
    x = layers.Dropout(0.25)(x)
    return keras.Model(inputs, layers.Dense(360, activation="softmax", name="angles")(x), name="mnist_cnn")


def mnist_regression(input_shape: tuple[int, int, int] = (28, 28, 1), *, head: str = "sigmoid") -> keras.Model:
    """The same network answering with a number instead of classes.

    Args:
        input_shape: `(height, width, 1)`.
        head: `"sigmoid"`, one fraction of a full turn as in the original, which cannot be right at 0 because it does not
            know that 359 is next to 0; `"sincos"`, a point on the unit circle, which does.

    Returns:
        A `keras.Model` from digits, levels 0 to 255, to `(N, 1)` fractions of a turn or `(N, 2)` sine and cosine.

    Example:
        >>> mnist_regression(head="sincos").output_shape
        (None, 2)
    """
    if head not in ("sigmoid", "sincos"):
        raise ValueError(f"head must be 'sigmoid' or 'sincos'. Received: head={head!r}.")
    inputs = keras.Input(input_shape, name="images")
    x = layers.Flatten()(_original_features(binarize(inputs)))
    x = layers.Dense(128, activation="relu")(layers.Dropout(0.25)(x))
    x = layers.Dropout(0.25)(x)
    if head == "sigmoid":
        outputs = layers.Dense(1, activation="sigmoid", name="turn")(x)
    else:
        outputs = layers.UnitNormalization(name="sincos")(layers.Dense(2)(x))
    return keras.Model(inputs, outputs, name=f"mnist_regression_{head}")


def mnist_resnet(
    input_shape: tuple[int, int, int] = (28, 28, 1), *, widths: tuple[int, int] = (32, 96)
) -> keras.Model:
    """A small residual network, the one behind the preset `mnist`.

    Args:
        input_shape: `(height, width, 1)`.
        widths: Channels at a half and at a quarter of the resolution.

    Returns:
        A `keras.Model` from digits, levels 0 to 255, to 360 probabilities.

    Example:
        >>> mnist_resnet(widths=(8, 16)).output_shape
        (None, 360)
    """
    inputs = keras.Input(input_shape, name="images")
    x = _conv(binarize(inputs), widths[0], 5, strides=2)
    x = _residual(x)
    x = _conv(x, widths[1], 3, strides=2)
    x = _residual(_residual(x))
    # flattened, not averaged: which end of a stroke is up is a matter of place
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    x = layers.Dense(256, activation="relu")(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(inputs, layers.Dense(360, activation="softmax", name="angles")(x), name="mnist_resnet")


def _original_features(x):
    x = layers.Conv2D(64, 3, activation="relu")(x)
    x = layers.Conv2D(64, 3, activation="relu")(x)
    return layers.MaxPooling2D(2)(x)


def _conv(x, filters, kernel, *, strides=1):
    x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False)(x)
    return layers.Activation("relu")(layers.BatchNormalization()(x))


def _residual(x):
    return layers.Add()([x, _conv(_conv(x, x.shape[-1], 3), x.shape[-1], 3)])
