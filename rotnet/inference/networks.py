"""The networks behind a `Predictor`: an ONNX file on ONNX Runtime, or a Keras model on the backend it was built on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rotnet.errors import WeightsError, require
from rotnet.images.prefetch import usable_cores
from rotnet.inference.model_card import METADATA_KEY, ModelCard

LARGEST_SIDE = 4096  # pixels of a network's input; a few views of that are a gigabyte
_FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")


class Network(Protocol):
    """A network behind a `Predictor`: `(N, height, width, channels)` float32 pixel values to `(N, bins)` scores."""

    input_shape: tuple[int | None, int | None, int | None]
    card: ModelCard

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of a batch."""
        ...


class OnnxNetwork:
    """A network in an ONNX file, run by ONNX Runtime."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        import onnxruntime

        self._path = path
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is raised as well
        # a number keeps ONNX Runtime from pinning threads to cores that a container may not give it
        options.intra_op_num_threads = threads or usable_cores()
        # threads that wait for work sleep: spinning, they take the cores from what decodes the next picture
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            inputs = self._session.get_inputs()
            outputs = self._session.get_outputs()
            metadata = self._session.get_modelmeta().custom_metadata_map
        except Exception as error:  # names may be no text
            raise WeightsError(f"{path} must be an ONNX model, but it cannot be loaded: {_short(error)}") from error
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type != "tensor(float)":
            takes = ", ".join(f"{entry.type} of shape {entry.shape}" for entry in inputs)
            raise WeightsError(f"{path} must take float32 pictures (N, height, width, channels). It takes {takes}.")
        height, width, channels = (side if isinstance(side, int) else None for side in inputs[0].shape[1:])
        self.input_shape = _checked_shape((height, width, channels), str(path))
        if not outputs or outputs[0].type not in _FLOATS:
            gives = ", ".join(f"{entry.type} of shape {entry.shape}" for entry in outputs)
            raise WeightsError(f"{path} must answer with numbers, first of all (N, 360) float32. It gives {gives}.")
        self._name, self._answer = inputs[0].name, outputs[0].name
        try:
            self.card = ModelCard.from_json(metadata.get(METADATA_KEY, "{}"))
        except (ValueError, TypeError) as error:
            raise WeightsError(f"The metadata {METADATA_KEY!r} of {path} is not a model card: {error}") from error

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of a batch."""
        try:
            return np.asarray(self._session.run([self._answer], {self._name: batch})[0], np.float32)
        except Exception as error:
            raise WeightsError(
                f"{self._path} cannot answer for a batch of shape {batch.shape}: {_short(error)}"
            ) from error


class KerasNetwork:
    """A Keras model, run by the backend it was built on, one batch at a time."""

    def __init__(self, model: Any) -> None:
        shape = getattr(model, "input_shape", None)
        if not isinstance(shape, tuple) or len(shape) != 4:
            raise WeightsError(f"A Keras model must take (N, height, width, channels) pictures. It takes {shape}.")
        self._model = model
        self._lock = threading.Lock()
        self.input_shape = _checked_shape((shape[1], shape[2], shape[3]), "A Keras model")
        self.card = ModelCard()

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of a batch."""
        with self._lock:
            answer = self._model.predict_on_batch(batch)
        try:
            return np.asarray(answer, np.float32)
        except (TypeError, ValueError) as error:
            raise WeightsError(f"A Keras model must answer with one array of numbers: {error}.") from error


class LiteRTModel:
    """A `.tflite` file, which answers as a Keras model does, one batch at a time.

    Args:
        path: The file.

    Attributes:
        input_shape: `(None, height, width, channels)`.

    Raises:
        MissingExtraError: `ai-edge-litert` is not installed.
        WeightsError: The file is not of LiteRT, or has several inputs or outputs.
    """

    def __init__(self, path: str | Path) -> None:
        interpreter = require("ai_edge_litert.interpreter", "litert", "running a LiteRT file")
        try:
            self._interpreter = interpreter.Interpreter(str(path))
        except (ValueError, RuntimeError) as error:
            raise WeightsError(f"{path} must be a LiteRT file, but it cannot be loaded: {_short(error)}") from error
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise WeightsError(f"{path} must have one input and one output. It has {len(inputs)} and {len(outputs)}.")
        (self._input,), (self._output,) = inputs, outputs
        self.input_shape = (None, *(int(side) for side in self._input["shape"][1:]))

    def predict_on_batch(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of a batch."""
        self._interpreter.resize_tensor_input(self._input["index"], batch.shape)
        self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(self._input["index"], batch)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output["index"]))


def _checked_shape(
    shape: tuple[int | None, int | None, int | None], name: str
) -> tuple[int | None, int | None, int | None]:
    """Height, width and channels of an input, None where they are free, if pictures may have such sides."""
    if any(side is not None and not 1 <= side <= LARGEST_SIDE for side in shape):
        given = " × ".join(map(str, shape))
        raise WeightsError(f"{name} must take pictures of 1 to {LARGEST_SIDE} pixels a side. It takes {given}.")
    return shape


def _short(error: Exception) -> str:
    """What the runtime says, on one line and not at length."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def load(path: Path, threads: int | None = None) -> Network:
    """The network in a model file, which must end in .onnx, .keras or .tflite."""
    kind = path.suffix.lower()
    if kind == ".onnx":
        return OnnxNetwork(path, threads)
    if kind == ".keras":
        keras = require("keras", "train", "answering with a .keras model")
        try:
            return KerasNetwork(keras.models.load_model(path, compile=False, safe_mode=True))
        except WeightsError:
            raise
        except Exception as error:
            raise WeightsError(f"{path} must be a Keras model, but it cannot be loaded: {_short(error)}") from error
    if kind == ".tflite":
        return KerasNetwork(LiteRTModel(path))
    if kind == ".safetensors":
        raise WeightsError(f"{path} holds weights to train from, not a model that answers: see `rotnet models`.")
    if kind in (".h5", ".hdf5"):
        raise WeightsError(f"{path} is of the former format: load it with keras.models.load_model, and give the model.")
    raise WeightsError(f"A model file must end in .onnx, .keras or .tflite. Received: {path}.")
