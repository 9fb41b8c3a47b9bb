"""How far off an answer is, in degrees around the circle, as Keras metrics and losses."""

from __future__ import annotations

import keras
from keras import ops


def angle_error(y_true, y_pred):
    """Mean distance between the true and the most probable angle; use as `compile(metrics=[angle_error])`.

    Args:
        y_true: `(N, bins)` labels, one-hot or soft.
        y_pred: `(N, bins)` probabilities or logits.

    Returns:
        `(N,)` float32 tensor, degrees in [0, 180] for each picture; Keras reports the mean.

    Example:
        >>> from rotnet import encode_angles
        >>> float(angle_error(encode_angles([350.0]), encode_angles([10.0]))[0])
        20.0
    """
    return _distance(_most_probable(y_true), _most_probable(y_pred))


def angle_error_regression(y_true, y_pred):
    """Mean distance between true and predicted fractions of a full turn; a metric or a loss.

    Args:
        y_true: `(N, 1)` or `(N,)`, fractions of a full turn in [0, 1].
        y_pred: As many.

    Returns:
        Scalar float32 tensor, degrees in [0, 180].

    Example:
        >>> round(float(angle_error_regression([0.95], [0.05])), 3)
        36.0
    """
    y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
    return ops.mean(_distance(ops.reshape(y_true, (-1,)) * 360.0, ops.reshape(y_pred, (-1,)) * 360.0))


def angle_error_sincos(y_true, y_pred):
    """Mean distance between angles given as sine and cosine, degrees for each picture.

    Args:
        y_true, y_pred: `(N, 2)`, sine and cosine, of any length but zero.

    Example:
        >>> float(angle_error_sincos([[0.0, 1.0]], [[1.0, 0.0]])[0])
        90.0
    """
    return _distance(_angle_of(y_true), _angle_of(y_pred))


@keras.saving.register_keras_serializable(package="rotnet")
class AngleError(keras.metrics.Mean):
    """Mean of `angle_error` over all pictures seen, whatever the batches.

    Args:
        name: Name in logs.
        dtype: As for every Keras metric.

    Example:
        >>> from rotnet import encode_angles
        >>> metric = AngleError()
        >>> metric.update_state(encode_angles([0.0, 0.0]), encode_angles([10.0, 350.0]))
        >>> float(metric.result())
        10.0
    """

    def __init__(self, name: str = "angle_error", dtype=None) -> None:
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch of labels and predictions, both `(N, bins)`."""
        super().update_state(angle_error(y_true, y_pred), sample_weight=sample_weight)


def _most_probable(rows):
    rows = ops.convert_to_tensor(rows)
    return ops.cast(ops.argmax(rows, axis=-1), "float32") * (360.0 / rows.shape[-1])


def _angle_of(sincos):
    sincos = ops.cast(sincos, "float32")
    return ops.arctan2(sincos[:, 0], sincos[:, 1]) * (180.0 / 3.141592653589793)


def _distance(x, y):
    return 180.0 - ops.abs(ops.mod(ops.abs(x - y), 360.0) - 180.0)
