"""Pictures turned by known angles, and what a model makes of them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rotnet.errors import ImageError, UsageError
from rotnet.evaluation.scores import Scores, calibration_error, score
from rotnet.evaluation.trials import Protocol, Trial, make_trials
from rotnet.geometry.angles import angle_difference, wrap_angle
from rotnet.images import reading
from rotnet.images.finding import find_images
from rotnet.images.prefetch import ahead
from rotnet.images.reading import Source, StrPath
from rotnet.inference.allowed_angles import AngleRange
from rotnet.inference.model_card import ModelCard
from rotnet.inference.options import Options, Refine, Turns
from rotnet.inference.predictor import AnglePrediction, Predictor, as_predictor, is_many

if TYPE_CHECKING:
    import keras

# what answers with 360 probabilities: a name, a file or a network; and what only says an angle of RGB uint8
Named: TypeAlias = "StrPath | Predictor | keras.Model"
Model: TypeAlias = "Named | Callable[[NDArray[np.uint8]], float]"
NO_PROBABILITIES = np.full(360, np.nan, np.float32)  # of a function that only says an angle


@dataclass(frozen=True)
class Evaluation:
    """Every answer of one measurement, arrays `(N,)`.

    Attributes:
        trials: What was shown; empty for pictures that were crooked already.
        truth, angles: Degrees that pictures are turned by, and that were answered.
        confidence: Of the answers; NaN where the model gives none.
        mass: Probability near the answer, from which the confidence is calibrated.
        upright: Probability that the picture stands upright; see `rotnet.inference.model_card.ModelCard.upright`.
        turned: Whether the model's own threshold would have the picture turned.
        tolerance: Degrees; the confidence is the probability of an error no larger than this.
    """

    trials: Sequence[Trial] = field(repr=False)
    truth: NDArray[np.float64] = field(repr=False)
    angles: NDArray[np.float64] = field(repr=False)
    confidence: NDArray[np.float64] = field(repr=False)
    mass: NDArray[np.float64] = field(repr=False)
    upright: NDArray[np.float64] = field(repr=False)
    turned: NDArray[np.bool_] = field(repr=False)
    tolerance: float = 10.0

    @property
    def errors(self) -> NDArray[np.float64]:
        """Distances from the truth, degrees in [0, 180]."""
        return np.asarray(angle_difference(self.truth, self.angles))

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether answers are within the tolerance of the truth."""
        return self.errors <= self.tolerance

    @property
    def scores(self) -> Scores:
        """The errors in a few figures."""
        return score(self.truth, self.angles)


def _is_gray_stack(images: Any) -> bool:
    """Whether these are gray pictures, `(N, H, W)`, and not one of some channels."""
    return isinstance(images, np.ndarray) and images.ndim == 3 and images.shape[2] > 4


def evaluate(
    upright: StrPath | Iterable[Source],
    *,
    model: Model = "photo",
    protocol: Protocol = "files",
    turns: Turns | None = None,
    angle_range: AngleRange | None = None,
    right_angles: bool = False,
    refine: Refine | None = "lines",
    seed: int = 0,
    repeats: int = 1,
    angles: ArrayLike | None = None,
) -> Evaluation:
    """Turn upright pictures by known angles and measure what a model answers.

    Args:
        upright: A folder of upright pictures, or several pictures, each whatever `rotnet.read_image` takes. Those that
            cannot be read, damaged ones among them, are left out.
        model: Name of a preset, path of an `.onnx` or `.keras` file, a `rotnet.Predictor`, a Keras model, or a function
            that takes RGB uint8 and answers degrees.
        protocol: `"files"` rotates at full resolution, crops to the largest inscribed rectangle, saves as JPEG of
            quality 90 and reads that file; `"memory"` does not save; `"twice"` saves a crooked file, then rotates and
            saves that one again. `"noise"` does what `"files"` does, with white noise and an isotropic texture
            alternately in place of the pictures: an honest model is at chance there, 90 degrees. `"upright"` shows the
            pictures as they are and, with more repeats, random windows of them.
        turns: Views that are pooled for an answer: 4 for the picture and its quarter turns, or 1. None takes 1, 2 or
            4, until it is sure.
        angle_range: `(low, high)` degrees that pictures are turned by and answers are chosen from; None allows all.
        right_angles: Turn pictures by 0, 90, 180 or 270 degrees only, and answer one of these.
        refine: `"lines"` refines a sure answer by the straight lines of the picture; None leaves what the network says.
        seed: Of all that is drawn. Angles are uniform among those allowed, all in [0, 360) by default.
        repeats: How many angles each picture is turned by.
        angles: Fixed ones instead, degrees: one number, or one for each trial.

    Returns:
        The answers and their summary, `scores`.

    Raises:
        UsageError: An option is not as described, or there are no pictures that can be read.

    Example:
        >>> found = evaluate([np.zeros((60, 80, 3), np.uint8)], protocol="memory", repeats=3)
        >>> found.scores.pictures
        3
    """
    if isinstance(upright, (str, os.PathLike)):
        upright = list(find_images(upright))
    elif not (is_many(upright) or _is_gray_stack(upright)):
        raise UsageError(
            f"upright must be a folder or several pictures: put one into a list. Received: {type(upright).__name__}."
        )
    upright = list(upright)
    options = Options(turns=turns, angle_range=angle_range, right_angles=right_angles, refine=refine)
    trials = make_trials(
        upright,
        protocol=protocol,
        seed=seed,
        repeats=repeats,
        angles=angles,
        angle_range=angle_range,
        right_angles=right_angles,
    )
    predictor = None if _is_function(model) else as_predictor(model)
    view: Callable[[Source], Any] = predictor.view if predictor else reading.read_image
    shown: list[Trial] = []
    unread: list[ImageError] = []
    with closing(ahead(partial(_look, view=view), trials)) as looked:
        views = _readable(zip(trials, looked, strict=True), shown, unread)
        if predictor:
            answers = list(predictor.predict_views(views, options))
        else:
            assert _is_function(model)
            answers = [AnglePrediction(float(wrap_angle(model(one))), math.nan, NO_PROBABILITIES) for one in views]
    if not answers:
        raise UsageError(
            f"upright must hold pictures that can be read. Received: {len(upright)} that cannot, one of them: "
            f"{unread[0]}"
        ) from unread[0]
    return _collect(shown, np.array([trial.angle for trial in shown]), answers, predictor, options)


def evaluate_views(
    model: Named, crooked: Iterable[Source], truth: NDArray[np.float64], *, turns: Turns | None = None
) -> Evaluation:
    """Measure a model on pictures that are crooked already, such as rotated digits.

    Args:
        model: As for `evaluate`, but no function.
        crooked: Pictures, each whatever `rotnet.read_image` takes.
        truth: `(N,)` degrees that they are turned by.
        turns: As for `evaluate`.

    Raises:
        ImageError: A picture cannot be read.
        UsageError: There are not as many pictures as angles.
    """
    predictor = as_predictor(model)
    options = Options(turns=turns)
    answers = list(predictor.predict_views(map(predictor.view, crooked), options))
    if np.shape(truth) != (len(answers),):
        raise UsageError(
            f"truth must be (N,), an angle for each of {len(answers)} pictures. Received: shape {np.shape(truth)}."
        )
    return _collect((), truth, answers, predictor, options)


def summary(evaluation: Evaluation) -> dict[str, float]:
    """Scores and, where there are confidences, their calibration error, rounded for a report."""
    values: dict[str, float] = asdict(evaluation.scores)
    if not np.isnan(evaluation.confidence).any():
        values["calibration_error"] = calibration_error(evaluation.confidence, evaluation.right)
    return {key: value if isinstance(value, int) else round(value, 4) for key, value in values.items()}


def rates(crooked: Evaluation, upright: Evaluation) -> dict[str, float]:
    """What a model's own threshold does, as shares.

    Args:
        crooked: Answers to pictures turned by any angle.
        upright: Answers to pictures that stand upright.

    Returns:
        Of the upright pictures, those turned by over 5 and by over 10 degrees; of the crooked ones, those turned at
        all, to within 5 degrees of upright, and over 10 degrees wrong.
    """
    harm = np.where(upright.turned, angle_difference(upright.angles, 0.0), 0.0)
    return {
        "upright_turned_over_5": float((harm > 5).mean()),
        "upright_turned_over_10": float((harm > 10).mean()),
        "crooked_turned": float(crooked.turned.mean()),
        "crooked_corrected": float((crooked.turned & (crooked.errors <= 5)).mean()),
        "turned_wrongly": float((crooked.turned & (crooked.errors > 10)).mean()),
    }


def _look(trial: Trial, view: Callable[[Source], Any]) -> Any:
    """What a model sees of a trial, or why it cannot be read."""
    try:
        return view(trial.render())
    except ImageError as error:
        return error


def _readable(looked: Iterable[tuple[Trial, Any]], shown: list[Trial], unread: list[ImageError]) -> Iterator[Any]:
    """Views that could be read; their trials are added to `shown`, and the errors of the others to `unread`."""
    for trial, look in looked:
        if isinstance(look, ImageError):
            unread.append(look)
        else:
            shown.append(trial)
            yield look


def _is_function(model: Model) -> TypeGuard[Callable[[NDArray[np.uint8]], float]]:
    return callable(model) and not hasattr(model, "predict_on_batch")


def _collect(
    trials: Sequence[Trial],
    truth: NDArray[np.float64],
    answers: list[AnglePrediction],
    predictor: Predictor | None,
    options: Options,
) -> Evaluation:
    card = ModelCard() if predictor is None else predictor.card
    return Evaluation(
        trials=tuple(trials),
        truth=truth,
        angles=np.array([answer.angle for answer in answers]),
        confidence=np.array([answer.confidence for answer in answers]),
        mass=np.array([card.mass(answer.probabilities, answer.angle) for answer in answers]),
        upright=np.array([card.upright(answer.probabilities) for answer in answers]),
        turned=np.array(
            [predictor is None or predictor.decide(answer, options).action == "turned" for answer in answers]
        ),
        tolerance=card.tolerance,
    )
