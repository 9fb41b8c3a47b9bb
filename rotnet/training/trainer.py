"""A model that makes its own examples of upright pictures while it learns."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from rotnet.training.layers import RandomUprightRotation


@keras.saving.register_keras_serializable("rotnet")
class RotationTrainer(keras.Model):
    """Teaches a network which way is up from upright pictures alone: they are turned within the training step.

    Compile and fit it like any model, with a loss and metrics for the labels of `rotation`; `network` learns. `fit` and
    `evaluate` turn the pictures that they are given. `predict` answers for them as they are. Given `pictures`, it keeps
    them on the device, and all of these take their numbers: nothing else has to travel there.

    The trainer can be saved and loaded, without `pictures`, which are data. `network` alone loads in plain Keras.

    Args:
        network: What learns, from pictures `(N, height, width, C)` of pixel values 0 to 255.
        rotation: Makes the examples and their labels.
        degradation: Layer through which the examples go next, such as `RandomDegradation`.
        pictures: None, or upright pictures of one size, `(N, H, W, C)` uint8.

    Example:
        >>> network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(360)])
        >>> upright = np.zeros((10, 12, 12, 1), np.uint8)
        >>> trainer = RotationTrainer(network, RandomUprightRotation((8, 8)), pictures=upright)
        >>> trainer.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True))
        >>> history = trainer.fit(np.arange(10), batch_size=5, verbose=0)
        >>> trainer.predict(np.arange(3), verbose=0).shape
        (3, 360)
    """

    def __init__(
        self,
        network: keras.Model,
        rotation: RandomUprightRotation,
        *,
        degradation: keras.layers.Layer | None = None,
        pictures: NDArray[np.uint8] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.network = network
        self.rotation = rotation
        self.degradation = degradation
        # a variable, for what a function closes over some backends compile into it
        self.pictures = None if pictures is None else keras.Variable(pictures, trainable=False, dtype="uint8")
        self._is_tested = False

    def build(self, input_shape: Any = None) -> None:
        """Nothing: the network brings its weights."""
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Answers to pictures as they are; in `fit` and `evaluate`, to turned ones, with their labels."""
        turn = bool(training) or self._is_tested
        examples, labels = self._examples(inputs, turn)
        answers = self.network(examples, training=bool(training))
        return (answers, labels) if turn else answers

    def test_step(self, *arguments: Any) -> Any:
        """What `evaluate` does with a batch. Backends hand over different arguments."""
        self._is_tested = True
        try:
            return super().test_step(*arguments)
        finally:
            self._is_tested = False

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Loss of the answers against the labels that `call` made."""
        answers, labels = self._with_labels(x, y_pred)
        return super().compute_loss(x, labels, answers, sample_weight, training)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Metrics of the answers against the labels that `call` made."""
        answers, labels = self._with_labels(x, y_pred)
        return super().compute_metrics(x, labels, answers, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Arguments to make the trainer anew, but for `pictures`."""
        parts = {name: getattr(self, name) for name in ("network", "rotation", "degradation")}
        return {**super().get_config(), **{k: keras.saving.serialize_keras_object(part) for k, part in parts.items()}}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> RotationTrainer:
        """A trainer from what `get_config` returned."""
        return cls(**{name: keras.saving.deserialize_keras_object(part) for name, part in config.items()})

    def save_own_variables(self, store: Any) -> None:
        """Nothing: `pictures` are data, and the parts save themselves."""

    def load_own_variables(self, store: Any) -> None:
        """Nothing, for nothing was saved."""

    def _examples(self, inputs: Any, turn: bool) -> tuple[Any, Any]:
        upright = inputs if self.pictures is None else ops.take(self.pictures, ops.cast(inputs, "int32"), axis=0)
        examples, labels = self.rotation(upright, training=turn)
        if self.degradation is not None:
            examples = self.degradation(examples, training=turn)
        return examples, labels

    def _with_labels(self, x: Any, answers: Any) -> tuple[Any, Any]:
        # Keras also asks with answers to pictures as they are, when it looks for the shape of the labels
        return tuple(answers) if isinstance(answers, (tuple, list)) else (answers, self._examples(x, False)[1])
