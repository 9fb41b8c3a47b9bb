"""Teaching a network classes instead of angles: first its last layer, then all of it.

A classifier lives in a folder: `model.keras` and `classes.json`, beside them what its training left: `log.csv` and
TensorBoard events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import keras
import numpy as np
from numpy.typing import NDArray

from rotnet.datasets import Labelled
from rotnet.datasets.augmentation import UNDEGRADED, Augmentation
from rotnet.errors import UsageError
from rotnet.evaluation.classification_scores import classification_report, is_guessing_classes
from rotnet.images.writing import make_folder
from rotnet.models import freeze_backbone, unfreeze_backbone
from rotnet.training.devices import in_use, shared
from rotnet.training.fitting import Metric, Verbosity, check_finite, close_log, jit_compile, tensorboard
from rotnet.training.generators import RotNetDataGenerator
from rotnet.training.image_classifier import ImageClassifier
from rotnet.training.labels import upright_classes
from rotnet.training.reader import Upright
from rotnet.training.run_pictures import write_report

UPRIGHT_CLASSES = ("upright", "wrong")


@dataclass(frozen=True)
class Tilted:
    """Varies pictures as another augmentation does, and turns them a little more.

    Attributes:
        tilt: At most so many degrees, either way.
        augmentation: The other one.
    """

    tilt: float = 5.0
    augmentation: Augmentation = field(default_factory=Augmentation)

    @property
    def min_view(self) -> float:
        """As of the other one."""
        return self.augmentation.min_view

    def __call__(
        self, image: NDArray[np.uint8], angle: float, size: tuple[int, int], rng: np.random.Generator
    ) -> NDArray[np.uint8]:
        return self.augmentation(image, angle + rng.uniform(-self.tilt, self.tilt), size, rng)


class LabelledBatches(RotNetDataGenerator):
    """Batches of pictures as they stand, with their classes.

    Args:
        data: Pictures with their classes.
        input_shape: `(height, width)` or `(height, width, channels)` of the pictures in a batch, pixels.
        **options: `augmentation`, without which it is their centre square, `batch_size`, `color_mode`, `shuffle`,
            `seed` and `same_every_epoch` of `rotnet.RotNetDataGenerator`.

    Example:
        >>> data = Labelled(np.zeros((5, 20, 30, 3), np.uint8), np.array([0, 1, 1, 0, 1]), ("cat", "dog"))
        >>> batch, labels = LabelledBatches(data, (16, 16), batch_size=4)[0]
        >>> batch.shape, labels.tolist()
        ((4, 16, 16, 3), [0, 1, 1, 0])
    """

    def __init__(self, data: Labelled, input_shape: tuple[int, ...], **options: Any) -> None:
        super().__init__(data.images, input_shape, rotate=False, crop_center=True, **options)
        self.data = data

    def to_tf_dataset(self) -> NoReturn:
        """Not for classes: Keras takes the batches as they are."""
        raise UsageError("to_tf_dataset is for angles: hand these batches to fit themselves.")

    def _batch(self, epoch: int, index: int) -> tuple[Any, NDArray]:
        batch, _ = super()._batch(epoch, index)
        chosen = self._order(epoch)[index * self.batch_size : (index + 1) * self.batch_size]
        return batch, self.data.labels[chosen]


class UprightBatches(keras.utils.PyDataset):
    """Batches of pictures, half of them upright and half of them turned, with the class 0 (upright) or 1 (wrong).

    Upright pictures go through the same warp, turned by less than the tolerance, so that nothing but the picture tells
    the classes apart.

    Args:
        images: Upright pictures: an array `(N, H, W)` or `(N, H, W, C)`, or a sequence of arrays or of paths.
        input_shape: `(height, width, channels)` of the pictures in a batch, pixels.
        batch_size: Pictures in a batch, even.
        tolerance: Degrees off that still count as upright.
        augmentation: How pictures are varied; `rotnet.datasets.augmentation.UNDEGRADED` to measure.
        shuffle: Draw the pictures in a new order each epoch.
        seed: Integer, not negative; None draws one.
        same_every_epoch: True gives the same pictures in every epoch, as a validation set needs.
        **options: `workers`, `use_multiprocessing`, `max_queue_size` of `keras.utils.PyDataset`.

    Raises:
        ValueError: The batch size is odd, another argument is not as described, or there are no pictures.

    Example:
        >>> batch, labels = UprightBatches(np.zeros((4, 20, 30, 3), np.uint8), (16, 16, 3), batch_size=8)[0]
        >>> batch.shape, labels[:4].tolist()
        ((8, 16, 16, 3), [0, 0, 0, 0])
    """

    def __init__(
        self,
        images: NDArray | Sequence[Upright],
        input_shape: tuple[int, int, int],
        *,
        batch_size: int = 32,
        tolerance: float = 5.0,
        augmentation: Augmentation = UNDEGRADED,
        shuffle: bool = False,
        seed: int | None = 0,
        same_every_epoch: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if batch_size < 2 or batch_size % 2:
            raise UsageError(f"batch_size must be even, half of it for each class. Received: batch_size={batch_size}.")
        common: dict[str, Any] = {"input_shape": input_shape, "batch_size": batch_size // 2, "label": "angle"}
        common |= {"shuffle": shuffle, "same_every_epoch": same_every_epoch}
        self.tolerance = tolerance
        nearly = Tilted(tolerance, augmentation)
        self.upright = RotNetDataGenerator(images, rotate=False, augmentation=nearly, seed=seed, **common)
        self.turned = RotNetDataGenerator(images, augmentation=augmentation, seed=self.upright.seed + 1, **common)

    def __len__(self) -> int:
        return len(self.turned)

    def __getitem__(self, index: int) -> tuple[Any, NDArray[np.int64]]:
        (upright, _), (turned, angles) = self.upright[index], self.turned[index]
        classes = [np.zeros(len(upright), np.int64), upright_classes(angles, self.tolerance)]
        return np.concatenate([upright, turned]), np.concatenate(classes)

    def on_epoch_end(self) -> None:
        """Move on to the pictures of the next epoch; Keras calls this."""
        self.upright.on_epoch_end()
        self.turned.on_epoch_end()


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the best epoch, over several calls of `fit`, whatever their optimizers.

    Args:
        monitor: The figure of the logs that decides, higher is better.

    Attributes:
        weights: As `keras.Model.get_weights` gives them; empty before the first epoch.
    """

    def __init__(self, monitor: str) -> None:
        super().__init__()
        self.monitor = monitor
        self.value = -np.inf
        self.weights: list[NDArray] = []

    def on_epoch_end(self, epoch, logs=None):
        value = (logs or {})[self.monitor]
        if not self.weights or value > self.value:
            self.value, self.weights = value, self.model.get_weights()


def fit_classifier(
    model: keras.Model,
    train: keras.utils.PyDataset,
    validation: keras.utils.PyDataset,
    folder: str | Path,
    *,
    frozen_epochs: int = 5,
    epochs: int = 10,
    learning_rate: float = 1e-3,
    fine_tuning_rate: float = 1e-5,
    metrics: Sequence[Metric] = ("accuracy",),
    monitor: str = "val_accuracy",
    patience: int = 4,
    verbose: Verbosity = 2,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> keras.Model:
    """Teach the last layer of a classifier on the features of its backbone as they are, then the whole of it.

    Args:
        model: Made by `rotnet.models.build_classifier`.
        train, validation: Streams of pictures and integer classes.
        folder: Where the run lives; made when missing. An earlier log there is replaced.
        frozen_epochs: Most epochs with the backbone frozen; 0 for a backbone that has learned nothing yet, all of which
            is then taught at `learning_rate`.
        epochs: Most epochs with all layers, batch normalization of a frozen backbone still in inference mode.
        learning_rate: Of Adam in the first stage.
        fine_tuning_rate: Of Adam after that, so small that it does not tear down what the backbone knows.
        metrics: What `keras.Model.compile` takes.
        monitor: The figure that decides, higher is better. Where it gets no better for half of `patience` the rate
            falls to a fifth, after `patience` epochs the stage ends.
        patience: Epochs.
        verbose: 0 prints nothing, 1 a progress bar, 2 a line an epoch.
        callbacks: More of them, such as `rotnet.training.progress.EpochProgress`.

    Returns:
        The model with its best weights.

    Raises:
        TrainingError: The loss became NaN or infinite.
        UsageError: There are no epochs.
    """
    if min(frozen_epochs, epochs) < 0 or frozen_epochs + epochs < 1:
        raise UsageError(
            "frozen_epochs and epochs must be at least 0, and one of them at least 1. "
            f"Received: frozen_epochs={frozen_epochs}, epochs={epochs}."
        )
    folder = Path(folder)
    make_folder(folder)
    (folder / "log.csv").unlink(missing_ok=True)
    best = BestWeights(monitor)
    log = keras.callbacks.CSVLogger(folder / "log.csv", append=True)
    told = [best, *_callbacks(folder, monitor, patience), log, *callbacks]
    stages: list[tuple[Callable[[keras.Model], object] | None, int, float]] = [(None, epochs, learning_rate)]
    if frozen_epochs:
        stages = [(freeze_backbone, frozen_epochs, learning_rate), (unfreeze_backbone, epochs, fine_tuning_rate)]
    done = 0
    for prepare, number, rate in stages:
        if prepare:
            prepare(model)
        model.compile(
            keras.optimizers.Adam(rate),
            "sparse_categorical_crossentropy",
            metrics=list(metrics),
            jit_compile=jit_compile(),
        )
        try:
            history = model.fit(
                shared(train),
                validation_data=shared(validation),
                initial_epoch=done,
                epochs=done + number,
                callbacks=told,
                shuffle=False,
                verbose=verbose,
            )
        finally:
            close_log(log)
        check_finite(history, folder)
        model.set_weights(best.weights)
        done += len(history.epoch)
    return model


def _answers_to(model: keras.Model, batches: keras.utils.PyDataset) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The classes of all pictures of a stream, `(N,)`, and what a model answers, `(N, classes)` probabilities."""
    truth, answers = [], []
    for index in range(len(batches)):
        images, labels = batches[index]
        truth.append(labels)
        answers.append(probabilities_of(model, images))
    return np.concatenate(truth), np.concatenate(answers)


def probabilities_of(model: keras.Model, images: Any) -> NDArray[np.float32]:
    """What a model answers for any number of pictures, in a block of `rotnet.training.devices.several_devices` too."""
    if in_use()[0] == 1:
        return np.asarray(model.predict_on_batch(images))
    # there predict_on_batch would have each device answer for all of them, or refuse a number that cannot be divided
    answers: NDArray[np.float32] = keras.ops.convert_to_numpy(model(images, training=False))
    return answers


def teach(
    model: keras.Model,
    classes: Sequence[str],
    train: keras.utils.PyDataset,
    validation: keras.utils.PyDataset,
    folder: str | Path,
    *,
    test: keras.utils.PyDataset | None = None,
    draw: Callable[[NDArray[np.int64], NDArray[np.float32]], object] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Teach a classifier, save it, and measure it.

    Args:
        model: Made by `rotnet.models.build_classifier`.
        train, validation: Streams of pictures and integer classes.
        folder: Where the run lives; made when missing.
        **options: Those of `fit_classifier`.
        classes: Names.
        test: Pictures to measure on; None for those of `validation`.
        draw: Called with the classes of these, `(N,)`, and the answers, `(N, classes)` probabilities.

    Returns:
        The `classification_report`, with the name of the network and the number of its `parameters`; it is also written
        to `metrics.json`. Its `guessing` says whether the answers are no better than the most frequent class.
    """
    classifier = ImageClassifier(fit_classifier(model, train, validation, folder, **options), tuple(classes))
    classifier.save(folder)
    report: dict[str, Any] = {"network": model.name, "parameters": model.count_params()}
    truth, answers = _answers_to(model, test or validation)
    report |= classification_report(truth, answers, classes)
    report["guessing"] = is_guessing_classes(report, classes)
    if draw is not None:
        draw(truth, answers)
    return write_report(Path(folder), report)


def _callbacks(folder: Path, monitor: str, patience: int) -> list[keras.callbacks.Callback]:
    watch: dict[str, Any] = {"monitor": monitor, "mode": "max"}
    callbacks: list[keras.callbacks.Callback] = [
        keras.callbacks.ReduceLROnPlateau(factor=0.2, patience=max(1, patience // 2), **watch),
        keras.callbacks.EarlyStopping(patience=patience, **watch),
        keras.callbacks.TerminateOnNaN(),
    ]
    return [*callbacks, *tensorboard(folder)]
