"""One picture in, its angle out; on ONNX Runtime unless the caller brings a Keras model."""

from __future__ import annotations

import functools
import io
import json
import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rotnet import images as pictures
from rotnet import weights
from rotnet.angles import DECODERS, angle_difference, decode_angles, roll_quarter_turns
from rotnet.errors import ImageError, UsageError, WeightsError, require
from rotnet.geometry import square_view

__all__ = ["AnglePrediction", "ModelCard", "Predictor", "as_predictor", "each", "is_many", "predict_angle"]

T = TypeVar("T")
BATCH = 16  # pictures a network sees at once; more only costs memory on a processor
METADATA_KEY = "rotnet"


@dataclass(frozen=True)
class AnglePrediction:
    """What a model says of one picture.

    Attributes:
        angle: Degrees counter-clockwise as seen, in [0, 360), that the picture is turned by.
        confidence: Probability, in [0, 1], that the true angle is within the tolerance of the model's card, 10 degrees
            for the presets, of `angle`; calibrated where the card has a calibration, as those of the presets have.
        probabilities: `(360,)` float32, one for each whole degree, summing to 1.
    """

    angle: float
    confidence: float
    probabilities: NDArray[np.float32] = field(repr=False, compare=False)


@dataclass(frozen=True)
class ModelCard:
    """What has to be known to use a network rightly; an exported file carries it in its metadata.

    Attributes:
        decoder: How probabilities become an angle; see `rotnet.decode_angles`.
        tolerance: Degrees; the confidence is the probability of an error no larger than this.
        calibration: By number of quarter turns (`"1"`, `"4"`), slope and intercept of the logistic that maps the
            probability mass within the tolerance to the share of right answers on validation pictures (Platt, 1999).
        min_confidence: Below it a picture is better left as it is.

    Raises:
        ValueError: There is no such decoder.
    """

    decoder: str = "local_mean"
    tolerance: float = 10.0
    calibration: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    min_confidence: float = 0.5

    def __post_init__(self) -> None:
        if self.decoder not in DECODERS:
            raise ValueError(f"decoder must be one of {DECODERS}. Received: decoder={self.decoder!r}.")

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Read a card, a JSON object; entries of later versions are ignored."""
        values = {key: value for key, value in json.loads(text).items() if key in cls.__dataclass_fields__}
        return cls(**values)

    def mass(self, probabilities: NDArray[np.floating], angle: float) -> float:
        """Share of `(bins,)` probabilities within the tolerance of `angle`, in [0, 1]."""
        bins = np.arange(len(probabilities)) * (360.0 / len(probabilities))
        return float(probabilities[np.asarray(angle_difference(bins, angle)) <= self.tolerance].sum())

    def confidence(self, probabilities: NDArray[np.floating], angle: float, turns: int) -> float:
        """Calibrated probability that `angle` is within the tolerance, given `(bins,)` probabilities."""
        mass = min(max(self.mass(probabilities, angle), 1e-6), 1 - 1e-6)
        slope, intercept = self.calibration.get(str(turns), (1.0, 0.0))
        # the logistic function, in a form that does not overflow
        return 0.5 + 0.5 * math.tanh(0.5 * (slope * math.log(mass / (1 - mass)) + intercept))


class Network(Protocol):
    """A network behind a `Predictor`: `(N, height, width, channels)` float32 levels to `(N, bins)` scores."""

    input_shape: tuple[int | None, int | None, int | None]
    card: ModelCard

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of a batch."""
        ...


class Predictor:
    """A model kept ready for many pictures; safe to share between threads.

    Args:
        model: Name of a preset, path of an `.onnx` or `.keras` file, or a Keras model with one probability or logit for
            each of 360 degrees, such as one trained with the original RotNet.
        threads: Threads of ONNX Runtime; None lets it choose.
        preprocess_func: Called with each float32 batch of levels 0 to 255 before a Keras model that was trained with
            preprocessing outside; None for models that bring their own.

    Attributes:
        input_size: `(height, width)` the network looks at, pixels.
        card: The model's `ModelCard`.

    Raises:
        UnknownPresetError: There is no preset of that name.
        UsageError: `model` is none of these.
        WeightsError: The file is missing, altered, or not a model that answers with angles.
        MissingExtraError: A `.keras` file is given and Keras is not installed.

    Example:
        >>> predictor = Predictor("photo")
        >>> predictor.predict([np.zeros((60, 80, 3), np.uint8)])[0].probabilities.shape
        (360,)
    """

    def __init__(
        self,
        model: Any = "photo",
        *,
        threads: int | None = None,
        preprocess_func: Callable[[NDArray[np.float32]], Any] | None = None,
    ) -> None:
        if isinstance(model, (str, os.PathLike)):
            self._network = _load(weights.find(model), threads)
        elif hasattr(model, "predict_on_batch"):
            self._network = KerasNetwork(model)
        else:
            raise UsageError(
                "model must be the name of a preset, the path of a model file or a Keras model. "
                f"Received: {type(model).__name__}."
            )
        height, width, channels = self._network.input_shape
        if channels not in (1, 3):
            raise WeightsError(f"A model must take pictures of 1 or 3 channels. This one takes {channels}.")
        self.input_size = (height or 224, width or 224)
        self.card = self._network.card
        self._channels = channels
        self._preprocess = preprocess_func

    def predict(self, images: Iterable[Any], *, turns: int = 4) -> list[AnglePrediction]:
        """Predict the angles of pictures.

        Args:
            images: Several pictures, each whatever `rotnet.read_image` takes. They are read as they are needed.
            turns: 4 averages the answers to the four exact quarter turns of a picture, 1 asks once, four times as fast.

        Returns:
            One prediction a picture, in order.

        Raises:
            ImageError: A picture cannot be read; the message says which.
            UsageError: `turns` is neither 1 nor 4, or `images` is a single picture.
            WeightsError: The model answers with something else than angles.
        """
        if _is_single(images):
            raise UsageError(
                "images must be several pictures: put one into a list, or call predict_angle(image, model=predictor). "
                f"Received: {type(images).__name__}."
            )
        return list(self.predict_views(each(images, self.view), turns=turns))

    def view(self, image: Any) -> NDArray[np.uint8]:
        """What the network will see of a picture: its centre square, scaled, `(height, width, channels)` uint8."""
        return pictures.as_channels(square_view(pictures.read(image), self.input_size), self._channels)

    def predict_views(self, views: Iterable[NDArray[np.uint8]], *, turns: int = 4) -> Iterator[AnglePrediction]:
        """Predict the angles of pictures that went through `view`, some at a time, in order."""
        if turns not in (1, 4):
            raise UsageError(f"turns must be 1 or 4. Received: turns={turns!r}.")
        turns = int(turns)
        if turns == 4 and self.input_size[0] != self.input_size[1]:
            raise UsageError(f"turns=4 needs a model of square pictures, not of {self.input_size}: use turns=1.")
        remaining = iter(views)
        while chunk := list(islice(remaining, max(1, BATCH // turns))):
            stacked = np.stack([np.rot90(view, turn) for view in chunk for turn in range(turns)])
            rows = self._probabilities(stacked.astype(np.float32)).reshape(len(chunk), turns, -1)
            for row in rows:
                upright = [roll_quarter_turns(row[turn], turn) for turn in range(turns)]
                yield self._answer(np.mean(upright, axis=0, dtype=np.float32), turns)

    def _probabilities(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        scores = np.asarray(self._network(self._preprocess(batch) if self._preprocess else batch), np.float32)
        if scores.ndim != 2 or scores.shape[1] != 360:
            raise WeightsError(
                "A model must answer with 360 probabilities a picture, one for each degree. "
                f"This one answers with shape {scores.shape}."
            )
        if not np.isfinite(scores).all():
            raise WeightsError("A model must answer with finite numbers, but this one answered NaN or infinity.")
        if scores.min() < 0 or not np.allclose(scores.sum(axis=1), 1.0, atol=1e-2):
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    def _answer(self, probabilities: NDArray[np.float32], turns: int) -> AnglePrediction:
        angle = float(decode_angles(probabilities, method=self.card.decoder))
        return AnglePrediction(angle, self.card.confidence(probabilities, angle, turns), probabilities)


def predict_angle(image: Any, *, model: Any = "photo", turns: int = 4) -> Any:
    """Predict by how many degrees a picture is turned.

    Args:
        image: A path, bytes, file object, PIL image or array, as `rotnet.read_image` takes, or a list (or 4-D array) of
            them.
        model: Name of a preset, path of an `.onnx` or `.keras` file, a `Predictor` or a Keras model.
        turns: 4 averages over the four quarter turns of the picture, 1 does not.

    Returns:
        An `AnglePrediction`; a list of them for a list or a 4-D array.

    Raises:
        ImageError: A picture cannot be read.
        UsageError: An option is not as described.
        WeightsError: The model cannot be loaded or is none.

    Example:
        >>> prediction = predict_angle(np.zeros((60, 80, 3), np.uint8))
        >>> 0 <= prediction.angle < 360
        True
    """
    predictor = as_predictor(model)
    if is_many(image):
        return predictor.predict(image, turns=turns)
    return next(predictor.predict_views([predictor.view(image)], turns=turns))


def is_many(image: Any) -> bool:
    """Whether a caller handed in several pictures: a list, a tuple or a 4-D array."""
    return isinstance(image, (list, tuple)) or (isinstance(image, np.ndarray) and image.ndim == 4)


def each(images: Iterable[Any], use: Callable[[Any], T]) -> Iterator[T]:
    """What `use` makes of each picture; its `ImageError` tells which of them could not be read.

    Example:
        >>> list(each([np.zeros((2, 2), np.uint8), "no-such-file"], pictures.read))
        Traceback (most recent call last):
        rotnet.errors.ImageError: images[1]: no-such-file cannot be opened: No such file or directory
    """
    for index, image in enumerate(images):
        try:
            used = use(image)
        except ImageError as error:
            raise ImageError(f"images[{index}]: {error}") from error
        yield used


def _is_single(images: Any) -> bool:
    if isinstance(images, np.ndarray):
        return images.ndim < 3 or (images.ndim == 3 and images.shape[2] <= 4)
    return not isinstance(images, Iterable) or isinstance(images, (str, bytes, bytearray, memoryview, io.IOBase))


def as_predictor(model: Any) -> Predictor:
    """A `Predictor` for whatever a caller names a model by; files are loaded once."""
    if isinstance(model, Predictor):
        return model
    if isinstance(model, (str, os.PathLike)):
        path = weights.find(model).resolve()
        return _cached_predictor(path, path.stat().st_mtime_ns)
    return Predictor(model)


@functools.lru_cache(maxsize=4)
def _cached_predictor(path: Path, mtime_ns: int) -> Predictor:
    return Predictor(path)


class OnnxNetwork:
    """A network in an ONNX file, run by ONNX Runtime."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is raised as well
        # a number keeps ONNX Runtime from pinning threads to cores that a container may not give it
        options.intra_op_num_threads = threads or _cores()
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise WeightsError(f"{path} must be an ONNX model, but it cannot be loaded: {error}") from error
        self._path = path
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type != "tensor(float)":
            takes = ", ".join(f"{entry.type} of shape {entry.shape}" for entry in inputs)
            raise WeightsError(f"{path} must take float32 pictures (N, height, width, channels). It takes {takes}.")
        height, width, channels = (side if isinstance(side, int) else None for side in inputs[0].shape[1:])
        self.input_shape = (height, width, channels)
        self._name = inputs[0].name
        metadata = self._session.get_modelmeta().custom_metadata_map
        try:
            self.card = ModelCard.from_json(metadata.get(METADATA_KEY, "{}"))
        except (ValueError, TypeError, AttributeError) as error:
            raise WeightsError(f"The metadata {METADATA_KEY!r} of {path} is not a model card: {error}") from error

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of a batch."""
        try:
            return self._session.run(None, {self._name: batch})[0]
        except Exception as error:
            raise WeightsError(f"{self._path} cannot answer for a batch of shape {batch.shape}: {error}") from error


class KerasNetwork:
    """A Keras model, run by the backend it was built on, one batch at a time."""

    def __init__(self, model: Any) -> None:
        shape = getattr(model, "input_shape", None)
        if not isinstance(shape, tuple) or len(shape) != 4:
            raise WeightsError(f"A Keras model must take (N, height, width, channels) pictures. It takes {shape}.")
        self._model = model
        self._lock = threading.Lock()
        self.input_shape = (shape[1], shape[2], shape[3])
        self.card = ModelCard()

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of a batch."""
        with self._lock:
            return np.asarray(self._model.predict_on_batch(batch))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _load(path: Path, threads: int | None) -> Network:
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
            raise WeightsError(f"{path} must be a Keras model, but it cannot be loaded: {error}") from error
    if kind == ".safetensors":
        raise WeightsError(f"{path} holds weights to train from, not a model that answers: see `rotnet models`.")
    raise WeightsError(f"A model file must end in .onnx or .keras. Received: {path}.")
