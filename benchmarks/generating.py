"""Making training examples: from files, from arrays, of digits, and on the device."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import recipes
from benchmarks.pictures import street_views
from benchmarks.timing import Table, rates
from rotnet import RotNetDataGenerator
from rotnet.datasets.augmentation import Augmentation, DigitAugmentation
from rotnet.images import reading

BATCH = 8
CROPPED: dict[str, Any] = {
    "input_shape": (recipes.SIZE, recipes.SIZE),
    "crop_center": True,
    "crop_largest_rect": True,
    "batch_size": BATCH,
}
ONE_THREAD = "seconds of the processor, one thread each"


def tables(*, tiny: bool) -> Iterator[Table]:
    """All that is measured here."""
    number, rounds = (2, 1) if tiny else (24, 7)
    with tempfile.TemporaryDirectory() as folder:
        paths = street_views(Path(folder), number)
        yield _from_files(paths, rounds)
        yield _from_arrays(paths, rounds)
    yield _digits(256 if tiny else 4096, rounds)
    yield _on_device(2 if tiny else 16, rounds)


def _from_files(paths: list[Path], rounds: int) -> Table:
    rng = np.random.default_rng(0)

    def with_opencv(recipe: Callable) -> Callable[[], None]:
        def read(path: Path) -> NDArray:
            return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)

        return lambda: _fill_batches(recipe(read(path), rng.uniform(0, 360)) for path in paths)

    plain = RotNetDataGenerator(paths, **CROPPED)
    in_memory = RotNetDataGenerator(paths, **CROPPED, cache="memory")
    augmented = RotNetDataGenerator(paths, CROPPED["input_shape"], batch_size=BATCH, augmentation=Augmentation())
    half = partial(reading.read_image, short_side=2 * recipes.SIZE)
    ways = {
        "original recipe, OpenCV": with_opencv(recipes.original),
        "rotnet": lambda: go_through(plain),
        "rotnet, blur, noise, colour and JPEG": lambda: go_through(augmented),
        "rotnet, decoded once": lambda: go_through(in_memory),
        **{name: with_opencv(recipe) for name, recipe in _installed()},
        "decoding alone, as rotnet does": lambda: go_through(map(half, paths)),
        "decoding alone, whole, OpenCV": lambda: go_through(map(cv2.imread, map(str, paths))),
        "decoding alone, whole, Pillow": lambda: go_through(map(np.asarray, map(Image.open, paths))),
    }
    title = "224x224 examples from JPEG files of 1281x1025"
    return Table(title, "pictures/s", rates(ways, len(paths), rounds=rounds), (ONE_THREAD,))


def _from_arrays(paths: list[Path], rounds: int) -> Table:
    rng = np.random.default_rng(0)
    arrays = [reading.read_image(path) for path in paths]
    reduced = [cv2.resize(array, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for array in arrays]

    def with_arrays(recipe: Callable, given: list) -> Callable[[], None]:
        return lambda: _fill_batches(recipe(array, rng.uniform(0, 360)) for array in given)

    copy = np.empty_like(arrays[0])
    whole, kept = RotNetDataGenerator(arrays, **CROPPED), RotNetDataGenerator(arrays, **CROPPED, cache="memory")
    ways = {
        "original recipe, OpenCV": with_arrays(recipes.original, arrays),
        "rotnet": lambda: go_through(whole),
        "rotnet, scaled down once": lambda: go_through(kept),
        **{name: with_arrays(recipe, arrays) for name, recipe in _installed()},
        "copying the pictures": lambda: go_through(np.copyto(copy, array) for array in arrays),
        "original recipe, from 641x513": with_arrays(recipes.original, reduced),
    }
    title = "224x224 examples from arrays of 1281x1025"
    return Table(title, "pictures/s", rates(ways, len(arrays), rounds=rounds), (ONE_THREAD,))


def _digits(number: int, rounds: int) -> Table:
    rng = np.random.default_rng(0)
    digits = rng.integers(0, 256, (number, 28, 28), np.uint8)
    options: dict[str, Any] = {"color_mode": "grayscale", "batch_size": 128}
    plain = RotNetDataGenerator(digits, **options)
    varied = RotNetDataGenerator(digits, **options, augmentation=DigitAugmentation(), sigma=3.0)
    ways = {
        "original recipe, OpenCV": lambda: [recipes.original_digit(digit, rng.uniform(0, 360)) for digit in digits],
        "rotnet": lambda: go_through(plain),
        "rotnet, varied, soft labels": lambda: go_through(varied),
    }
    return Table("28x28 digits from an array", "pictures/s", rates(ways, number, rounds=rounds), (ONE_THREAD,))


def _on_device(number: int, rounds: int) -> Table:
    import keras

    from rotnet.training.layers import RandomDegradation, RandomUprightRotation

    size = (recipes.SIZE, recipes.SIZE)
    upright = np.random.default_rng(0).integers(0, 256, (number, 2 * size[0], 2 * size[1], 3), np.uint8)
    rotation, degradation = RandomUprightRotation(size), RandomDegradation()

    class InTraining(keras.layers.Layer):
        """`predict` would have Keras' layer leave the pictures as they are."""

        def __init__(self, *steps: keras.layers.Layer) -> None:
            super().__init__()
            self.steps = steps

        def call(self, images: Any) -> Any:
            for step in self.steps:
                images = step(images, training=True)
                images = images[0] if isinstance(images, tuple) else images
            return images

    def way(images: NDArray, *steps: keras.layers.Layer) -> Callable[[], NDArray]:
        inputs = keras.Input(images.shape[1:], dtype="uint8")
        model = keras.Model(inputs, InTraining(*steps)(inputs))
        return lambda: model.predict_on_batch(images)

    small = np.ascontiguousarray(upright[:, : size[0], : size[1]])
    ways = {
        "keras.layers.RandomRotation, 224x224, no crop": way(small, keras.layers.RandomRotation(0.5)),
        "rotnet, RandomUprightRotation, 224x224": way(small, rotation),
        "rotnet, RandomUprightRotation, 448x448 to 224x224": way(upright, rotation),
        "rotnet, RandomUprightRotation and RandomDegradation": way(upright, rotation, degradation),
        "keras.layers.RandomRotation, 448x448, no crop": way(upright, keras.layers.RandomRotation(0.5)),
    }
    note = f"Keras on {keras.backend.backend()}, here on the processor; the layers are made for a GPU"
    return Table("Inside the model", "pictures/s", rates(ways, number, rounds=rounds), (note,))


def go_through(things: Iterable) -> None:
    """Nothing is kept, for new memory costs as much as a picture."""
    for _ in things:
        pass


def _fill_batches(examples: Iterable[NDArray]) -> None:
    """What the generators of others do as well: float32 batches, gone once the next one comes."""
    for number, example in enumerate(examples):
        if number % BATCH == 0:
            batch = np.empty((BATCH, *example.shape), np.float32)
        batch[number % BATCH] = example


def _installed() -> Iterator[tuple[str, Callable]]:
    for name, recipe in recipes.OTHERS.items():
        try:
            yield name, recipe()
        except ImportError:
            print(f"{name} is not installed and left out", flush=True)
