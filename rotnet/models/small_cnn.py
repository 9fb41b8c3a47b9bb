"""A network small enough to be taught from nothing, on a plain processor, in minutes."""

from __future__ import annotations

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
    x = inputs = keras.Input(input_shape, name="images")
    for number, filters in enumerate(FILTERS, start=1):
        x = layers.Conv2D(
            filters, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=f"conv{number}"
        )(x)
        x = layers.MaxPooling2D(2, name=f"pool{number}")(x)
    return keras.Model(inputs, x, name="small_cnn")
