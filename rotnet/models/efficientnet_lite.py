"""EfficientNet-Lite0 and -Lite2, which `keras.applications` does not have.

EfficientNet-Lite (Liu, Tan and others, 2020, https://github.com/tensorflow/tpu, `models/official/efficientnet/lite`)
is EfficientNet made for small devices: no squeeze-and-excitation, ReLU6 instead of swish, and a stem and head that do
not grow with the network. That makes it the quickest accurate backbone on a plain processor.
"""

import math

import keras
from keras import layers

# kernel, repeats, filters, expansion, stride: one row a stage, as published
STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)
# width and depth multiplier, and the side in pixels the ImageNet weights were made for
VARIANTS = {"efficientnet_lite0": (1.0, 1.0, 224), "efficientnet_lite2": (1.1, 1.2, 260)}


def efficientnet_lite(name="efficientnet_lite0", *, input_shape=(224, 224, 3), classes=None):
    """Build an EfficientNet-Lite feature extractor, or the whole ImageNet classifier.

    Args:
        name: `"efficientnet_lite0"` or `"efficientnet_lite2"`.
        input_shape: `(height, width, channels)`; height and width may be None.
        classes: None for the feature map of the last convolution; a number for global average pooling and a softmax
            over that many classes (1000 for ImageNet).

    Returns:
        A `keras.Model` from float images already scaled to `(x - 127) / 128` to `(N, H/32, W/32, 1280)` features or
        `(N, classes)` probabilities. The weights are random.

    Raises:
        ValueError: The name is not known.

    Example:
        >>> efficientnet_lite("efficientnet_lite0", input_shape=(64, 64, 3)).output_shape
        (None, 2, 2, 1280)
    """
    if name not in VARIANTS:
        raise ValueError(f"name must be one of {sorted(VARIANTS)}. Received: name={name!r}.")
    width, depth, _ = VARIANTS[name]
    inputs = keras.Input(input_shape, name="images")
    x = _conv_bn_relu6(inputs, 32, 3, strides=2, name="stem")
    for stage, (kernel, repeats, filters, expansion, stride) in enumerate(STAGES):
        first_or_last = stage in (0, len(STAGES) - 1)
        for block in range(repeats if first_or_last else math.ceil(depth * repeats)):
            x = _inverted_residual(
                x,
                _round_filters(filters, width),
                kernel,
                expansion=expansion,
                strides=stride if block == 0 else 1,
                name=f"stage{stage + 1}_block{block + 1}",
            )
    x = _conv_bn_relu6(x, 1280, 1, name="head")
    if classes is not None:
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        x = layers.Dense(classes, activation="softmax", name="classes")(x)
    return keras.Model(inputs, x, name=name)


def _round_filters(filters, width):
    """Scale a channel count to the nearest multiple of 8 that keeps at least 90 % of it."""
    scaled = filters * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


def _batch_norm(x, name):
    return layers.BatchNormalization(momentum=0.99, epsilon=1e-3, name=f"{name}_bn")(x)


def _conv_bn_relu6(x, filters, kernel, *, name, strides=1):
    x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(_batch_norm(x, name))


def _inverted_residual(x, filters, kernel, *, expansion, strides, name):
    shortcut = x
    if expansion != 1:
        x = _conv_bn_relu6(x, x.shape[-1] * expansion, 1, name=f"{name}_expand")
    depthwise = f"{name}_depthwise"
    x = layers.DepthwiseConv2D(kernel, strides=strides, padding="same", use_bias=False, name=f"{depthwise}_conv")(x)
    x = layers.ReLU(6.0, name=f"{depthwise}_relu")(_batch_norm(x, depthwise))
    x = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=f"{name}_project_conv")(x)
    x = _batch_norm(x, f"{name}_project")
    if strides == 1 and shortcut.shape[-1] == filters:
        x = layers.Add(name=f"{name}_add")([shortcut, x])
    return x
