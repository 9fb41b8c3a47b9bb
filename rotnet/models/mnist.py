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
        head: `"sigmoid"`, one fraction of a full turn as in the original, which cannot be right at 0 because it does
            not know that 359 is next to 0; `"sincos"`, a point on the unit circle, which does.

    Returns:
        A `keras.Model` from digits, levels 0 to 255, to `(N, 1)` fractions of a turn or `(N, 2)` sine and cosine.

    Raises:
        ValueError: The head is not known.

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


def mnist_cnn_large(
    input_shape: tuple[int, int, int] = (28, 28, 1), *, width: int = 32, dropout: float = 0.3
) -> keras.Model:
    """The original's network, two convolutions deeper and with a larger last layer; the one behind the preset `mnist`.

    Args:
        input_shape: `(height, width, 1)`.
        width: Channels of the first convolution; the others have two and three times as many.
        dropout: Share of the features left out in training before each dense layer.

    Returns:
        A `keras.Model` from digits, levels 0 to 255, to 360 probabilities.

    Example:
        >>> mnist_cnn_large(width=4).output_shape
        (None, 360)
    """
    inputs = keras.Input(input_shape, name="images")
    x = _conv(_conv(binarize(inputs), width), 2 * width)
    x = layers.MaxPooling2D(2)(x)
    x = _conv(_conv(x, 3 * width), 3 * width)
    # flattened, not averaged: which end of a stroke is up is a matter of place
    x = layers.Dropout(dropout)(layers.Flatten()(x))
    x = layers.Dense(8 * width, activation="relu", kernel_initializer="he_normal")(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(360, activation="softmax", name="angles")(x), name="mnist_cnn_large")


def _original_features(x):
    x = layers.Conv2D(64, 3, activation="relu")(x)
    x = layers.Conv2D(64, 3, activation="relu")(x)
    return layers.MaxPooling2D(2)(x)


def _conv(x, filters):
    return layers.Conv2D(filters, 3, activation="relu", kernel_initializer="he_normal")(x)
