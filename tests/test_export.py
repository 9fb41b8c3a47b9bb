"""Exported files answer like the model, at half the size, and say how they are to be used."""

import numpy as np
import pytest

from rotnet import Predictor, build_model
from rotnet.errors import OutputError, WeightsError
from rotnet.export import export_onnx, set_metadata
from rotnet.inference import OnnxNetwork
from rotnet.models import mnist_cnn_large

onnx = pytest.importorskip("onnx")
CARD = {"decoder": "mode", "tolerance": 5.0, "calibration": {"1": [0.5, -1.0]}, "min_confidence": 0.25}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    model = mnist_cnn_large(width=8)
    path = tmp_path_factory.mktemp("export") / "digits.onnx"
    assert export_onnx(model, path, metadata={**CARD, "of_a_later_version": 1}) == path
    return model, path


def largest_difference(model, path):
    batch = np.random.default_rng(0).uniform(0, 255, (5, *model.input_shape[1:])).astype(np.float32)
    return np.abs(OnnxNetwork(path)(batch) - model.predict(batch, verbose=0)).max()


def test_the_file_answers_like_the_model(exported):
    assert largest_difference(*exported) < 2e-3


def test_a_backbone_answers_like_its_model(tmp_path):
    model = build_model("efficientnet_lite0", input_shape=(64, 64, 3), weights="imagenet")
    path = export_onnx(model, tmp_path / "photo.onnx")
    assert largest_difference(model, path) < 2e-3
    assert path.stat().st_size < 0.55 * 4 * model.count_params()


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
    model = mnist_cnn_large(width=4)
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
