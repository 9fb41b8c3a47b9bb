"""A network small enough to be taught from nothing, on a plain processor, in minutes."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

FILTERS = (32, 64, 128)


def small_cnn(input_shape: tuple[int, int, int] = (64, 64, 3)) -> keras.Model:
    """Build a small feature extractor: three convolutions, each followed by pooling.

    Args:
        input_shape: `(height, width, channels)`, height and width at least 8 pixels.

    Returns:
        A `keras.Model` from float images, scaled to [-1, 1], to `(N, height // 8, width // 8, 128)` features. The
        weights are random.

    Example:
        >>> small_cnn((28, 28, 1)).output_shape
        (None, 3, 3, 128)
    """
    inputs = keras.Input(input_shape, name="images")
    return keras.Model(inputs, convolutions(inputs, (3, 3, 3)), name="small_cnn")


def convolutions(x, kernels: Sequence[int], *, prefix: str = ""):
    """Three convolutions with kernels of these sides, pixels, each followed by pooling.

    Args:
        x: Symbolic images or features, `(N, height, width, channels)`.
        kernels: Three sides.
        prefix: What the names of the layers begin with.
    """
    for number, (filters, kernel) in enumerate(zip(FILTERS, kernels, strict=True), start=1):
        x = layers.Conv2D(
            filters,
            kernel,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"{prefix}conv{number}",
        )(x)
        x = layers.MaxPooling2D(2, name=f"{prefix}pool{number}")(x)
    return x
