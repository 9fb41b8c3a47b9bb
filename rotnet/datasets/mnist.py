"""MNIST: 70,000 handwritten digits, 28x28 (LeCun, Cortes and Burges, 1998)."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rotnet.errors import ImageError, RotNetError, require
from rotnet.geometry.warping import Interpolation, generate_rotated_image

ENVIRONMENT = "ROTNET_MNIST"
TEST_SEED = 20150607


def load_mnist(path: str | os.PathLike | None = None) -> tuple[tuple[NDArray, NDArray], tuple[NDArray, NDArray]]:
    """Load the digits.

    Args:
        path: An `mnist.npz` in Keras' layout. None takes the one named by the environment variable `ROTNET_MNIST`, and
            without that Keras' own loader, which downloads it once.

    Returns:
        `(train_images, train_digits), (test_images, test_digits)`: `(60000, 28, 28)` and `(10000, 28, 28)` uint8, and
        as many labels.

    Raises:
        ImageError: The file is missing or is not in Keras' layout.
        RotNetError: The download failed.
    """
    path = path or os.environ.get(ENVIRONMENT)
    if path:
        return _load_file(Path(path))
    keras = require("keras", "train", "loading MNIST through Keras")
    try:
        return keras.datasets.mnist.load_data()
    except Exception as error:
        raise RotNetError(
            f"MNIST could not be downloaded ({error}). Connect to the network once, or name a local mnist.npz with "
            f"--data or the environment variable {ENVIRONMENT}."
        ) from error


def rotated_mnist(
    images: NDArray[np.uint8], *, seed: int = TEST_SEED, interpolation: Interpolation = "bilinear"
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The digits, each turned by an angle that depends on nothing but `seed`.

    The digit keeps its 28x28 canvas and its size, so that neither tells the angle.

    Args:
        images: `(N, 28, 28)` uint8.
        seed: Of the angles, uniform in [0, 360).
        interpolation: `"nearest"`, `"bilinear"`, `"cubic"` or `"lanczos"`.

    Returns:
        `(N, 28, 28)` uint8 and `(N,)` degrees.

    Example:
        >>> turned, angles = rotated_mnist(np.zeros((3, 28, 28), np.uint8))
        >>> turned.shape, angles.shape
        ((3, 28, 28), (3,))
    """
    angles = np.random.default_rng(seed).uniform(0.0, 360.0, len(images))
    pairs = zip(images, angles, strict=True)
    return np.stack([generate_rotated_image(i, a, interpolation=interpolation) for i, a in pairs]), angles


def _load_file(path: Path):
    names = ("x_train", "y_train", "x_test", "y_test")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            x_train, y_train, x_test, y_test = (arrays[name] for name in names)
    # what NumPy raises for a missing, an empty, a damaged, another file, or one of a single array
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, KeyError, TypeError, AttributeError) as error:
        raise ImageError(
            f"{path} must be an mnist.npz with the arrays {', '.join(names)}, but it could not be read: {error}"
        ) from error
    return (x_train, y_train), (x_test, y_test)
