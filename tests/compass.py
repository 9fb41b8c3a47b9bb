"""A network that answers rightly without having learned anything: up is where the light comes from."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def crooked(angle, height=48, width=64, dtype=np.uint8):
    """RGB `uint8` of a picture that is bright above, turned counter-clockwise by `angle` degrees."""
    y, x = np.mgrid[0:height, 0:width] + 0.5
    up, right, turn = height / 2 - y, x - width / 2, np.radians(angle)
    ramp = (up * np.cos(turn) - right * np.sin(turn)) / np.hypot(height, width)
    gray = np.rint(128 + 250 * ramp).astype(dtype)
    return np.repeat(gray[:, :, None], 3, axis=2)


def posts(height=400, width=520):
    """RGB `uint8` of posts that lean to the left by 5.7 degrees, under a light that tells about which way is up."""
    y, x = np.mgrid[:height, :width]
    stripes = 60 + 50 * np.sin((x * np.cos(0.1) - y * np.sin(0.1)) / 6)
    return np.uint8(np.clip(crooked(5.0, height, width) * 0.5 + stripes[:, :, None], 0, 255))


def compass_weights(size=16, channels=3, certainty=0.03):
    """`(size * size * channels, 360)` float32: how well the light of each pixel goes with each degree."""
    offset = (np.arange(size) + 0.5) / (size / 2) - 1
    x, y, _ = np.meshgrid(offset, -offset, np.ones(channels))
    turn = np.radians(np.arange(360))
    return (certainty * (np.outer(y, np.cos(turn)) - np.outer(x, np.sin(turn)))).astype(np.float32)


def compass_onnx(
    path, *, channels=3, softmax=True, dtype=TensorProto.FLOAT, height=16, weights=None, card=None, fixed=None
):
    """Write the network as ONNX; options make it unlike what rotnet takes."""
    weights = compass_weights(channels=channels) if weights is None else weights
    nodes = [
        helper.make_node("Cast", ["image"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["cast"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax" if softmax else "Identity", ["logits"], ["answer"]),
    ]
    graph = helper.make_graph(
        nodes,
        "compass",
        [helper.make_tensor_value_info("image", dtype, [fixed or "N", height, 16, channels])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [fixed or "N", weights.shape[1]])],
        [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if card is not None:
        model.metadata_props.add(key="rotnet", value=card if isinstance(card, str) else json.dumps(card))
    onnx.save(model, path)
    return path
