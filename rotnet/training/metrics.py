"""How far off an answer is, in degrees around the circle, as Keras metrics and losses.

The functions answer with one mean, as those of the original RotNet do. Keras averages that over batches, so that a
smaller last batch weighs as much as the others; `AngleError` counts pictures.
"""

from __future__ import annotations

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="rotnet")
def angle_error(y_true, y_pred):
    """Mean distance between the true and the most probable angle; use as `compile(metrics=[angle_error])`.

    Args:
        y_true: `(N, bins)` labels, one-hot or soft, bins evenly spaced from 0 degrees.
        y_pred: `(N, bins)` probabilities or logits.

    Returns:
        Scalar float32 tensor, degrees in [0, 180].

    Example:
        >>> from rotnet import encode_angles
        >>> float(angle_error(encode_angles([350.0, 5.0]), encode_angles([10.0, 5.0])))
        10.0
    """
    return ops.mean(_errors(y_true, y_pred))


@keras.saving.register_keras_serializable(package="rotnet")
def angle_error_regression(y_true, y_pred):
    """Mean distance between true and predicted fractions of a full turn; a metric or a loss.

    Args:
        y_true: `(N, 1)` or `(N,)`, fractions of a full turn, any finite values.
        y_pred: As many.

    Returns:
        Scalar float32 tensor, degrees in [0, 180].

    Example:
        >>> round(float(angle_error_regression([0.95], [0.05])), 3)
        36.0
    """
    y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
    return ops.mean(_distance(ops.reshape(y_true, (-1,)) * 360.0, ops.reshape(y_pred, (-1,)) * 360.0))


@keras.saving.register_keras_serializable(package="rotnet")
def angle_error_sincos(y_true, y_pred):
    """Mean distance between angles given as sine and cosine; a metric.

    Args:
        y_true, y_pred: `(N, 2)`, sine and cosine, of any length but zero.

    Returns:
        Scalar float32 tensor, degrees in [0, 180].

    Example:
        >>> float(angle_error_sincos([[0.0, 1.0]], [[1.0, 0.0]]))
        90.0
    """
    return ops.mean(_distance(_angle_of(y_true), _angle_of(y_pred)))


@keras.saving.register_keras_serializable(package="rotnet")
class AngleError(keras.metrics.Mean):
    """Mean error over all pictures seen, whatever the batches.

    Args:
        name: Name in logs.
        dtype: Type of the sums, as every Keras metric takes it.

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
        super().update_state(_errors(y_true, y_pred), sample_weight=sample_weight)


@keras.saving.register_keras_serializable(package="rotnet")
class BinaryAUC(keras.metrics.AUC):
    """Area under the ROC curve of a model that answers with the probabilities of two classes.

    Args:
        name: Name in logs.
        **options: `num_thresholds` and the like of `keras.metrics.AUC`.

    Example:
        >>> metric = BinaryAUC()
        >>> metric.update_state([0, 1], [[0.9, 0.1], [0.6, 0.4]])
        >>> float(metric.result())
        1.0
    """

    def __init__(self, name: str = "auc", **options) -> None:
        super().__init__(name=name, **options)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch of classes, `(N,)` zeros and ones, and probabilities, `(N, 2)`."""
        super().update_state(y_true, ops.convert_to_tensor(y_pred)[:, 1], sample_weight=sample_weight)


def _errors(y_true, y_pred):
    return _distance(_most_probable(y_true), _most_probable(y_pred))


def _most_probable(rows):
    rows = ops.convert_to_tensor(rows)
    bins = ops.cast(ops.shape(rows)[-1], "float32")
    return ops.cast(ops.argmax(rows, axis=-1), "float32") * (360.0 / bins)


def _angle_of(sincos):
    sincos = ops.cast(sincos, "float32")
    return ops.arctan2(sincos[:, 0], sincos[:, 1]) * (180.0 / math.pi)


def _distance(x, y):
    return 180.0 - ops.abs(ops.mod(ops.abs(x - y), 360.0) - 180.0)
