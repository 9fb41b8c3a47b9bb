"""Making training examples with two threads: how much more one brings, and what other loaders make of the same work."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import recipes
from benchmarks.generating import BATCH, CROPPED, go_through
from benchmarks.pictures import street_views
from benchmarks.timing import Table, rates
from rotnet import RotNetDataGenerator
from rotnet.images import reading

THREADS = 2
IDLE = "seconds of the clock: needs an idle machine"


def tables(*, tiny: bool) -> Iterator[Table]:
    """All that is measured here."""
    number, rounds = (2, 1) if tiny else (24, 7)
    with tempfile.TemporaryDirectory() as folder:
        paths = street_views(Path(folder), number)
        yield _workers(paths, rounds)
        yield _loaders(paths, rounds)


def _workers(paths: list[Path], rounds: int) -> Table:
    """Over and over through the same files, so that starting and ending count for little."""
    files = paths * 4
    generator = RotNetDataGenerator(files, **CROPPED | {"batch_size": 2})

    def with_threads(number: int, work: Callable, things: Sequence) -> Callable[[], None]:
        def run() -> None:
            with ThreadPoolExecutor(number) as pool:
                go_through(pool.map(work, things))

        return run

    half = partial(reading.read_image, short_side=2 * recipes.SIZE)
    ways = {
        "rotnet, 1 worker": with_threads(1, generator.__getitem__, range(len(generator))),
        "rotnet, 2 workers": with_threads(2, generator.__getitem__, range(len(generator))),
        "decoding alone, 1 worker": with_threads(1, half, files),
        "decoding alone, 2 workers": with_threads(2, half, files),
    }
    rows = rates(ways, len(files), rounds=rounds, clock=time.perf_counter)
    return Table("Workers", "pictures/s", rows, (IDLE,))


def _loaders(paths: list[Path], rounds: int) -> Table:
    """The original recipe in loaders of others, and rotnet's examples in its own and in tf.data."""
    files = paths * 4
    generator = RotNetDataGenerator(files, **CROPPED, workers=THREADS)
    dataset = generator.to_tf_dataset()

    def with_threads() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            go_through(pool.map(_example, map(str, files)))

    ways: dict[str, Callable[[], None]] = {"original recipe, threads of Python": with_threads}
    for name, load in {"original recipe, tf.data": _tf_data, "original recipe, Grain": _grain}.items():
        try:
            ways[name] = load(files)
        except ImportError:
            print(f"{name} is not installed and left out", flush=True)
    ways["rotnet, as tf.data"] = lambda: go_through(dataset)
    rows = rates(ways, len(files), rounds=rounds, clock=time.perf_counter)
    return Table(f"Loaders, {THREADS} threads", "pictures/s", rows, (IDLE, "examples as in the first table"))


def _example(path: str) -> NDArray[np.uint8]:
    image = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
    return recipes.original(image, np.random.default_rng().uniform(0, 360))


def _tf_data(files: Sequence[Path]) -> Callable[[], None]:
    import tensorflow as tf

    def example(path: tf.Tensor) -> tf.Tensor:
        made = tf.numpy_function(lambda name: _example(name.decode()), [path], tf.uint8, stateful=False)
        return tf.cast(tf.ensure_shape(made, (recipes.SIZE, recipes.SIZE, 3)), tf.float32)

    dataset = tf.data.Dataset.from_tensor_slices([str(path) for path in files])
    dataset = dataset.map(example, num_parallel_calls=THREADS).batch(BATCH).prefetch(1)
    return lambda: go_through(dataset)


def _grain(files: Sequence[Path]) -> Callable[[], None]:
    import grain

    examples = grain.MapDataset.source([str(path) for path in files]).map(_example).map(np.float32).batch(BATCH)
    options = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=BATCH)
    return lambda: go_through(examples.to_iter_dataset(options))
