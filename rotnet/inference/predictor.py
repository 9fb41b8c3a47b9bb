"""One picture in, its angle out; on ONNX Runtime unless the caller brings a Keras model."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from rotnet.errors import ImageError, UsageError, WeightsError
from rotnet.geometry.angles import wrap_angle
from rotnet.geometry.lines import level_from_lines
from rotnet.images import reading
from rotnet.images.reading import Source
from rotnet.inference import networks, presets
from rotnet.inference.allowed_angles import AngleRange, decode_allowed, is_allowed
from rotnet.inference.decision import Decision, decide
from rotnet.inference.options import Options, Refine, Turns
from rotnet.inference.prediction import LINES_HEARD, AnglePrediction
from rotnet.inference.views import View, pool, turned_view, turned_views, view_of

if TYPE_CHECKING:
    import keras

__all__ = ["AnglePrediction", "Predictor", "as_predictor", "each", "is_many", "predict_angle"]

T = TypeVar("T")
Model: TypeAlias = "str | os.PathLike[str] | Predictor | keras.Model"
DEFAULT = Options()
BATCH = 8  # views a network sees at once; more only costs memory on a processor
PICTURES = 2 * BATCH  # whose views fill batches together
# what is looked at one after the other until the answer is sure: the first view, one of the other end a quarter turn
# on, which errs otherwise, and the rest
LOOKS = ((0,), (1,), (2, 3))
# confidence at which it is sure: of 2,106 answers to files (`weights/tools/measure_sources.py --repeats 3 --seed 5`)
# 6.0 % are then over 45 degrees wrong, and with `--turns 4` 5.7 %; their median is 1.5 degrees instead of 1.4
SURE_FROM = 0.9


class Predictor:
    """A model kept ready for many pictures; safe to share between threads, and to send to other processes.

    Args:
        model: Name of a preset, path of an `.onnx` or `.keras` file, or a Keras model with one probability or logit for
            each of 360 degrees, such as one trained with the original RotNet.
        threads: Threads of ONNX Runtime, at least 1; None takes the processor cores of this process.
        preprocess_func: Called with each float32 batch of pixel values 0 to 255 before a Keras model that was trained
            with preprocessing outside; None for models that bring their own.

    Attributes:
        input_size: `(height, width)` the network looks at, pixels.
        card: The model's `ModelCard`.

    Raises:
        UnknownPresetError: There is no preset of that name.
        UsageError: `model` is something else.
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
        if threads is not None and not (isinstance(threads, int) and threads > 0):
            raise UsageError(f"threads must be a whole number, at least 1, or None. Received: threads={threads!r}.")
        if isinstance(model, (str, os.PathLike)):
            network: networks.Network = networks.load(presets.find(model), threads)
        elif hasattr(model, "predict_on_batch"):
            network = networks.KerasNetwork(model)
        else:
            raise UsageError(
                "model must be the name of a preset, the path of a model file or a Keras model. "
                f"Received: {type(model).__name__}."
            )
        self._named = (os.fspath(model) if isinstance(model, (str, os.PathLike)) else None, threads, preprocess_func)
        height, width, channels = network.input_shape
        if channels not in (1, 3):
            raise WeightsError(f"A model must take pictures of 1 or 3 channels. This one takes {channels}.")
        self.input_size = (height or 224, width or 224)
        self.card = network.card
        self._network: networks.Network | None = network
        self._channels = channels
        self._preprocess = preprocess_func

    @overload
    def predict(
        self,
        images: Sequence[Source] | Iterator[Source],
        *,
        turns: Turns | None = None,
        angle_range: AngleRange | None = None,
        right_angles: bool = False,
        refine: Refine | None = "lines",
        max_pixels: int | None = reading.MAX_PIXELS,
        strict: bool = True,
    ) -> list[AnglePrediction]: ...
    @overload
    def predict(
        self,
        images: Source,
        *,
        turns: Turns | None = None,
        angle_range: AngleRange | None = None,
        right_angles: bool = False,
        refine: Refine | None = "lines",
        max_pixels: int | None = reading.MAX_PIXELS,
        strict: bool = True,
    ) -> AnglePrediction | list[AnglePrediction]: ...
    def predict(
        self,
        images: Any,
        *,
        turns: Turns | None = None,
        angle_range: AngleRange | None = None,
        right_angles: bool = False,
        refine: Refine | None = "lines",
        max_pixels: int | None = reading.MAX_PIXELS,
        strict: bool = True,
    ) -> AnglePrediction | list[AnglePrediction]:
        """Predict the angle of a picture, or of several.

        Args:
            images: A picture, or several, each whatever `rotnet.read_image` takes. They are read as they are needed.
            turns: Views that are pooled for an answer: 4 or 1; None takes 1, 2 or 4, until it is sure.
            angle_range: `(low, high)` degrees to choose the answer from, as `(-15, 15)`; None allows all.
            right_angles: Answer 0, 90, 180 or 270 degrees only.
            refine: `"lines"` refines a sure answer by the straight lines of the picture; None leaves what the network
                says.
            max_pixels: Refuse larger pictures; None for no limit.
            strict: Refuse damaged pictures; False answers for what is left of them.

        Returns:
            The prediction of one picture; a list of them, in order, for several.

        Raises:
            ImageError: A picture cannot be read; the message says which.
            UsageError: An option is not as described.
            WeightsError: The model answers with something else than angles.
        """
        options = Options(turns=turns, angle_range=angle_range, right_angles=right_angles, refine=refine)
        view = functools.partial(self.view, max_pixels=max_pixels, strict=strict)
        if is_many(images):
            return list(self.predict_views(each(images, view), options))
        return next(self.predict_views([view(images)], options))

    @property
    def short_side(self) -> int:
        """Pixels of the shorter side of a picture that suffice to look at it."""
        return math.ceil(reading.DETAIL * max(self.input_size))

    def view(self, image: Any, *, max_pixels: int | None = reading.MAX_PIXELS, strict: bool = True) -> View:
        """What is looked at of a picture: it is decoded once, no larger than network and lines need."""
        read = reading.read_image(image, max_pixels=max_pixels, short_side=self.short_side, strict=strict)
        return view_of(read, self.input_size, self._channels)

    def predict_views(self, views: Iterable[View], options: Options = DEFAULT) -> Iterator[AnglePrediction]:
        """Predict the angles of pictures that went through `view`, some at a time, in order.

        Options that do not fit the model are refused at once, not with the first answer.
        """
        self.check(options)
        return self._answers(iter(views), options)

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the network; the predictor answers no more."""
        self._network = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to another process by name or path; the network is loaded there."""
        name, threads, preprocess_func = self._named
        if name is None:
            raise UsageError("A Predictor of a Keras model in memory cannot be pickled: save it, and give its path.")
        return functools.partial(Predictor, threads=threads, preprocess_func=preprocess_func), (name,)

    def decide(self, prediction: AnglePrediction, options: Options = DEFAULT) -> Decision:
        """Say what is to become of a picture that this model predicted; see `rotnet.inference.decision.decide`."""
        return decide(prediction, self.card, options)

    def check(self, options: Options) -> None:
        """Refuse options that do not fit this model.

        Raises:
            UsageError: Four views are asked for, and the model's pictures are not square.
        """
        if options.turns == 4 and not self._takes_squares:
            raise UsageError(f"turns=4 needs a model of square pictures, not of {self.input_size}: use turns=1.")

    @property
    def _takes_squares(self) -> bool:
        return self.input_size[0] == self.input_size[1]

    def _answers(self, views: Iterator[View], options: Options) -> Iterator[AnglePrediction]:
        # without a calibration nobody knows how sure an answer is
        adaptive = options.turns is None and self._takes_squares and {"1", "4"} <= self.card.calibration.keys()
        turns = options.turns or (4 if self._takes_squares else 1)
        while chunk := list(islice(views, PICTURES)):
            strips = [view.strip for view in chunk]
            answers = self._until_sure(strips, options) if adaptive else self._pooled(strips, turns, options)
            for view, answer in zip(chunk, answers, strict=True):
                yield self._refined(answer, view, options)

    def _pooled(self, strips: list[NDArray[np.uint8]], turns: int, options: Options) -> list[AnglePrediction]:
        squares = [square for strip in strips for square in turned_views(strip, self.input_size, turns)]
        rows = self._probabilities(squares).reshape(len(strips), turns, -1)
        return [self._answer(answers, options) for answers in rows]

    def _until_sure(self, strips: list[NDArray[np.uint8]], options: Options) -> list[AnglePrediction]:
        """What as many of four views say as it takes to be sure."""
        enough = max(SURE_FROM, options.min_confidence or 0.0)
        rows: list[list[NDArray[np.float32]]] = [[] for _ in strips]
        answers: dict[int, AnglePrediction] = {}
        unsure = list(range(len(strips)))
        for look in LOOKS:
            if not unsure:
                break
            squares = [turned_view(strips[index], self.input_size, turn) for index in unsure for turn in look]
            seen = self._probabilities(squares)
            for index, more in zip(unsure, seen.reshape(len(unsure), len(look), -1), strict=True):
                rows[index] += list(more)
                answers[index] = self._answer(np.stack(rows[index]), options)
            unsure = [index for index in unsure if answers[index].confidence < enough]
        return [answers[index] for index in range(len(strips))]

    def _answer(self, rows: NDArray[np.float32], options: Options) -> AnglePrediction:
        """What the first so many views of a picture say together."""
        probabilities = pool(rows)
        angle = decode_allowed(
            probabilities,
            method=self.card.decoder,
            angle_range=options.angle_range,
            right_angles=options.right_angles,
        )
        confidence = self.card.confidence(probabilities, angle, len(rows))
        return AnglePrediction(angle, confidence, probabilities, len(rows))

    def _refined(self, answer: AnglePrediction, view: View, options: Options) -> AnglePrediction:
        """The same, its angle put right by the lines of the picture, where it is sure and they can be believed."""
        if options.refine is None or options.right_angles or view.grey is None:
            return answer
        if answer.confidence < self.card.min_confidence:
            return answer
        level = level_from_lines(view.grey, up=answer.angle)
        if level is None or level.probability_one < LINES_HEARD:
            return answer
        refined = replace(answer, level=level)
        angle = float(wrap_angle(answer.angle + refined.refined_by))
        return replace(refined, angle=angle) if is_allowed(angle, options.angle_range) else answer

    def _probabilities(self, squares: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """`(N, 360)` probabilities for N views, some at a time."""
        batches = (squares[start : start + BATCH] for start in range(0, len(squares), BATCH))
        return np.concatenate([self._probabilities_of_batch(np.stack(batch, dtype=np.float32)) for batch in batches])

    def _probabilities_of_batch(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._network is None:
            raise UsageError("This Predictor let go of its network at the end of its `with`: make another one.")
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
    model: Model = "photo",
    turns: Turns | None = None,
    angle_range: AngleRange | None = None,
    right_angles: bool = False,
    refine: Refine | None = "lines",
    max_pixels: int | None = reading.MAX_PIXELS,
    strict: bool = True,
) -> Any:
    """Predict by how many degrees a picture is turned.

    Args:
        image: A path, bytes, file object, PIL image or array, as `rotnet.read_image` takes, or a list (or 4-D array) of
            them.
        model: Name of a preset, path of an `.onnx` or `.keras` file, a `Predictor` or a Keras model.
        turns: 4 looks at the four exact quarter turns, alternately of either end of an oblong picture, and pools the
            answers; 1 looks at the middle once, four times as fast. None looks once, where that leaves doubt a second
            time, at the other end, and where that does, too, at all four. Models whose pictures are not square look
            once.
        angle_range: `(low, high)` degrees to choose the answer from, as `(-15, 15)` for a horizon that is not quite
            level; None allows all. The confidence stays what it is, a probability among all angles: for a picture that
            lies on its side, the answer nearest to upright has little. Where all pictures surely lie in the range, it
            is too low.
        right_angles: Answer 0, 90, 180 or 270 only, those within the range, for a camera that was held upright,
            sideways or upside down. The confidence stays what it is likewise.
        refine: `"lines"` refines a sure answer by the straight lines of the picture, where there are enough of them;
            `refined_by` says by how much. None leaves what the network says.
        max_pixels: Refuse larger pictures; None for no limit.
        strict: Refuse damaged pictures; False answers for what is left of them.

    Returns:
        An `AnglePrediction`; a list of them for a list or a 4-D array.

    Raises:
        ImageError: A picture cannot be read.
        UsageError: An option is not as described.
        WeightsError: The model cannot be loaded.

    Example:
        >>> prediction = predict_angle(np.zeros((60, 80, 3), np.uint8))
        >>> 0 <= prediction.angle < 360
        True
    """
    predictor = as_predictor(model)
    view = functools.partial(predictor.view, max_pixels=max_pixels, strict=strict)
    options = Options(turns=turns, angle_range=angle_range, right_angles=right_angles, refine=refine)
    if is_many(image):
        return list(predictor.predict_views(each(image, view), options))
    return next(predictor.predict_views([view(image)], options))


def is_many(images: Any) -> bool:
    """Whether a caller handed in several pictures: a 4-D array, or anything else that is gone through one by one.

    Example:
        >>> is_many(np.zeros((5, 28, 28, 1))), is_many(np.zeros((28, 28, 1))), is_many(["a.jpg"]), is_many("a.jpg")
        (True, False, True, False)
    """
    if isinstance(images, np.ndarray):
        return images.ndim > 3
    is_one = isinstance(images, (str, bytes, bytearray, memoryview)) or hasattr(images, "read")
    return isinstance(images, Iterable) and not is_one


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


def as_predictor(model: Model) -> Predictor:
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
