"""A backbone that has learned to see from ImageNet, with a head that answers in degrees."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from os import PathLike, fspath
from pathlib import Path

import keras
from keras import layers

from rotnet.errors import UsageError, WeightsError
from rotnet.inference import presets
from rotnet.models.efficientnet_lite import VARIANTS, efficientnet_lite
from rotnet.models.onnx_weights import load_onnx_weights
from rotnet.models.small_cnn import small_cnn
from rotnet.models.two_branch_cnn import two_branch_cnn

# what each family of keras.applications (a module there) wants its pixels to be: scale and offset of values 0 to 255,
# and the order of the channels. Families that are not listed scale inside the network.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_TF = (1 / 127.5, -1.0, "rgb")
_TORCH = ([1 / (255 * s) for s in _STD], [-m / s for m, s in zip(_MEAN, _STD, strict=True)], "rgb")
_CAFFE = (1.0, [-103.939, -116.779, -123.68], "bgr")
# EfficientNet-B normalizes inside, and once more by sqrt(std) where Keras builds it with weights="imagenet", and only
# there. Here that second step is made outside and always, so that a model has the same parts whatever its weights.
_TWICE = ([s**-0.5 for s in _STD], [255 * m * (1 - s**-0.5) for m, s in zip(_MEAN, _STD, strict=True)], "rgb")
_PREPROCESSING: dict[str, tuple] = {
    "resnet": _CAFFE,
    "vgg16": _CAFFE,
    "vgg19": _CAFFE,
    "densenet": _TORCH,
    "resnet_v2": _TF,
    "inception_v3": _TF,
    "inception_resnet_v2": _TF,
    "mobilenet": _TF,
    "mobilenet_v2": _TF,
    "nasnet": _TF,
    "xception": _TF,
    "efficientnet": _TWICE,
    "efficientnet_lite": (1 / 128, -127 / 128, "rgb"),
    "small_cnn": (1 / 127.5, -1.0, "rgb"),
    "two_branch_cnn": (1 / 127.5, -1.0, "rgb"),
}
SHIPPED = "efficientnet_lite0"


def _application_names() -> dict[str, str]:
    members = (name for name in dir(keras.applications) if name[0].isupper())
    return {name.lower(): name for name in members if callable(getattr(keras.applications, name))}


_SMALL: dict[str, Callable[[tuple[int, int, int]], keras.Model]] = {
    "small_cnn": small_cnn,
    "two_branch_cnn": two_branch_cnn,
}
UNTAUGHT = tuple(_SMALL)  # nobody has taught them yet
BACKBONES = tuple(sorted([*VARIANTS, *_application_names(), *UNTAUGHT]))


def usual_weights(backbone: str | None) -> str | None:
    """What a backbone begins with unless somebody says otherwise: None, random weights, for those of `UNTAUGHT`.

    Example:
        >>> usual_weights("resnet50"), usual_weights("small_cnn")
        ('imagenet', None)
    """
    return None if backbone in UNTAUGHT else "imagenet"


def build_model(
    backbone: str = "efficientnet_lite0",
    *,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    weights: str | PathLike | keras.Model | None = None,
    head: str = "pool",
    dropout: float = 0.0,
    classes: int = 360,
) -> keras.Model:
    """Build a network from pictures, pixel values 0 to 255, to the probability of each angle.

    Args:
        backbone: A name in `rotnet.models.BACKBONES`: `"efficientnet_lite0"`, `"efficientnet_lite2"`, `"resnet50"` or
            any other of `keras.applications`, in lower case, or one of `UNTAUGHT`, small ones that learn from nothing:
            `"small_cnn"`, `"two_branch_cnn"`.
        input_shape: `(height, width, 3)` of the pictures, pixels, for the small ones also `(height, width, 1)`; some
            backbones have a least size.
        weights: None for random weights; `"imagenet"` for a backbone that has learned from ImageNet (shipped for
            EfficientNet-Lite, downloaded by Keras for the others); the name of a preset, a path to the
            `.weights.h5`, `.keras` or `.onnx` file of a whole model built with the same arguments, or such a model, as
            for pictures of another size.
        head: `"pool"` averages the features over the picture; `"flatten"` keeps their places, as the original RotNet
            does.
        dropout: Share of the features left out in training before the last layer.
        classes: Number of angles around the circle.

    Returns:
        A `keras.Model` from `(N, height, width, 3)` float32 RGB to `(N, classes)` float32 probabilities; preprocessing
        is part of it, `get_layer(backbone)` is the backbone.

    Raises:
        UsageError: A name is not known, or the shape is not `(height, width, 3)` or too small for the backbone.
        WeightsError: The weights are missing, cannot be downloaded or do not fit.

    Example:
        >>> build_model("efficientnet_lite0", input_shape=(64, 64, 3)).output_shape
        (None, 360)
    """
    inputs, x = picture_features(backbone, input_shape=input_shape, imagenet=weights == "imagenet", head=head)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    outputs = layers.Dense(classes, activation="softmax", dtype="float32", name="angles")(x)
    model = keras.Model(inputs, outputs, name=f"rotnet_{backbone}")
    if isinstance(weights, keras.Model):
        _take_over(weights, model)
    elif weights not in (None, "imagenet"):
        _load(model, weights)
    return model


def picture_features(backbone: str, *, input_shape: tuple[int, int, int], imagenet: bool, head: str = "pool"):
    """Begin a network: preprocessing, backbone, and its features as one vector a picture.

    Args:
        backbone, input_shape, head: As for `build_model`.
        imagenet: Whether the backbone has learned from ImageNet.

    Returns:
        The symbolic inputs, `(N, height, width, channels)`, and features, `(N, F)`.

    Raises:
        UsageError, WeightsError: As for `build_model`.
    """
    if backbone not in BACKBONES:
        raise unknown_backbone(backbone)
    if head not in ("pool", "flatten"):
        raise UsageError(f"head must be 'pool' or 'flatten'. Received: head={head!r}.")
    channels = (1, 3) if backbone in UNTAUGHT else (3,)
    if len(input_shape) != 3 or input_shape[2] not in channels:
        shapes = " or ".join(f"(height, width, {number})" for number in channels)
        raise UsageError(f"input_shape must be {shapes}. Received: input_shape={input_shape}.")
    if imagenet and backbone in UNTAUGHT:
        raise WeightsError(
            f"{backbone} has no ImageNet weights: begin with random ones (weights=None; --from random or "
            f"--random-weights), or take a backbone that has, such as {SHIPPED}."
        )
    try:
        family, features = _backbone(backbone, input_shape)
    except ValueError as error:  # Keras', in words of each network's own
        raise UsageError(
            f"input_shape must be large enough for {backbone}: most backbones take at least 32 pixels a side, some 75. "
            f"Received: input_shape={input_shape}."
        ) from error
    if imagenet:
        _load_imagenet(features)
    inputs = keras.Input(input_shape, name="images")
    x = features(_preprocess(inputs, family))
    x = layers.GlobalAveragePooling2D(name="pool")(x) if head == "pool" else layers.Flatten(name="flatten")(x)
    return inputs, x


def unknown_backbone(backbone: str, *, also: Sequence[str] = ()) -> UsageError:
    """The error that says which backbones there are, and which one a name is near to."""
    names = (*BACKBONES, *also)
    close = difflib.get_close_matches(str(backbone)[:100], names, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else "."
    return UsageError(f"backbone must be one of {names}. Received: backbone={backbone!r}{meant}")


def backbone_of(model: keras.Model) -> keras.Model:
    """The part of a model that sees; what comes after it answers.

    Raises:
        UsageError: The model has no backbone.
    """
    backbone = next((layer for layer in model.layers if isinstance(layer, keras.Model)), None)
    if backbone is None:
        raise UsageError(f"model must have a backbone, as those of build_model do. Received: {model.name}.")
    return backbone


def freeze(model: keras.Model, before: str) -> None:
    """Keep the layers of a model's backbone as they are, up to the first whose name starts with `before`.

    Frozen batch normalization runs on its stored statistics, in training too.

    Args:
        model: Made by `build_model`; it is changed and has to be compiled anew.
        before: Such as `"stage5"` for EfficientNet-Lite or `"conv5"` for ResNet-50; `model.get_layer(backbone).layers`
            has the names.

    Raises:
        UsageError: The model has no backbone, or no layer of it has such a name.

    Example:
        >>> model = build_model(input_shape=(64, 64, 3))
        >>> freeze(model, "head")
        >>> [variable.path.partition("/")[0] for variable in model.trainable_variables]
        ['head_conv', 'head_bn', 'head_bn', 'angles', 'angles']
    """
    backbone = backbone_of(model)
    names = [layer.name for layer in backbone.layers]
    first = next((i for i, name in enumerate(names) if name.startswith(before)), None)
    if first is None:
        raise UsageError(f"before must begin the name of a layer of {backbone.name}. Received: before={before!r}.")
    for layer in backbone.layers[:first]:
        layer.trainable = False


def freeze_depthwise(model: keras.Model) -> None:
    """Keep the depthwise convolutions of a model's backbone as they are, so that only what mixes channels learns.

    They are few weights whose gradients take a processor long. Compile anew afterwards.
    """
    for layer in _all_layers(backbone_of(model)):
        if isinstance(layer, layers.DepthwiseConv2D):
            layer.trainable = False


def freeze_backbone(model: keras.Model) -> None:
    """Keep the backbone of a model as it is, so that only the layers after it learn; compile anew afterwards."""
    backbone_of(model).trainable = False


def unfreeze_backbone(model: keras.Model) -> None:
    """Let the whole model learn, but for the batch normalization of its backbone, which runs on its stored statistics.

    A few small batches would ruin statistics that come from millions of pictures. Compile anew afterwards.
    """
    backbone_of(model).trainable = True
    fix_statistics(model)


def fix_statistics(model: keras.Model) -> None:
    """Run the batch normalization of a model's backbone on its stored statistics, in training too; compile anew after.

    What is taught is then what answers, and it is taught faster.

    Args:
        model: From `build_model`, or another model with a backbone.

    Raises:
        UsageError: The model has no backbone.
    """
    for layer in _all_layers(backbone_of(model)):
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Give a model the weights of another one that is built alike, for pictures of another size, say.

    Raises:
        ValueError: The models have not the same weights.
    """
    target.set_weights(source.get_weights())
    for layer in _all_layers(target):
        # Keras computes with copies of these weights, which it renews when it loads a file, but not here
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def _all_layers(model: keras.Model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _all_layers(layer)


def _backbone(name: str, input_shape: tuple[int, int, int]) -> tuple[str, keras.Model]:
    """The family that decides about preprocessing, and the network itself, its weights random."""
    if name in UNTAUGHT:
        return name, _SMALL[name](input_shape)
    if name in VARIANTS:
        return "efficientnet_lite", efficientnet_lite(name, input_shape=input_shape)
    application = _application(name)
    model = application(include_top=False, weights=None, input_shape=input_shape, name=name)
    return application.__module__.rpartition(".")[2], model


def _application(name: str) -> Callable[..., keras.Model]:
    application: Callable[..., keras.Model] = getattr(keras.applications, _application_names()[name])
    return application


def _load_imagenet(backbone: keras.Model) -> None:
    """Give a backbone what it has learned from ImageNet."""
    name = backbone.name
    if name not in VARIANTS:
        # copied over, for some families build another network where they load these weights
        copy_weights(_download(name, backbone.input_shape[1:]), backbone)
    elif VARIANTS[name].side is None:
        raise WeightsError(f"{name} has no ImageNet weights: grow it from those of efficientnet_lite0.")
    else:
        load_tensors_into(backbone, presets.load_tensors(presets.find(f"{name}_imagenet")))


def _download(name: str, input_shape: tuple[int, int, int]) -> keras.Model:
    try:
        return _application(name)(include_top=False, weights="imagenet", input_shape=input_shape)
    except Exception as error:  # a ValueError too, of a file that came incomplete
        raise WeightsError(
            f"The ImageNet weights of {name} could not be downloaded ({error}). Connect to the network once, or begin "
            "with random weights (weights=None; --from random or --random-weights), or take a backbone whose weights "
            f"are shipped: {', '.join(name for name, variant in VARIANTS.items() if variant.side)}."
        ) from error


def _preprocess(x, family: str):
    if family not in _PREPROCESSING:
        return x
    scale, offset, order = _PREPROCESSING[family]
    if order == "bgr":
        x = keras.ops.flip(x, axis=-1)
    return layers.Rescaling(scale, offset, name="preprocessing")(x)


def load_tensors_into(model: keras.Model, tensors: dict) -> None:
    """Assign arrays to the variables of a model by `layer/variable` name.

    Raises:
        WeightsError: A variable has no array of its name and shape.
    """
    for key, variable in named_variables(model).items():
        if key not in tensors or tensors[key].shape != tuple(variable.shape):
            found = tensors[key].shape if key in tensors else "nothing"
            raise WeightsError(f"Weights for {key} must have shape {tuple(variable.shape)}. Found: {found}.")
        variable.assign(tensors[key].astype("float32"))


def named_variables(model: keras.Model) -> dict[str, keras.Variable]:
    """The variables of a functional model by `layer/variable` name, as the shipped weight files name them."""
    return {f"{layer.name}/{v.name}": v for layer in model.layers for v in layer.variables}


def _take_over(begun: keras.Model, model: keras.Model) -> None:
    try:
        copy_weights(begun, model)
    except ValueError as error:
        raise WeightsError(
            f"A model whose weights are taken over must be built as {model.name} is, with answers of shape "
            f"{model.output_shape}. Received: {begun.name}, with answers of shape {begun.output_shape}."
        ) from error


def _load(model: keras.Model, weights: str | PathLike) -> None:
    path = Path(fspath(weights))
    if fspath(weights) in presets.presets():
        path = presets.find(fspath(weights))
    if not path.is_file():
        raise WeightsError(f"weights must be None, 'imagenet', a preset or a file. Received: {path}, which is neither.")
    try:
        if path.suffix == ".onnx":
            load_onnx_weights(model, path)
        elif path.suffix == ".keras":
            copy_weights(keras.models.load_model(path, compile=False, safe_mode=True), model)
        else:
            model.load_weights(path)
    except (ValueError, TypeError, OSError, KeyError) as error:
        raise WeightsError(f"The weights in {path} cannot be read or do not fit {model.name}: {error}") from error
