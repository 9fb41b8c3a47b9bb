"""Small networks for MNIST digits: the original RotNet's, and one that does better."""

from __future__ import annotations

import keras
from keras import layers

from rotnet.models.group_convolution import P4BatchNormalization, P4Conv2D, P4Orientations

BINARIZE_AT = 25.5  # a tenth of the full range, as in the original


def binarize(inputs):
    """Binarize pixel values 0 to 255 inside a model, so that every caller sees the same digit."""
    return keras.ops.cast(inputs >= BINARIZE_AT, "float32")


def mnist_cnn(input_shape: tuple[int, int, int] = (28, 28, 1)) -> keras.Model:
    """The network of the original RotNet's MNIST experiment (d4nst/RotNet, `train_mnist.py`).

    Args:
        input_shape: `(height, width, 1)`.

    Returns:
        A `keras.Model` from digits, pixel values 0 to 255, to 360 probabilities.

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
        A `keras.Model` from digits, pixel values 0 to 255, to `(N, 1)` fractions of a turn or `(N, 2)` sine and cosine.

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


def mnist_p4cnn(
    input_shape: tuple[int, int, int] = (28, 28, 1), *, width: int = 8, dropout: float = 0.1
) -> keras.Model:
    """A network that commutes with quarter turns; the one behind the preset `mnist`.

    Its answer to a digit turned by 90 degrees is its answer to the digit, moved on by 90 of the 360 bins: see
    `rotnet.models.group_convolution`.

    Args:
        input_shape: `(side, side, 1)`; the side must be a multiple of 4.
        width: Kernels of the first convolution; the others have two and four times as many.
        dropout: Share of the features left out in training before each dense layer.

    Returns:
        A `keras.Model` from digits, pixel values 0 to 255, to 360 probabilities.

    Example:
        >>> mnist_p4cnn(width=2).output_shape
        (None, 360)
    """
    inputs = keras.Input(input_shape, name="images")
    x = _p4(binarize(inputs), width, 5, lift=True)
    x = layers.MaxPooling2D(2)(x)
    x = _p4(_p4(x, 2 * width), 2 * width)
    x = layers.MaxPooling2D(2)(x)
    x = _p4(_p4(x, 4 * width), 4 * width, padding="valid")
    # laid out, not averaged: which end of a stroke is up is a matter of place
    x = layers.Dropout(dropout)(P4Orientations()(x))
    x = layers.Dense(32 * width, use_bias=False, kernel_initializer="he_normal")(x)
    x = layers.Dropout(dropout)(layers.ReLU()(layers.BatchNormalization(momentum=0.98)(x)))
    x = layers.Reshape((360,))(layers.Dense(90)(x))
    return keras.Model(inputs, layers.Softmax(name="angles")(x), name="mnist_p4cnn")


def _original_features(x):
    x = layers.Conv2D(64, 3, activation="relu")(x)
    x = layers.Conv2D(64, 3, activation="relu")(x)
    return layers.MaxPooling2D(2)(x)


def _p4(x, filters, side=3, *, lift=False, padding="same"):
    x = P4Conv2D(filters, side, lift=lift, padding=padding)(x)
    return layers.ReLU()(P4BatchNormalization()(x))
