"""Networks that answer with something else: the angle as a number, or classes that are no angles."""

from __future__ import annotations

from os import PathLike

import keras
from keras import layers

from rotnet.errors import UsageError, WeightsError
from rotnet.inference import presets
from rotnet.inference.networks import OnnxNetwork
from rotnet.models.efficientnet_lite import VARIANTS
from rotnet.models.transfer import backbone_of, build_model, copy_weights, picture_features

HEADS = ("sigmoid", "sincos")
# what an .onnx file is tried as: networks whose layers follow one another as in the file, which branches do not
EXPORTED = (*VARIANTS, "resnet50", "small_cnn")


def build_regression(
    backbone: str = "efficientnet_lite0",
    *,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    weights: str | None = None,
    head: str = "sincos",
    features: str = "pool",
) -> keras.Model:
    """Build a network that answers with the angle as a number.

    Args:
        backbone, input_shape: As for `rotnet.build_model`.
        weights: None for random weights, `"imagenet"` for a backbone that has learned from ImageNet.
        head: `"sincos"`, a point on the unit circle, with the loss `"mse"`; `"sigmoid"`, one fraction of a full turn as
            in the original RotNet, with the loss `rotnet.angle_error_regression`. It cannot be right around 0, for it
            does not know that 359 is next to 0.
        features: `"pool"` or `"flatten"`, the `head` of `rotnet.build_model`.

    Returns:
        A `keras.Model` from `(N, height, width, 3)` pixel values 0 to 255 to `(N, 2)` sine and cosine, or `(N, 1)`
        fractions of a turn in [0, 1].

    Raises:
        UsageError, WeightsError: As for `rotnet.build_model`.

    Example:
        >>> build_regression("small_cnn", input_shape=(32, 32, 3)).output_shape
        (None, 2)
    """
    if head not in HEADS:
        raise UsageError(f"head must be one of {HEADS}. Received: head={head!r}.")
    inputs, x = picture_features(backbone, input_shape=input_shape, imagenet=_imagenet(weights), head=features)
    if head == "sigmoid":
        outputs = layers.Dense(1, activation="sigmoid", dtype="float32", name="turn")(x)
    else:
        point = layers.Dense(2, dtype="float32", name="point")(x)
        outputs = layers.UnitNormalization(dtype="float32", name="sincos")(point)
    return keras.Model(inputs, outputs, name=f"rotnet_{backbone}_{head}")


def build_classifier(
    backbone: str | keras.Model,
    classes: int,
    *,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    weights: str | None = "imagenet",
    dropout: float = 0.2,
) -> keras.Model:
    """Build a network that answers with the probability of each class.

    Args:
        backbone: As for `rotnet.build_model`, or a model of it, such as one that has learned which way is up: its
            backbone is taken over with its weights.
        classes: How many, at least 2.
        input_shape: As for `rotnet.build_model`.
        weights: None for random weights, `"imagenet"` for a backbone that has learned from ImageNet.
        dropout: Share of the features left out in training before the last layer.

    Returns:
        A `keras.Model` from `(N, height, width, channels)` pixel values 0 to 255 to `(N, classes)` probabilities.

    Raises:
        UsageError, WeightsError: As for `rotnet.build_model`.

    Example:
        >>> build_classifier("small_cnn", 3, input_shape=(32, 32, 3), weights=None).output_shape
        (None, 3)
    """
    if classes < 2:
        raise UsageError(f"classes must be at least 2. Received: classes={classes}.")
    taught = backbone_of(backbone) if isinstance(backbone, keras.Model) else None
    name = taught.name if taught else backbone
    imagenet = taught is None and _imagenet(weights)
    inputs, x = picture_features(name, input_shape=input_shape, imagenet=imagenet)
    x = layers.Dropout(dropout, name="dropout")(x)
    outputs = layers.Dense(classes, activation="softmax", dtype="float32", name="classes")(x)
    model = keras.Model(inputs, outputs, name=f"{name}_classifier")
    if taught:
        copy_weights(taught, backbone_of(model))
    return model


def load_rotation_model(model: str | PathLike = "photo") -> keras.Model:
    """Load a model that has learned which way is up as one that can be taught further.

    Args:
        model: A preset, or a `.keras` or `.onnx` file, such as `best.keras` and `model.onnx` of a run.

    Returns:
        A `keras.Model`, as `rotnet.build_model` makes it. One that comes from a preset or an `.onnx` file has its batch
        normalization merged: teach it with `rotnet.models.unfreeze_backbone`.

    Raises:
        UnknownPresetError, WeightsError: There is no such model, or it cannot be read.

    Example:
        >>> load_rotation_model("photo").output_shape
        (None, 360)
    """
    path = presets.find(model)
    if path.suffix == ".keras":
        try:
            return keras.models.load_model(path, compile=False, safe_mode=True)
        except Exception as error:  # whatever Keras and its formats say of a damaged file
            raise WeightsError(f"{path} must be a model saved by Keras, but it cannot be read: {error}") from error
    height, width, _ = OnnxNetwork(path).input_shape
    if not height or not width:
        raise WeightsError(f"{path} must take pictures of one size to be taught further. It takes any size.")
    reasons = []
    for backbone in EXPORTED:
        try:
            return build_model(backbone, input_shape=(height, width, 3), weights=path)
        except (UsageError, WeightsError) as error:  # the former of a size that a backbone does not take
            reasons.append(str(error))
    raise WeightsError(f"{path} must be a model of one of {', '.join(EXPORTED)}. " + " ".join(dict.fromkeys(reasons)))


def _imagenet(weights: str | None) -> bool:
    if weights not in (None, "imagenet"):
        raise UsageError(f"weights must be None or 'imagenet'. Received: weights={weights!r}.")
    return weights == "imagenet"
