"""Layers that commute with quarter turns: turn their input by 90 degrees, and their output turns with it.

After T. Cohen and M. Welling, "Group Equivariant Convolutional Networks" (ICML 2016), for the group p4. A feature map
has four times `filters` channels, `(N, height, width, 4 * filters)`, one group of `filters` for each orientation in
which the same kernels were laid on the picture. A network of these layers knows from the first step what others have to
learn: that an upside-down 7 is a 7, upside down.
"""

from __future__ import annotations

import keras
from keras import ops

TURNS = 4


@keras.saving.register_keras_serializable(package="rotnet")
class P4Conv2D(keras.layers.Layer):
    """Convolution with every kernel in four orientations.

    Args:
        filters: Kernels, each of which gives four channels.
        kernel_size: Side of the kernels, pixels.
        lift: True for the first layer, whose input is a picture without groups of channels.
        padding: `"same"` or `"valid"`.
        **kwargs: As for every Keras layer.

    Example:
        >>> tuple(P4Conv2D(8, 3, lift=True)(keras.ops.zeros((1, 28, 28, 1))).shape)
        (1, 28, 28, 32)
    """

    def __init__(self, filters: int, kernel_size: int, *, lift: bool = False, padding: str = "same", **kwargs) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.lift = lift
        self.padding = padding

    def build(self, input_shape):
        groups = 1 if self.lift else TURNS
        if input_shape[-1] % groups:
            raise ValueError(f"The channels must be a multiple of {groups}. Received: {input_shape[-1]} channels.")
        shape = (self.kernel_size, self.kernel_size, groups, input_shape[-1] // groups, self.filters)
        fan_in = shape[0] * shape[1] * shape[2] * shape[3]
        he_normal = keras.initializers.RandomNormal(stddev=(2.0 / fan_in) ** 0.5)
        self.kernel = self.add_weight(shape=shape, initializer=he_normal, name="kernel")

    def call(self, inputs):
        oriented = [self._oriented(turns) for turns in range(TURNS)]
        side, _, groups, channels, filters = self.kernel.shape
        kernels = ops.reshape(ops.stack(oriented, axis=4), (side, side, groups * channels, TURNS * filters))
        return ops.conv(inputs, kernels, padding=self.padding)

    def _oriented(self, turns: int):
        turned = ops.rot90(self.kernel, turns, axes=(0, 1))
        return turned if self.lift else ops.roll(turned, turns, axis=2)

    def compute_output_shape(self, input_shape):
        less = 0 if self.padding == "same" else self.kernel_size - 1
        height, width = (side if side is None else side - less for side in input_shape[1:3])
        return (input_shape[0], height, width, TURNS * self.filters)

    def get_config(self):
        own = {name: getattr(self, name) for name in ("filters", "kernel_size", "lift", "padding")}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="rotnet")
class P4BatchNormalization(keras.layers.Layer):
    """Batch normalization whose figures the four orientations share.

    Args:
        momentum: Of the moving averages.
        epsilon: Added to the variance.
        **kwargs: As for every Keras layer.

    Example:
        >>> tuple(P4BatchNormalization()(keras.ops.zeros((1, 2, 2, 8))).shape)
        (1, 2, 2, 8)
    """

    def __init__(self, momentum: float = 0.98, epsilon: float = 1e-3, **kwargs) -> None:
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape):
        shape = (input_shape[-1] // TURNS,)
        self.gamma = self.add_weight(shape=shape, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta")
        self.moving_mean = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="moving_mean")
        self.moving_variance = self.add_weight(shape=shape, initializer="ones", trainable=False, name="moving_variance")

    def call(self, inputs, training=False):
        if training:
            mean = self._shared(inputs)
            variance = self._shared(ops.square(inputs)) - ops.square(mean)
            for average, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
                average.assign(self.momentum * average + (1 - self.momentum) * now)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        scale = self.gamma * ops.rsqrt(variance + self.epsilon)
        return inputs * ops.tile(scale, TURNS) + ops.tile(self.beta - mean * scale, TURNS)

    @staticmethod
    def _shared(values):
        return ops.mean(ops.reshape(ops.mean(values, axis=(0, 1, 2)), (TURNS, -1)), axis=0)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="rotnet")
class P4Orientations(keras.layers.Layer):
    """Features as they look from each of the four orientations, `(N, 4, height * width * channels)`.

    A dense layer after it, shared by the four, answers for a quarter of the circle from each.

    Example:
        >>> tuple(P4Orientations()(keras.ops.zeros((1, 5, 5, 8))).shape)
        (1, 4, 200)
    """

    def call(self, inputs):
        _, height, width, channels = inputs.shape
        groups = ops.reshape(inputs, (-1, height, width, TURNS, channels // TURNS))
        seen = []
        for turns in range(TURNS):
            turned = ops.rot90(groups, -turns, axes=(1, 2))
            # a roll, which TensorFlow does several times slower
            rolled = ops.concatenate([turned[:, :, :, turns:], turned[:, :, :, :turns]], axis=3)
            seen.append(ops.reshape(rolled, (-1, height * width * channels)))
        return ops.stack(seen, axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], TURNS, input_shape[1] * input_shape[2] * input_shape[3])
