"""What a network is taught about an angle: the kinds of labels, and the rule for each.

The generator makes labels with NumPy, the layers make them on the device. Both rules stand here, side by side.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

from rotnet.geometry.angles import angle_difference, encode_angles

Label = Literal["one_hot", "soft", "angle", "turn", "sincos"]
LABELS: tuple[Label, ...] = get_args(Label)
BINS = 360


def choose_label(label: Label | None, sigma: float | None) -> Label:
    """The kind of label that is meant, once it is known to be possible.

    Args:
        label: One of `LABELS`; None for `"one_hot"`, or `"soft"` with a `sigma`.
        sigma: Degrees, > 0, for `"soft"` only.

    Raises:
        ValueError: `sigma` is not positive, or does not go with `label`.

    Example:
        >>> choose_label(None, 3.0)
        'soft'
    """
    if sigma is not None and not sigma > 0:
        raise ValueError(f"sigma must be None or positive degrees. Received: sigma={sigma}.")
    label = label or ("one_hot" if sigma is None else "soft")
    if label not in LABELS or (label == "soft") != (sigma is not None):
        raise ValueError(
            f"label must be one of {LABELS}, with a sigma if and only if it is 'soft'. "
            f"Received: label={label!r}, sigma={sigma}."
        )
    return label


def encode_labels(angles: ArrayLike, label: Label, sigma: float | None = None) -> NDArray[np.float32]:
    """Labels of angles.

    Args:
        angles: `(N,)` degrees, any finite values.
        label: `"one_hot"` or `"soft"` (`(N, 360)`, of the nearest degree, or a Gaussian bent around the circle),
            `"angle"` (`(N,)` degrees in [0, 360)), `"turn"` (`(N,)`, their share of a full turn) or `"sincos"`
            (`(N, 2)`).
        sigma: Degrees, > 0, for `"soft"`.

    Returns:
        float32 array.

    Example:
        >>> encode_labels([90.0], "turn").tolist()
        [0.25]
    """
    angles = np.asarray(angles, np.float64)
    if label in ("one_hot", "soft"):
        return encode_angles(angles, sigma=sigma, bins=BINS)
    if label == "sincos":
        radians = np.deg2rad(angles)
        return np.stack([np.sin(radians), np.cos(radians)], axis=1).astype(np.float32)
    degrees = np.mod(angles, 360.0)
    return (degrees / 360.0 if label == "turn" else degrees).astype(np.float32)


def encode_labels_on_device(angles: Any, label: Label, sigma: float | None = None) -> Any:
    """The same as `encode_labels` for a float32 tensor of any backend of Keras.

    Example:
        >>> encode_labels_on_device(ops.convert_to_tensor([90.0]), "turn").shape[0]
        1
    """
    if label == "one_hot":
        nearest = ops.mod(ops.cast(ops.floor(angles + 0.5), "int32"), BINS)
        return ops.one_hot(nearest, BINS, dtype="float32")
    if label == "soft":
        offset = ops.mod(ops.arange(BINS, dtype="float32") - angles[:, None] + 180.0, 360.0) - 180.0
        return ops.softmax(-0.5 * ops.square(offset / sigma), axis=1)
    if label == "sincos":
        radians = angles * (math.pi / 180)
        return ops.stack([ops.sin(radians), ops.cos(radians)], axis=1)
    degrees = ops.mod(angles, 360.0)
    return degrees / 360.0 if label == "turn" else degrees


def upright_classes(angles: ArrayLike, tolerance: float) -> NDArray[np.int64]:
    """Class 0 for pictures that are off by at most `tolerance` degrees, class 1 for the others.

    Example:
        >>> upright_classes([357.0, 90.0], tolerance=5.0).tolist()
        [0, 1]
    """
    return np.asarray(np.asarray(angle_difference(angles, 0.0)) > tolerance, np.int64)
