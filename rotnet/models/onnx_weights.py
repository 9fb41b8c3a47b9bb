"""From an exported file back to a network that can be taught further.

An ONNX file holds the numbers of a model, but not as Keras keeps them: batch normalization is merged into the layer
before it, and the names depend on the exporter. What stays is the order of the layers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from rotnet.errors import WeightsError, require
from rotnet.inference.networks import OnnxNetwork

TOLERANCE, BFLOAT16_TOLERANCE = 1e-4, 2e-2  # between probabilities


@dataclass
class _Linear:
    """What a convolution or a dense layer does, up to the activation after it: multiply, scale, shift."""

    kernel: NDArray[np.float32]
    scale: NDArray[np.float32]
    shift: NDArray[np.float32]


def load_onnx_weights(model: keras.Model, path: str | Path) -> None:
    """Give a model the weights of an exported file of the same architecture.

    A merged batch normalization comes back as a scale and a shift without statistics of its own, so leave it in
    inference mode when you teach the model further, as `rotnet.models.unfreeze_backbone` does.

    Args:
        model: Made by `rotnet.build_model`, with the arguments of the exported one.
        path: An `.onnx` file made by `rotnet.models.export.export_onnx`.

    Raises:
        MissingExtraError: `onnx` is not installed.
        WeightsError: The file is no such file or of another architecture, or the model does not answer as it does.
    """
    network = OnnxNetwork(Path(path))
    if network.input_shape != tuple(model.input_shape[1:]):
        wanted = model.input_shape[1:]
        raise WeightsError(
            f"{path} must take pictures of {wanted} to fit {model.name}. It takes {network.input_shape}."
        )
    kinds = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
    graph = require("onnx", "train", "reading ONNX weights").load(str(path)).graph
    if any(node.op_type == "DequantizeLinear" for node in graph.node):
        raise WeightsError(
            f"{path} answers with 8-bit arithmetic and can neither be taught further nor converted: take the file in "
            "float32 that it was made from."
        )
    found = _read(graph)
    taught = [layer for layer in _leaves(model) if isinstance(layer, kinds)]
    if len(found) != len(taught):
        raise WeightsError(f"{path} must have {len(taught)} layers to fit {model.name}. Found: {len(found)}.")
    normalization = {id(x.input): x for x in _leaves(model) if isinstance(x, layers.BatchNormalization)}
    for layer, values in zip(taught, found, strict=True):
        _assign(layer, normalization.get(id(layer.output)), values, path)
    _compare(model, network, path)


def _read(graph: Any) -> list[_Linear]:
    numpy_helper = require("onnx.numpy_helper", "train", "reading ONNX weights")
    constants = {tensor.name: numpy_helper.to_array(tensor).astype(np.float32) for tensor in graph.initializer}
    found: list[_Linear] = []
    # results that are still nothing but a scaled and shifted output of a layer
    pending: dict[str, _Linear] = {}
    for node in graph.node:
        known = [constants[name] for name in node.input if name in constants]
        layer = next((pending[name] for name in node.input if name in pending), None)
        if node.op_type == "Cast" and known:
            constants[node.output[0]] = known[0]
        elif node.op_type in ("Conv", "MatMul") and known:
            kernel = known[0].transpose(2, 3, 1, 0) if node.op_type == "Conv" else known[0]
            units = kernel.shape[-1]
            shift = known[1] if len(known) > 1 else np.zeros(units, np.float32)
            found.append(_Linear(kernel, np.ones(units, np.float32), shift))
            pending[node.output[0]] = found[-1]
        elif node.op_type in ("Mul", "Add") and known and layer:
            if node.op_type == "Mul":
                layer.scale, layer.shift = layer.scale * known[0].ravel(), layer.shift * known[0].ravel()
            else:
                layer.shift = layer.shift + known[0].ravel()
            pending[node.output[0]] = layer
    return found


def _assign(
    layer: keras.Layer, normalization: layers.BatchNormalization | None, values: _Linear, path: str | Path
) -> None:
    kernel = values.kernel
    if isinstance(layer, layers.DepthwiseConv2D):
        kernel = kernel.swapaxes(2, 3)
    shape = tuple(layer.kernel.shape)
    if kernel.shape != shape:
        raise WeightsError(f"{path} must have weights of shape {shape} for {layer.name}. Found: {kernel.shape}.")
    if normalization is None:
        layer.set_weights([kernel * values.scale, values.shift])
        return
    unbiased = [kernel, np.zeros_like(values.shift)] if layer.use_bias else [kernel]
    layer.set_weights(unbiased)
    ones = np.ones_like(values.scale)
    normalization.set_weights([values.scale, values.shift, 0 * ones, ones - normalization.epsilon])


def _compare(model: keras.Model, network: OnnxNetwork, path: str | Path) -> None:
    """Some exporters may order layers otherwise, and only the answers show it."""
    images = _ramps(model.input_shape[1:])
    tolerance = BFLOAT16_TOLERANCE if "ONEDNN_DEFAULT_FPMATH_MODE" in os.environ else TOLERANCE
    difference = float(np.abs(keras.ops.convert_to_numpy(model(images)) - network(images)).max())
    if not difference <= tolerance:
        raise WeightsError(
            f"{model.name} must answer as {path} does, within {tolerance}. Found: a difference of {difference:.1g}."
        )


def _ramps(shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """Two pictures that differ by channel and by direction, of which networks are surer than of noise."""
    down, across = np.meshgrid(*(np.linspace(0, 255, side) for side in shape[:2]), indexing="ij")
    ramps = np.stack([down, 255 - down, across][: shape[2]], axis=-1)
    return np.stack([ramps, ramps[::-1]]).astype(np.float32)


def _leaves(model: keras.Model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer
