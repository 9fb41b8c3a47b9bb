"""Batch normalization on fixed statistics, merged into the convolution before it, for teaching; and back again.

What is left is a convolution with a bias. It answers the same, and its biases learn, which batch normalization on fixed
statistics does not let them. On TensorFlow, convolutions of one pixel become products of matrices, whose gradients a
processor computes quicker.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import keras
import numpy as np
from keras import layers, ops

from rotnet.models.transfer import backbone_of

__all__ = ["fold", "unfold"]


@keras.saving.register_keras_serializable("rotnet")
class Folded(layers.Layer):
    """Stands where a batch normalization was, and does nothing."""

    def call(self, inputs, mask=None, training=None):
        return inputs


@keras.saving.register_keras_serializable("rotnet")
class Pointwise(layers.Conv2D):
    """A convolution of one pixel as a product of matrices: the same weights, outputs and gradients.

    Where oneDNN may round to bfloat16 (`ONEDNN_DEFAULT_FPMATH_MODE=BF16`), it does so in products of stacks of matrices
    alone, so these are stacks of one then.
    """

    def call(self, inputs):
        *places, channels = ops.shape(inputs)
        stack = (1,) if "ONEDNN_DEFAULT_FPMATH_MODE" in os.environ else ()
        kernel = ops.reshape(self.kernel, (*stack, channels, self.filters))
        outputs = ops.matmul(ops.reshape(inputs, (*stack, -1, channels)), kernel)
        if self.use_bias:
            outputs = ops.add(outputs, self.bias)
        return self.activation(ops.reshape(outputs, (*places, self.filters)))


def fold(model: keras.Model) -> keras.Model:
    """A network that answers as a model does, whose convolutions have biases in the place of batch normalization.

    Args:
        model: Made by `rotnet.build_model` with a backbone whose batch normalization follows convolutions, as in
            EfficientNet-Lite.

    Returns:
        A new model; compile it to teach it.

    Example:
        >>> from rotnet import build_model
        >>> model = build_model(input_shape=(64, 64, 3))
        >>> picture = np.zeros((1, 64, 64, 3), np.float32)
        >>> bool(np.allclose(fold(model).predict_on_batch(picture), model.predict_on_batch(picture), atol=1e-5))
        True
    """
    folded = keras.models.clone_model(model, clone_function=_clone, recursive=True)
    target = backbone_of(folded)
    for convolution, normalization in _pairs(backbone_of(model)):
        gamma, beta, mean, variance = (np.asarray(value) for value in normalization.get_weights())
        scale = gamma / np.sqrt(variance + normalization.epsilon)
        kernel = convolution.get_weights()[0]
        if isinstance(convolution, layers.DepthwiseConv2D):
            kernel = kernel * scale[:, None]
        else:
            kernel = kernel * scale
        target.get_layer(convolution.name).set_weights([kernel, beta - mean * scale])
    _copy_head(model, folded)
    return folded


def unfold(folded: keras.Model, model: keras.Model) -> keras.Model:
    """Give a model with batch normalization the weights of a folded one, so that it answers the same.

    Args:
        folded: What `fold` gave, taught further.
        model: Built as the one that was folded; of any input size. It is changed.

    Returns:
        `model`.
    """
    source = backbone_of(folded)
    for convolution, normalization in _pairs(backbone_of(model)):
        kernel, bias = source.get_layer(convolution.name).get_weights()
        convolution.set_weights([kernel])
        one, zero = np.ones_like(bias), np.zeros_like(bias)
        normalization.set_weights([one, bias, zero, one - normalization.epsilon])
    _copy_head(folded, model)
    return model


def _clone(layer: keras.Layer) -> keras.Layer:
    if isinstance(layer, layers.BatchNormalization):
        return Folded(name=layer.name)
    config = layer.get_config()
    if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
        config["use_bias"] = True
    kind = Pointwise if keras.backend.backend() == "tensorflow" and _is_pointwise(layer) else layer.__class__
    return kind.from_config(config)


def _is_pointwise(layer: keras.Layer) -> bool:
    return (
        type(layer) is layers.Conv2D
        and layer.kernel_size == layer.strides == (1, 1)
        and layer.groups == 1
        and layer.data_format == "channels_last"
    )


def _pairs(backbone: keras.Model) -> Iterator[tuple[keras.Layer, keras.Layer]]:
    """Each convolution with the batch normalization that follows it."""
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            yield layer.input._keras_history.operation, layer


def _copy_head(source: keras.Model, target: keras.Model) -> None:
    for layer in source.layers:
        if not isinstance(layer, keras.Model) and layer.weights:
            target.get_layer(layer.name).set_weights(layer.get_weights())
