"""The angles of a column of pictures, for any engine that hands one over: Ray, Daft, Spark, Dask, Beam, or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rotnet.errors import RotNetError, UsageError
from rotnet.files.predict import ask
from rotnet.images import reading
from rotnet.images.orientation import shown_orientation
from rotnet.images.prefetch import ahead, usable_cores
from rotnet.images.reading import StrPath
from rotnet.inference.allowed_angles import AngleRange
from rotnet.inference.options import Options, Refine, Turns
from rotnet.inference.predictor import Predictor
from rotnet.inference.views import View

__all__ = ["COLUMNS", "BatchPredictor", "share_of_cores"]

Row: TypeAlias = "dict[str, Any]"

COLUMNS = ("angle", "confidence", "action", "reason", "error", "width", "height")


class BatchPredictor:
    """A model that takes a column of pictures and gives columns of answers. Built once a worker.

    It can be pickled: only the model's name or path travels, and the worker loads it when it is first called.

    Args:
        model: Name of a preset, or path of an `.onnx` or `.keras` file that every worker can read.
        level, turns, angle_range, right_angles, min_confidence: As for `rotnet.correct_rotation`; they say what is
            asked of the model, and what counts as turned.
        refine: As for `rotnet.predict_angle`.
        max_pixels: Refuse larger pictures; None for no limit.
        strict: Refuse damaged pictures too; False answers for what is left of them.
        threads: Threads of the network, and threads that decode; None takes `share_of_cores()` of the worker.
        column: Name of the column to read where a batch is a mapping of columns, as with Ray.

    Raises:
        UsageError: An option is not as described, or the model is neither a name nor a path.
        UnknownPresetError: There is no preset of that name.
        WeightsError: The model cannot be loaded.

    Example:
        >>> predict = BatchPredictor("photo", turns=1)
        >>> answers = predict(["examples/photos/coffee.jpg", b"no picture"])
        >>> answers["width"], answers["action"][1], answers["error"][1].partition(";")[0]
        ([600, None], None, 'the picture of 10 bytes is not a picture of a known format (JPEG, PNG, TIFF, WebP, ...)')
    """

    def __init__(
        self,
        model: StrPath = "photo",
        *,
        level: bool | None = None,
        turns: Turns | None = None,
        angle_range: AngleRange | None = None,
        right_angles: bool = False,
        min_confidence: float | None = None,
        refine: Refine | None = "lines",
        max_pixels: int | None = reading.MAX_PIXELS,
        strict: bool = True,
        threads: int | None = None,
        column: str = "path",
    ) -> None:
        if not isinstance(model, (str, os.PathLike)):
            raise UsageError(
                "model must be the name of a preset or the path of a model file, which workers can load themselves. "
                f"Received: {type(model).__name__}."
            )
        self.model = os.fspath(model)
        self.options = Options(
            turns=turns,
            angle_range=angle_range,
            right_angles=right_angles,
            min_confidence=min_confidence,
            level=level,
            refine=refine,
        )
        self.max_pixels = max_pixels
        self.strict = strict
        self.threads = threads
        self.column = column
        self._predictor: Predictor | None = None
        self._loaded().check(self.options)

    def __call__(self, batch: Any) -> dict[str, Any]:
        """Predict the pictures of a batch.

        Args:
            batch: A column of paths or encoded files as bytes: a list, or an array of NumPy, pandas, Arrow or Daft. Or
                a mapping of columns by name, of which `column` is read.

        Returns:
            A list for each of the columns

            - `angle`: degrees counter-clockwise, in [0, 360), to three decimals;
            - `confidence`: probability of the verdict, in [0, 1], to four decimals;
            - `action`, `reason`: as in `rotnet.inference.decision.Decision`;
            - `error`: why there is no answer; None beside an answer, and otherwise the others are None;
            - `width`, `height`: pixels, of the picture as it is shown;

            one value a picture, in order. Other columns of a mapping stand before them; bytes of pictures do not.

        Raises:
            UsageError: The mapping has no such column.
            WeightsError: The model cannot be loaded here, or answers with something else than angles.
        """
        others: dict[str, Any] = {}
        column = batch
        if isinstance(batch, Mapping):
            if self.column not in batch:
                raise UsageError(f"A batch must have the column {self.column!r}: name yours with column=.")
            column = batch[self.column]
            others = {name: values for name, values in batch.items() if name != self.column}
        pictures = column.to_pylist() if hasattr(column, "to_pylist") else list(column)
        if isinstance(batch, Mapping) and not any(isinstance(one, bytes) for one in pictures):
            others = {self.column: column, **others}
        rows = list(self.rows(pictures))
        return {**others, **{name: [row[name] for row in rows] for name in COLUMNS}}

    def rows(self, pictures: Iterable[Any], *, read: Callable[[Any], Any] | None = None) -> Iterator[Row]:
        """Predict pictures one after another, while the next ones are read.

        Args:
            pictures: Paths or bytes; or whatever `read` makes such of.
            read: Called by the threads that decode; what it raises becomes the error of its row.

        Yields:
            A dict of the columns for each picture, in order.
        """
        predictor = self._loaded()

        def look(picture: Any) -> tuple[tuple[int, int], View | str]:
            try:
                source = picture if read is None else read(picture)
                image = reading.read_image(
                    source, max_pixels=self.max_pixels, short_side=predictor.short_side, strict=self.strict
                )
                return _shown_size(source, image), predictor.view(image)
            except Exception as error:  # memory, or a bug in a decoder: whatever it is, the other pictures go on
                return (0, 0), str(error) if isinstance(error, RotNetError) else f"{type(error).__name__}: {error}"

        with closing(ahead(look, pictures, jobs=self._threads())) as looked:
            for (width, height), answer in ask(looked, predictor, self.options):
                if isinstance(answer, str):
                    yield {**dict.fromkeys(COLUMNS), "error": answer}
                else:
                    decision = predictor.decide(answer, self.options)
                    yield {
                        "angle": round(answer.angle, 3) % 360.0,
                        "confidence": round(decision.confidence, 4),
                        "action": decision.action,
                        "reason": decision.reason,
                        "error": None,
                        "width": width,
                        "height": height,
                    }

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_predictor": None}

    def _threads(self) -> int:
        return self.threads or share_of_cores()

    def _loaded(self) -> Predictor:
        if self._predictor is None:
            self._predictor = Predictor(self.model, threads=self._threads())
        return self._predictor


def share_of_cores() -> int:
    """Processor cores that this worker may use, at least 1.

    That is what `OMP_NUM_THREADS` says, which Ray, Spark and Dask set for their workers; else all that it may.

    Example:
        >>> share_of_cores() >= 1
        True
    """
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    return usable_cores()


def _shown_size(source: Any, image: NDArray[np.uint8]) -> tuple[int, int]:
    """Width and height of a picture as it is shown, pixels; `image` is what was read of it."""
    with reading.opened(source, "the picture", None) as stored:
        if reading.format_of(stored) != "JPEG":  # all others are read whole, and may have to be to tell their EXIF
            return image.shape[1], image.shape[0]
        width, height = stored.size
        return (height, width) if shown_orientation(stored) >= 5 else (width, height)
