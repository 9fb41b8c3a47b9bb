"""Exported files answer like the model, at half the size, and say how they are to be used."""

import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from compass import compass_onnx, crooked
from PIL import Image

from rotnet import Predictor, build_model
from rotnet.cli.main import main
from rotnet.errors import MissingExtraError, OutputError, WeightsError
from rotnet.inference import networks, presets
from rotnet.inference.networks import LiteRTModel, OnnxNetwork
from rotnet.models.export import (
    FORMATS,
    export_model,
    export_onnx,
    largest_difference,
    pool_in_three_dimensions,
    sample_photographs,
    set_metadata,
)

keras, onnx = pytest.importorskip("keras"), pytest.importorskip("onnx")
CARD = {"decoder": "mode", "tolerance": 5.0, "calibration": {"1": [0.5, -1.0]}, "min_confidence": 0.25}


def digit_network():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(8, 3, strides=2, activation="relu"), keras.layers.Flatten()]
    return keras.Sequential([keras.Input((28, 28, 1)), *layers, keras.layers.Dense(360, "softmax", name="angles")])


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    model = digit_network()
    path = tmp_path_factory.mktemp("export") / "digits.onnx"
    assert export_onnx(model, path, metadata={**CARD, "of_a_later_version": 1}) == path
    return model, path


def difference_on_noise(model, path):
    batch = np.random.default_rng(0).uniform(0, 255, (5, *model.input_shape[1:])).astype(np.float32)
    return np.abs(OnnxNetwork(path)(batch) - model.predict(batch, verbose=0)).max()


def test_the_file_answers_like_the_model(exported):
    assert difference_on_noise(*exported) < 2e-3


def test_a_backbone_answers_like_its_model(tmp_path):
    model = build_model("efficientnet_lite0", input_shape=(64, 64, 3), weights="imagenet")
    path = export_onnx(model, tmp_path / "photo.onnx")
    assert difference_on_noise(model, path) < 2e-3
    assert path.stat().st_size < 0.55 * 4 * model.count_params()


def pooled_as_jax2onnx_does(pads):
    """A model that pools pictures 2x2 in windows of four dimensions, as jax2onnx 0.17 writes it."""
    make, number = onnx.helper.make_node, onnx.TensorProto.FLOAT
    nodes = [
        make("Unsqueeze", ["images", "first"], ["five"]),
        make("Unsqueeze", ["five", "second"], ["six"]),
        make("MaxPool", ["six"], ["pooled"], kernel_shape=[1, 2, 2, 1], strides=[1, 2, 2, 1], pads=pads),
        make("Squeeze", ["pooled", "both"], ["answer"]),
    ]
    axes = {"first": [0], "second": [1], "both": [0, 1]}
    graph = onnx.helper.make_graph(
        nodes,
        "pooled",
        [onnx.helper.make_tensor_value_info("images", number, ["batch", 6, 4, 3])],
        [onnx.helper.make_tensor_value_info("answer", number, ["batch", None, None, 3])],
        [onnx.numpy_helper.from_array(np.array(where), name) for name, where in axes.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=10)


@pytest.mark.parametrize("before", [0, 1])
def test_a_batch_is_pooled_as_onnx_runtime_can(before):
    model = pooled_as_jax2onnx_does([0, before, before, 0, 0, before, before, 0])
    pool_in_three_dimensions(model)
    onnx.checker.check_model(model)
    images = np.random.default_rng(0).normal(size=(5, 6, 4, 3)).astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    padded = np.pad(images, [(0, 0), (before, before), (before, before), (0, 0)], constant_values=-np.inf)
    expected = padded.reshape(5, 3 + before, 2, 2 + before, 2, 3).max(axis=(2, 4))
    np.testing.assert_array_equal(session.run(None, {"images": images})[0], expected)


def test_weights_take_half_the_space(exported):
    model, path = exported
    assert path.stat().st_size < 0.55 * 4 * model.count_params()


def test_metadata_arrives(exported):
    card = Predictor(exported[1]).card
    assert (card.decoder, card.tolerance, card.min_confidence) == ("mode", 5.0, 0.25)
    assert list(card.calibration["1"]) == [0.5, -1.0]


def test_metadata_is_replaced_and_the_rest_stays(exported, tmp_path):
    model, path = exported
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(path.read_bytes())
    set_metadata(copy, {"min_confidence": 0.75})
    card = Predictor(copy).card
    assert card.min_confidence == 0.75 and card.decoder == "local_mean"
    assert onnx.load(copy).graph == onnx.load(path).graph
    assert [entry.key for entry in onnx.load(copy).metadata_props].count("rotnet") == 1
    assert list(tmp_path.iterdir()) == [copy]


def test_weights_beyond_float16_stay_whole(tmp_path):
    model = digit_network()
    dense = model.get_layer("angles")
    kernel, bias = dense.get_weights()
    kernel[0, 0] = 1e6
    dense.set_weights([kernel, bias])
    path = export_onnx(model, tmp_path / "large.onnx")
    stored = [onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer]
    assert max(array.max() for array in stored if array.dtype.kind == "f") == 1e6
    assert all(np.isfinite(array).all() for array in stored if array.dtype.kind == "f")


def test_failures_are_named_and_leave_nothing(exported, tmp_path):
    with pytest.raises(OutputError, match="there is no folder .*missing"):
        export_onnx(exported[0], tmp_path / "missing" / "model.onnx")
    (tmp_path / "damaged.onnx").write_bytes(b"no model")
    for name in ("damaged.onnx", "missing.onnx"):
        with pytest.raises(WeightsError, match=f"{name} must be an ONNX file"):
            set_metadata(tmp_path / name, {})
    assert [path.name for path in tmp_path.iterdir()] == ["damaged.onnx"]


# From file to file ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A `.keras` file with a small network that looks at 16 x 16 pixels."""
    layers = [keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(4, 3, strides=2, activation="relu")]
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), *layers, keras.layers.Flatten(), keras.layers.Dense(360, "softmax")]
    )
    path = tmp_path_factory.mktemp("network") / "network.keras"
    model.save(path)
    return path


@pytest.mark.parametrize("format", ["onnx", "litert", "keras"])
def test_every_format_answers_alike(network, tmp_path, monkeypatch, capfd, format):
    if format == "litert":
        pytest.importorskip("ai_edge_litert")
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(network), "--format", format]) == 0
    target = tmp_path / f"network{FORMATS[format]}"
    assert capfd.readouterr().out.startswith(f"{target.name}: 0.")
    assert list(tmp_path.iterdir()) == [target]
    assert largest_difference(network, target, sample_photographs()) <= 1e-3
    capfd.readouterr()
    Image.fromarray(crooked(30.0)).save("crooked.png")
    assert main(["predict", "crooked.png", "--model", target.name]) == 0
    out, err = capfd.readouterr()
    assert "crooked.png" in out and err == ""


def test_a_preset_is_exported_as_it_is(tmp_path):
    assert export_model("mnist", tmp_path / "digits.onnx", format="onnx", pictures=[crooked(30.0)]) == 0
    assert (tmp_path / "digits.onnx").read_bytes() == presets.find("mnist").read_bytes()


def test_an_exported_file_goes_back_to_keras(tmp_path):
    keras.utils.set_random_seed(0)
    exported = export_onnx(build_model("small_cnn", input_shape=(32, 32, 3)), tmp_path / "small.onnx")
    assert export_model(exported, tmp_path / "small.keras", format="keras") <= 1e-3
    assert keras.models.load_model(tmp_path / "small.keras").output_shape == (None, 360)


def test_a_file_that_answers_otherwise_is_not_written(network, tmp_path, monkeypatch):
    def worse(model, path):
        rows = model.layers[-1].get_weights()
        model.layers[-1].set_weights([rows[0] * 2, rows[1] + np.arange(360) / 10])
        return export_onnx(model, path)

    monkeypatch.setattr("rotnet.models.export.export_onnx", worse)
    with pytest.raises(WeightsError, match="answers otherwise"):
        export_model(network, tmp_path / "worse.onnx", format="onnx", pictures=[crooked(30.0)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["compass.onnx", "--format", "keras"], 2, "export the .keras file of its training"),
        (["mnist", "-o", "digits.keras"], 2, "must end in .onnx"),
        (["mnist", "-o", "nowhere/digits.onnx"], 1, "there is no folder nowhere"),
        (["mnist", "--pictures", "."], 2, "no pictures in ."),
        (["mnist", "--licence", "mit"], 2, "say --format folder"),
        (["mnist", "--format", "folder", "--pictures", "."], 2, "leave out --pictures"),
        (["mnist", "--format", "folder", "-o", "new", "--overwrite"], 2, "name another with -o"),
        (["mnst"], 2, "did you mean 'mnist'"),
        (["damaged.keras"], 1, "damaged.keras must be a model saved by Keras"),
    ],
)
def test_command_used_wrongly(tmp_path, monkeypatch, capsys, arguments, status, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged.keras").write_text("no model")
    compass_onnx(tmp_path / "compass.onnx")
    assert main(["export", *arguments]) == status
    assert sentence in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"damaged.keras", "compass.onnx"}


def test_command_overwrites_only_what_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["export", "mnist"]) == 0
    assert main(["export", "mnist"]) == 2
    assert "there already" in capsys.readouterr().err
    assert main(["export", "mnist", "-o", "mnist.onnx"]) == 2
    assert "replace it with --overwrite" in capsys.readouterr().err
    assert main(["export", "mnist", "-o", "mnist.onnx", "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("module", "extra"), [("ai_edge_litert", "litert"), ("keras", "train"), ("skimage.data", "train")]
)
def test_missing_packages_are_named(network, tmp_path, monkeypatch, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"needs {module.partition('.')[0]}, .*rotnet\[{extra}\]"):
        export_model(network, tmp_path / "network.tflite", format="litert")


def test_a_file_that_is_no_litert(tmp_path):
    pytest.importorskip("ai_edge_litert")
    (tmp_path / "damaged.tflite").write_text("no model")
    with pytest.raises(WeightsError, match="must be a LiteRT file"):
        LiteRTModel(tmp_path / "damaged.tflite")


def test_a_litert_file_of_several_inputs_is_refused(monkeypatch):
    details = [{"index": 0, "shape": [1, 8, 8, 3]}] * 2
    two = SimpleNamespace(get_input_details=lambda: details, get_output_details=lambda: details[:1])
    monkeypatch.setattr(networks, "require", lambda *_: SimpleNamespace(Interpreter=lambda path: two))
    with pytest.raises(WeightsError, match="two.tflite must have one input and one output. It has 2 and 1"):
        LiteRTModel("two.tflite")
