"""From a trained Keras model to a file that answers without Keras."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rotnet.errors import require

METADATA_KEY = "rotnet"


def export_onnx(model: keras.Model, path: str | Path, *, metadata: dict[str, Any] | None = None) -> Path:
    """Write a model as ONNX with its weights stored as float16.

    The arithmetic stays float32: each tensor is widened once when the file is loaded. What the file needs to be used
    rightly (size of the pictures, colour, calibration) goes into its metadata, so that the file alone is enough.

    Args:
        model: From `(N, height, width, channels)` float32, levels 0 to 255, to `(N, 360)` probabilities.
        path: Target, `.onnx`.
        metadata: Facts for `rotnet.Predictor`, anything JSON can hold; see `rotnet.inference.ModelCard`.

    Returns:
        The path.

    Raises:
        MissingExtraError: `onnx` or `tf2onnx` is not installed.
    """
    onnx = require("onnx", "train", "exporting to ONNX")
    require("tf2onnx", "train", "exporting to ONNX")
    path = Path(path)
    model(np.zeros((1, *model.input_shape[1:]), np.float32))
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        plain = os.path.join(scratch, "model.onnx")
        model.export(plain, format="onnx", verbose=False)
        graph = onnx.load(plain)
        _store_as_half(graph)
        entry = graph.metadata_props.add()
        entry.key, entry.value = METADATA_KEY, json.dumps(metadata or {}, sort_keys=True)
        onnx.checker.check_model(graph)
        onnx.save(graph, plain)
        os.replace(plain, path)
    return path


def set_metadata(path: str | Path, metadata: dict[str, Any]) -> None:
    """Replace the facts that an exported file carries, its weights untouched."""
    onnx = require("onnx", "train", "changing an ONNX file")
    graph = onnx.load(os.fspath(path))
    kept = [entry for entry in graph.metadata_props if entry.key != METADATA_KEY]
    del graph.metadata_props[:]
    graph.metadata_props.extend(kept)
    entry = graph.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(metadata, sort_keys=True)
    temporary = Path(f"{path}.part")
    onnx.save(graph, os.fspath(temporary))
    os.replace(temporary, path)


def _store_as_half(model: Any, *, smallest: int = 256) -> None:
    """Store large float32 tensors as float16 followed by a cast, which ONNX Runtime folds away when it loads the file."""
    onnx = require("onnx", "train", "exporting to ONNX")
    graph = model.graph
    casts = []
    for tensor in list(graph.initializer):
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < smallest:
            continue
        values = onnx.numpy_helper.to_array(tensor)
        half = onnx.numpy_helper.from_array(values.astype(np.float16), name=f"{tensor.name}_half")
        graph.initializer.remove(tensor)
        graph.initializer.append(half)
        casts.append(onnx.helper.make_node("Cast", [half.name], [tensor.name], to=onnx.TensorProto.FLOAT))
    for node in reversed(casts):
        graph.node.insert(0, node)
