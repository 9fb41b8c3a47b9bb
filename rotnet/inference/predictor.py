"""One picture in, its angle out; on ONNX Runtime unless the caller brings a Keras model."""

from __future__ import annotations

import functools
import io
import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rotnet.errors import ImageError, UsageError, WeightsError
from rotnet.images import converting, reading
from rotnet.inference import networks, presets
from rotnet.inference.allowed_angles import AngleRange, check_allowed, decode_allowed
from rotnet.inference.views import pool, strip_view, turned_views

__all__ = ["AnglePrediction", "Predictor", "as_predictor", "each", "is_many", "predict_angle"]

T = TypeVar("T")
BATCH = 8  # pictures a network sees at once; more only costs memory on a processor


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
            self._network: networks.Network = networks.load(presets.find(model), threads)
        elif hasattr(model, "predict_on_batch"):
            self._network = networks.KerasNetwork(model)
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

    def predict(
        self,
        images: Iterable[Any],
        *,
        turns: int | None = None,
        angle_range: AngleRange | None = None,
        right_angles: bool = False,
    ) -> list[AnglePrediction]:
        """Predict the angles of pictures.

        Args:
            images: Several pictures, each whatever `rotnet.read_image` takes. They are read as they are needed.
            turns, angle_range, right_angles: As for `predict_angle`.

        Returns:
            One prediction a picture, in order.

        Raises:
            ImageError: A picture cannot be read; the message says which.
            UsageError: An option is not as described, or `images` is a single picture.
            WeightsError: The model answers with something else than angles.
        """
        if is_single(images):
            raise UsageError(
                "images must be several pictures: put one into a list, or call predict_angle(image, model=predictor). "
                f"Received: {type(images).__name__}."
            )
        views = each(images, self.view)
        return list(self.predict_views(views, turns=turns, angle_range=angle_range, right_angles=right_angles))

    def view(self, image: Any, *, max_pixels: int | None = reading.MAX_PIXELS) -> NDArray[np.uint8]:
        """What the network will see of a picture: its middle as a strip, see `rotnet.inference.views.strip_view`."""
        sufficient = math.ceil(reading.DETAIL * max(self.input_size))
        read = reading.read_image(image, max_pixels=max_pixels, short_side=sufficient)
        return converting.as_channels(strip_view(read, self.input_size), self._channels)

    def predict_views(
        self,
        views: Iterable[NDArray[np.uint8]],
        *,
        turns: int | None = None,
        angle_range: AngleRange | None = None,
        right_angles: bool = False,
    ) -> Iterator[AnglePrediction]:
        """Predict the angles of pictures that went through `view`, some at a time, in order.

        Wrong options are refused at once, not with the first answer.
        """
        self.check_options(turns=turns, angle_range=angle_range, right_angles=right_angles)
        return self._answers(iter(views), self._turns(turns), angle_range, right_angles)

    def check_options(
        self, *, turns: int | None = None, angle_range: AngleRange | None = None, right_angles: bool = False
    ) -> None:
        """Raise `UsageError` unless this model can be asked so; the options are those of `predict_angle`."""
        self._turns(turns)
        check_allowed(angle_range, right_angles)

    def _answers(
        self, views: Iterator[NDArray[np.uint8]], turns: int, angle_range: AngleRange | None, right_angles: bool
    ) -> Iterator[AnglePrediction]:
        while chunk := list(islice(views, max(1, BATCH // turns))):
            batch = np.stack([square for view in chunk for square in turned_views(view, self.input_size, turns)])
            for answers in self._probabilities(batch.astype(np.float32)).reshape(len(chunk), turns, -1):
                found = pool(answers)
                angle = decode_allowed(
                    found, method=self.card.decoder, angle_range=angle_range, right_angles=right_angles
                )
                yield AnglePrediction(angle, self.card.confidence(found, angle, turns), found)

    def should_turn(
        self,
        prediction: AnglePrediction,
        min_confidence: float | None = None,
        *,
        angle_range: AngleRange | None = None,
    ) -> bool:
        """Whether a picture is better turned by what was predicted than left as it is.

        Args:
            prediction: What this model predicted of it.
            min_confidence: Turn if the confidence is at least this. None is for pictures most of which stand upright:
                turn if the confidence is at least the card's `min_confidence`, and the probability that the picture
                stands upright at most its `max_upright`.
            angle_range: The range that the answer was chosen from. Who names one says that the pictures are tilted, so
                that none is spared because it may stand upright.

        Example:
            >>> photo = Predictor("photo")
            >>> photo.should_turn(AnglePrediction(180.0, 0.99, np.eye(360)[180]))
            True
        """
        may_be_upright = self.card.upright(prediction.probabilities) > self.card.max_upright
        if min_confidence is None and angle_range is None and may_be_upright:
            return False
        return prediction.confidence >= (self.card.min_confidence if min_confidence is None else min_confidence)

    def _turns(self, turns: int | None) -> int:
        is_square = self.input_size[0] == self.input_size[1]
        if turns is None:
            return 4 if is_square else 1
        if turns not in (1, 4):
            raise UsageError(f"turns must be 1 or 4, or None. Received: turns={turns!r}.")
        if turns == 4 and not is_square:
            raise UsageError(f"turns=4 needs a model of square pictures, not of {self.input_size}: use turns=1.")
        return int(turns)

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


def predict_angle(
    image: Any,
    *,
    model: Any = "photo",
    turns: int | None = 4,
    angle_range: AngleRange | None = None,
    right_angles: bool = False,
) -> Any:
    """Predict by how many degrees a picture is turned.

    Args:
        image: A path, bytes, file object, PIL image or array, as `rotnet.read_image` takes, or a list (or 4-D array) of
            them.
        model: Name of a preset, path of an `.onnx` or `.keras` file, a `Predictor` or a Keras model.
        turns: 4 looks at the four exact quarter turns, of either end of an oblong picture by turns, and pools the
            answers; 1 looks at the middle once, four times as fast. None takes 4 for a model of square pictures, as the
            presets are, and 1 for others, which know no quarter turns.
        angle_range: `(low, high)` degrees to choose the answer from, as `(-15, 15)` for a horizon that is not quite
            level; None allows all. The confidence stays what it is, a probability among all angles: for a picture that
            lies on its side, the answer nearest to upright has little. Where all pictures surely lie in the range, it
            is too low.
        right_angles: Answer 0, 90, 180 or 270 only, those within the range, for a camera that was held upright,
            sideways or upside down. The confidence stays what it is likewise.

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
    options: dict[str, Any] = {"turns": turns, "angle_range": angle_range, "right_angles": right_angles}
    if is_many(image):
        return predictor.predict(image, **options)
    return next(predictor.predict_views([predictor.view(image)], **options))


def is_many(image: Any) -> bool:
    """Whether a caller handed in several pictures: a list, a tuple or a 4-D array."""
    return isinstance(image, (list, tuple)) or (isinstance(image, np.ndarray) and image.ndim == 4)


def each(images: Iterable[Any], use: Callable[[Any], T]) -> Iterator[T]:
    """What `use` makes of each picture; its `ImageError` tells which of them could not be read.

    Example:
        >>> list(each([np.zeros((2, 2), np.uint8), "x"], reading.read_image))
        Traceback (most recent call last):
        rotnet.errors.ImageError: images[1]: x cannot be opened: No such file or directory; check path and permissions
    """
    for index, image in enumerate(images):
        try:
            used = use(image)
        except ImageError as error:
            raise ImageError(f"images[{index}]: {error}") from error
        yield used


def is_single(images: Any) -> bool:
    """Whether a caller handed in one picture, where several are asked for."""
    if hasattr(images, "read"):
        return True
    if isinstance(images, np.ndarray):
        return images.ndim < 3 or (images.ndim == 3 and images.shape[2] <= 4)
    return not isinstance(images, Iterable) or isinstance(images, (str, bytes, bytearray, memoryview, io.IOBase))


def as_predictor(model: Any) -> Predictor:
    """A `Predictor` for whatever a caller names a model by; files are loaded once."""
    if isinstance(model, Predictor):
        return model
    if isinstance(model, (str, os.PathLike)):
        path = presets.find(model).resolve()
        return _cached_predictor(path, path.stat().st_mtime_ns)
    return Predictor(model)


@functools.lru_cache(maxsize=4)
def _cached_predictor(path: Path, mtime_ns: int) -> Predictor:
    return Predictor(path)
