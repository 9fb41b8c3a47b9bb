"""`weights/tools/quantize_photo.py`: what is taught is what is written."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from rotnet import Predictor
from rotnet.inference import presets

ROOT = Path(__file__).parents[2]
PHOTOGRAPHS = sorted((ROOT / "examples" / "photos").glob("*.jpg"))[:2]


@pytest.fixture(scope="module")
def tool():
    """The script as a module; beside it lies what it imports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "weights" / "tools")
        return importlib.import_module("quantize_photo")


@pytest.fixture(scope="module")
def model(tool):
    return tool.merged(presets.find("photo"))


def test_the_network_that_is_taught_is_that_of_the_preset(tool, model, monkeypatch):
    monkeypatch.setattr(tool, "rounded", lambda kernel, _: kernel)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    expected = tool.run(tool.session(tool.of_any_size(model)), images)[0]
    network = tool.keras_network(model, {}, 64)
    np.testing.assert_allclose(network.predict_on_batch(images), expected, atol=1e-5)
    again = tool.with_weights(model, network)
    np.testing.assert_allclose(tool.run(tool.session(tool.of_any_size(again)), images)[0], expected, atol=1e-6)


def test_the_file_answers_as_it_was_taught(tool, model, tmp_path):
    bounds = tool.ranges(model, PHOTOGRAPHS)
    tool.write(model, bounds, tmp_path / "int8.onnx")
    predictor = Predictor(tmp_path / "int8.onnx")
    height, width = predictor.input_size
    images = np.stack([predictor.view(path).strip[:height, :width] for path in PHOTOGRAPHS]).astype(np.float32)
    taught = tool.keras_network(model, bounds, height).predict_on_batch(images)
    written = np.stack([answer.probabilities for answer in predictor.predict(images.astype(np.uint8), turns=1)])
    assert np.abs(taught - written).max() < 0.01
