"""A network of two branches that look at a picture with large filters first, and with small ones first."""

from __future__ import annotations

import keras
from keras import layers

from rotnet.models.small_cnn import convolutions

KERNELS = {"large_first": (7, 5, 3), "small_first": (3, 5, 7)}  # pixels


def two_branch_cnn(input_shape: tuple[int, int, int] = (64, 64, 3)) -> keras.Model:
    """Build a small feature extractor of two branches, whose features are put together at the end.

    Large filters first see outlines, such as a horizon, before they see details; small filters first see edges, and
    what they make up later. Each branch has three convolutions, each followed by pooling.

    Args:
        input_shape: `(height, width, channels)`, height and width at least 8 pixels.

    Returns:
        A `keras.Model` from float images, scaled to [-1, 1], to `(N, height // 8, width // 8, 256)` features. The
        weights are random.

    Example:
        >>> two_branch_cnn((28, 28, 1)).output_shape
        (None, 3, 3, 256)
    """
    inputs = keras.Input(input_shape, name="images")
    branches = [convolutions(inputs, kernels, prefix=f"{branch}_") for branch, kernels in KERNELS.items()]
    features = layers.Concatenate(name="both")(branches)
    return keras.Model(inputs, features, name="two_branch_cnn")
