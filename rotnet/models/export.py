"""From one model file to another that answers alike, above all from Keras to ONNX, which answers without Keras."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rotnet.errors import OutputError, UsageError, WeightsError, require
from rotnet.images import reading
from rotnet.images.writing import atomic_file
from rotnet.inference import presets
from rotnet.inference.model_card import METADATA_KEY
from rotnet.inference.predictor import Predictor

if TYPE_CHECKING:
    import keras

FORMATS = {"onnx": ".onnx", "litert": ".tflite", "keras": ".keras"}
# by Keras' backend, and the extra that brings it; PyTorch has one of its own
CONVERTERS = {"tensorflow": ("tf2onnx", "train"), "jax": ("jax2onnx", "jax")}
LARGEST_DIFFERENCE = 1e-3  # between probabilities
LARGEST_HALF = float(np.finfo(np.float16).max)


def export_model(model: str | Path, target: str | Path, *, format: str, pictures: Sequence[Any] | None = None) -> float:
    """Write a model in another format, and check that it answers as before.

    What an ONNX file says about its use, calibration and thresholds, stays behind in other formats.

    Args:
        model: Name of a preset, or path of an `.onnx` or `.keras` file.
        target: Path to write, in a folder that exists, with the extension of the format (`.onnx`, `.tflite` or
            `.keras`). An existing file is replaced once the new one has passed.
        format: `"onnx"`, `"litert"` (formerly TensorFlow Lite, for phones and small computers) or `"keras"`.
        pictures: What both are asked about, each as `rotnet.read_image` takes it; None takes `sample_photographs()`.

    Returns:
        The largest difference between a probability before and after, over the four quarter turns of all pictures.

    Raises:
        ImageError: A picture cannot be read.
        MissingExtraError: What the format needs is not installed.
        OutputError: The target cannot be written.
        UsageError: The format is unknown, or cannot be made of this model.
        WeightsError: There is no such model, or a probability of the new file differs by more than 0.001.
    """
    source, target = presets.find(model), Path(target)
    if format not in FORMATS:
        raise UsageError(f"format must be one of {', '.join(FORMATS)}. Received: format={format!r}.")
    if target.suffix.lower() != FORMATS[format]:
        raise UsageError(f"A file of format {format} must end in {FORMATS[format]}. Received: {target}.")
    if not target.parent.is_dir():
        raise OutputError(f"{target} cannot be written: there is no folder {target.parent}; make it first")
    shown = sample_photographs() if pictures is None else [reading.read_image(picture) for picture in pictures]
    with tempfile.TemporaryDirectory(prefix=".rotnet-", dir=target.parent) as scratch:
        written = Path(scratch, target.name)
        _convert(source, written, format)
        difference = largest_difference(source, written, shown)
        if not difference <= LARGEST_DIFFERENCE:
            raise WeightsError(
                f"{model} as {format} answers otherwise: a probability differs by {difference:.2g}, where "
                f"{LARGEST_DIFFERENCE:g} is allowed. {target} is not written."
            )
        os.replace(written, target)
    return difference


def largest_difference(one: Path, other: Path, pictures: Iterable[NDArray[np.uint8]]) -> float:
    """How far two model files are apart: the largest difference between their probabilities for a picture.

    Args:
        one, other: `.onnx`, `.keras` or `.tflite` files.
        pictures: `(H, W, 3)` uint8; each is shown in its four quarter turns.
    """
    turned = [np.rot90(picture, turn) for picture in pictures for turn in range(4)]
    before, after = (
        np.stack([answer.probabilities for answer in Predictor(path).predict(turned, turns=1)]) for path in (one, other)
    )
    return float(np.abs(before - after).max())


def sample_photographs() -> list[NDArray[np.uint8]]:
    """Four photographs that come with scikit-image, `(H, W, 3)` uint8.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    data = require("skimage.data", "train", "checking an export on photographs")
    return [data.astronaut(), data.chelsea(), data.coffee(), data.rocket()]


def _convert(source: Path, target: Path, format: str) -> None:
    if source.suffix.lower() == FORMATS[format]:
        shutil.copyfile(source, target)
        return
    require("keras", "train", f"exporting to {format}")
    if format == "litert":
        require("tensorflow", "train", "exporting to LiteRT")
        require("ai_edge_litert", "litert", "checking a LiteRT file")
    from rotnet.models.heads import load_rotation_model

    try:
        model = load_rotation_model(source)
    except WeightsError as error:
        if source.suffix.lower() != ".onnx":
            raise
        raise UsageError(
            f"{source} is an ONNX file whose layers are not those of a network that rotnet knows, so that no {format} "
            "file can be made of it: export the .keras file of its training, or what an 8-bit model was made from."
        ) from error
    if format == "onnx":
        export_onnx(model, target)
    elif format == "litert":
        model.export(str(target), format="litert", verbose=False)
    else:
        model.save(target)


def export_onnx(model: keras.Model, path: str | Path, *, metadata: dict[str, Any] | None = None) -> Path:
    """Write a model as ONNX with its weights stored as float16.

    The arithmetic stays float32: each tensor is widened once when the file is loaded. What the file needs to be used
    rightly (calibration, decoder) goes into its metadata, so that the file alone is enough.

    Args:
        model: From `(N, height, width, channels)` float32, pixel values 0 to 255, to `(N, 360)` probabilities.
        path: Target, `.onnx`, in a folder that exists. An existing file is replaced at once.
        metadata: Facts for `rotnet.Predictor`, anything JSON can hold; see `rotnet.inference.model_card.ModelCard`.

    Returns:
        The path.

    Raises:
        MissingExtraError: `onnx` or what converts from Keras' backend is not installed.
        OutputError: The target cannot be written.
    """
    keras = require("keras", "train", "exporting to ONNX")
    onnx = require("onnx", "train", "exporting to ONNX")
    if converter := CONVERTERS.get(keras.backend.backend()):
        require(*converter, "exporting to ONNX")
    path = Path(path)
    if not path.parent.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {path.parent}; make it first")
    model(keras.ops.zeros((1, *model.input_shape[1:])))  # Keras exports no model that has never been called
    with tempfile.TemporaryDirectory() as scratch:
        plain = str(Path(scratch, "model.onnx"))
        model.export(plain, format="onnx", verbose=False)
        exported = onnx.load(plain)
    pool_in_three_dimensions(exported)
    store_as_half(exported)
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


def store_as_half(model: Any, *, smallest: int = 256) -> None:
    """Store large float32 tensors as float16 followed by a cast, which ONNX Runtime folds away on loading.

    Args:
        model: An `onnx.ModelProto`, changed in place.
        smallest: Numbers that a tensor holds at least; smaller ones save next to nothing.
    """
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


def pool_in_three_dimensions(model: Any) -> None:
    """Pool over height, width and channels, where jax2onnx pools over the pictures of a batch as well, one by one.

    ONNX Runtime pools over no more than three dimensions. jax2onnx puts two of length 1 before the four of a batch and
    pools; here the second of them comes after the pooling, so that the pictures are in the place of ONNX' channels.

    Args:
        model: An `onnx.ModelProto`, changed in place; any other pooling in it stays as it is.
    """
    onnx = require("onnx", "train", "exporting to ONNX")
    nodes = model.graph.node
    makers = {name: node for node in nodes for name in node.output}
    for place, pool in reversed(list(enumerate(nodes))):
        if pool.op_type != "MaxPool":
            continue
        sizes = {entry.name: entry.ints for entry in pool.attribute if entry.ints}
        unsqueeze = makers.get(pool.input[0])
        if len(sizes["kernel_shape"]) != 4 or unsqueeze is None or unsqueeze.op_type != "Unsqueeze":
            continue
        for name, values in sizes.items():
            if name == "pads":  # those at the beginning of each dimension, then those at the end
                del values[4]
            del values[0]
        pooled, inner = pool.output[0], f"{pool.output[0]}_in_three"
        pool.input[0], pool.output[0] = unsqueeze.input[0], inner
        nodes.insert(place + 1, onnx.helper.make_node("Unsqueeze", [inner, unsqueeze.input[1]], [pooled]))
