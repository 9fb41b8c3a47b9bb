"""EfficientNet-Lite0 and -Lite2, which `keras.applications` does not have, and a deeper Lite0.

EfficientNet-Lite (Liu, Tan and others, 2020, https://github.com/tensorflow/tpu, `models/official/efficientnet/lite`)
is EfficientNet made for small devices: no squeeze-and-excitation, ReLU6 instead of swish, and a stem and head that do
not grow with the network. That makes it the quickest accurate backbone on a plain processor.

The deeper one is this project's own: five more blocks where pictures are small and blocks are cheap, so that a network
that has learned on Lite0 can be grown, answering as before, and learn on (Chen and others, 2016, "Net2Net").
"""

import math
from dataclasses import dataclass, field

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


@dataclass(frozen=True)
class Variant:
    """What tells one EfficientNet-Lite from another.

    Attributes:
        width: Multiplier of the channels.
        depth: Multiplier of the blocks, but for the first stage and the last.
        side: Of the pictures that its ImageNet weights were made for, pixels; None if it has none.
        further: Blocks that a stage has besides, by its number from 1.
    """

    width: float = 1.0
    depth: float = 1.0
    side: int | None = None
    further: dict[int, int] = field(default_factory=dict)


VARIANTS = {
    "efficientnet_lite0": Variant(side=224),
    "efficientnet_lite0_deep": Variant(further={5: 2, 6: 3}),
    "efficientnet_lite2": Variant(width=1.1, depth=1.2, side=260),
}


def efficientnet_lite(name="efficientnet_lite0", *, input_shape=(224, 224, 3), classes=None):
    """Build an EfficientNet-Lite feature extractor, or the whole ImageNet classifier.

    Args:
        name: A name in `VARIANTS`.
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
    variant = VARIANTS[name]
    inputs = keras.Input(input_shape, name="images")
    x = _conv_bn_relu6(inputs, 32, 3, strides=2, name="stem")
    for stage, (kernel, repeats, filters, expansion, stride) in enumerate(STAGES, start=1):
        first_or_last = stage in (1, len(STAGES))
        blocks = repeats if first_or_last else math.ceil(variant.depth * repeats)
        for block in range(1, blocks + variant.further.get(stage, 0) + 1):
            x = _inverted_residual(
                x,
                _round_filters(filters, variant.width),
                kernel,
                expansion=expansion,
                strides=stride if block == 1 else 1,
                name=f"stage{stage}_block{block}",
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
