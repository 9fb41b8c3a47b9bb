"""A classifier that has been taught: what it says of pictures, and the folder it lives in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from rotnet.errors import ImageError, UsageError, WeightsError
from rotnet.geometry.warping import square_view
from rotnet.images import converting, reading
from rotnet.images.prefetch import ahead
from rotnet.images.reading import Source
from rotnet.images.writing import make_folder
from rotnet.training.fitting import save_uncompiled

BATCH = 16  # pictures that a classifier answers for at once; more only costs memory on a processor


@dataclass(frozen=True)
class ImageClassifier:
    """A model and the names of its classes.

    Attributes:
        model: From `(N, height, width, channels)` pixel values 0 to 255 to `(N, classes)` probabilities.
        classes: Names.
    """

    model: keras.Model
    classes: tuple[str, ...]

    def probabilities(self, images: Iterable[Source]) -> NDArray[np.float32]:
        """Ask for several pictures, each whatever `rotnet.read_image` takes; only their centre squares are seen.

        Returns:
            `(N, classes)` float32.

        Raises:
            ImageError: A picture cannot be read.
            UsageError: There are no pictures.
        """
        views = [self._view(image) for image in images]
        if not views:
            raise UsageError("images must hold at least one picture. Received: no pictures.")
        return self.model.predict(np.stack(views, dtype=np.float32), verbose=0)

    def predict(self, image: Source) -> tuple[str, float]:
        """The most probable class of one picture, and its probability."""
        return self._most_probable(self.probabilities([image])[0])

    def predict_each(self, images: Iterable[Source]) -> Iterator[tuple[str, float] | ImageError]:
        """What `predict` says of each of any number of pictures, in order; an error in the place of one that is broken.

        They are read ahead, and the model answers for some at a time.
        """

        def look(image: Source) -> NDArray[np.uint8] | ImageError:
            try:
                return self._view(image)
            except ImageError as error:
                return error

        with closing(ahead(look, images)) as looked:
            while chunk := list(islice(looked, BATCH)):
                views = [view for view in chunk if not isinstance(view, ImageError)]
                rows = iter(self.model.predict_on_batch(np.stack(views, dtype=np.float32)) if views else ())
                for view in chunk:
                    yield view if isinstance(view, ImageError) else self._most_probable(next(rows))

    def _view(self, image: Source) -> NDArray[np.uint8]:
        height, width, channels = self.model.input_shape[1:]
        return converting.as_channels(square_view(reading.read_image(image), (height, width)), channels)

    def _most_probable(self, row: NDArray[np.float32]) -> tuple[str, float]:
        return self.classes[int(row.argmax())], float(row.max())

    def save(self, folder: str | Path) -> Path:
        """Write `model.keras`, which plain Keras loads, and `classes.json` into a folder; it is made when missing."""
        folder = Path(folder)
        make_folder(folder)
        save_uncompiled(self.model, folder / "model.keras")
        (folder / "classes.json").write_text(json.dumps(self.classes) + "\n", encoding="utf-8")
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> ImageClassifier:
        """Read what `save` wrote.

        Raises:
            WeightsError: The folder holds no classifier.
        """
        if not (file := Path(folder, "model.keras")).is_file():
            raise WeightsError(f"{folder} must hold model.keras and classes.json of a classifier: there is no {file}.")
        try:
            model = keras.models.load_model(file, compile=False, safe_mode=True)
            classes = tuple(json.loads(Path(folder, "classes.json").read_text(encoding="utf-8")))
            if model.output_shape != (None, len(classes)):
                raise ValueError(f"the answers have the shape {model.output_shape}, the classes are {len(classes)}")
            return cls(model, classes)
        except Exception as error:  # whatever Keras and its formats say of a damaged file
            raise WeightsError(f"{folder} must hold model.keras and classes.json of a classifier: {error}") from error
