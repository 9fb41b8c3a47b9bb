"""From a trained Keras model to a file that answers without Keras."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rotnet.errors import OutputError, WeightsError, require
from rotnet.inference import METADATA_KEY
from rotnet.writing import atomic_file

LARGEST_HALF = float(np.finfo(np.float16).max)


def export_onnx(model: keras.Model, path: str | Path, *, metadata: dict[str, Any] | None = None) -> Path:
    """Write a model as ONNX with its weights stored as float16.

    The arithmetic stays float32: each tensor is widened once when the file is loaded. What the file needs to be used
    rightly (calibration, decoder) goes into its metadata, so that the file alone is enough.

    Args:
        model: From `(N, height, width, channels)` float32, levels 0 to 255, to `(N, 360)` probabilities.
        path: Target, `.onnx`, in a folder that exists. An existing file is replaced at once.
        metadata: Facts for `rotnet.Predictor`, anything JSON can hold; see `rotnet.inference.ModelCard`.

    Returns:
        The path.

    Raises:
        MissingExtraError: `onnx` or `tf2onnx` is not installed.
        OutputError: The target cannot be written.
    """
    onnx = require("onnx", "train", "exporting to ONNX")
    if keras.backend.backend() != "torch":  # PyTorch has an exporter of its own
        require("tf2onnx", "train", "exporting to ONNX")
    path = Path(path)
    if not path.parent.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {path.parent}; make it first")
    model(keras.ops.zeros((1, *model.input_shape[1:])))  # Keras exports no model that has never been called
    with tempfile.TemporaryDirectory() as scratch:
        plain = str(Path(scratch, "model.onnx"))
        model.export(plain, format="onnx", verbose=False)
        exported = onnx.load(plain)
    _store_as_half(exported)
    _set_card(exported, metadata or {})
    onnx.checker.check_model(exported)
    with atomic_file(path) as file:
        file.write(exported.SerializeToString())
    return path


def set_metadata(path: str | Path, metadata: dict[str, Any]) -> None:
    """Replace the facts that an exported file carries, its weights untouched.

    Args:
        path: An `.onnx` file; it is replaced at once.
        metadata: As for `export_onnx`.

    Raises:
        MissingExtraError: `onnx` is not installed.
        WeightsError: The file is missing or is not ONNX.
        OutputError: The file cannot be written.
    """
    onnx = require("onnx", "train", "changing an ONNX file")
    try:
        exported = onnx.load(str(path))
    except Exception as error:  # the parser of protobuf has errors of its own
        raise WeightsError(f"{path} must be an ONNX file, but it cannot be read: {error}") from error
    _set_card(exported, metadata)
    with atomic_file(path) as file:
        file.write(exported.SerializeToString())


def _set_card(model: Any, metadata: dict[str, Any]) -> None:
    kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    model.metadata_props.add(key=METADATA_KEY, value=json.dumps(metadata, sort_keys=True))


def _store_as_half(model: Any, *, smallest: int = 256) -> None:
    """Store large float32 tensors as float16 followed by a cast, which ONNX Runtime folds away on loading."""
    onnx = require("onnx", "train", "exporting to ONNX")
    graph = model.graph
    casts = []
    for tensor in list(graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < smallest:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        if not np.abs(values).max() <= LARGEST_HALF:
            continue
        half = onnx.numpy_helper.from_array(values.astype(np.float16), name=f"{tensor.name}_half")
        graph.initializer.remove(tensor)
        graph.initializer.append(half)
        casts.append(onnx.helper.make_node("Cast", [half.name], [tensor.name], to=onnx.TensorProto.FLOAT))
    for node in reversed(casts):
        graph.node.insert(0, node)
