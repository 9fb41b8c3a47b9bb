"""How a training is told about: a bar that runs through each epoch, and a line when it has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import keras
from tqdm import tqdm

from rotnet.training.fitting import Verbosity

# takes a sentence for a person
Say: TypeAlias = Callable[[str], object]
HELD_OUT = "on held-out pictures"


class EpochProgress(keras.callbacks.Callback):
    """Tells how a training goes: a bar with the time left in an epoch, then a line for the epoch.

    The bar is drawn on standard error, and only where that is a terminal.

    Args:
        say: Takes the line of each epoch.
        title: What the line begins with, such as `"stage 1 of 2, "`.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> lines = []
        >>> history = model.fit(
        ...     keras.ops.ones((4, 2)), keras.ops.ones(4), verbose=0, callbacks=[EpochProgress(lines.append)]
        ... )
        >>> lines[0].startswith("epoch 1 of 1: loss ")
        True
    """

    def __init__(self, say: Say, title: str = "") -> None:
        super().__init__()
        self.say = say
        self.title = title
        self.bar: Any = None
        self.started = 0.0
        self.took: list[float] = []

    def on_train_begin(self, logs=None):
        self.took = []  # a stage that teaches more layers takes longer

    def on_epoch_begin(self, epoch, logs=None):
        self.close()
        self.started = time.monotonic()
        name = f"{self.title}epoch {epoch + 1} of {self.params['epochs']}"
        self.bar = tqdm(total=self.params.get("steps"), desc=name, unit="batch", leave=False, disable=None)

    def on_train_batch_end(self, batch, logs=None):
        if self.bar is not None:
            self.bar.set_postfix_str(shown_figures(logs or {}), refresh=False)
            self.bar.update()

    def on_test_begin(self, logs=None):
        if self.bar is not None:
            self.bar.set_postfix_str("looking at held-out pictures")

    def on_epoch_end(self, epoch, logs=None):
        self.close()
        self.took.append(time.monotonic() - self.started)
        left = self.params["epochs"] - epoch - 1
        # the first epoch compiles the network, and takes longer for it
        typical = min(self.took)
        more = f", about {shown_time(left * typical)} left" if left else ""
        self.say(
            f"{self.title}epoch {epoch + 1} of {self.params['epochs']}: {shown_figures(logs or {})} "
            f"({shown_time(self.took[-1])}{more})"
        )

    def close(self) -> None:
        """Take the bar away, also after a training that was interrupted."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


@contextmanager
def watched(say: Say | None, title: str = "") -> Iterator[dict[str, Any]]:
    """What makes a training tell how it goes.

    Args:
        say: Takes the line of each epoch; None leaves telling to Keras.
        title: What the line begins with.

    Yields:
        Options for `fit`: `verbose` and `callbacks`, nothing without `say`.
    """
    if say is None:
        yield {}
        return
    progress = EpochProgress(say, title)
    silent: Verbosity = 0
    try:
        yield {"verbose": silent, "callbacks": [progress]}
    finally:
        progress.close()


def shown_figures(logs: Mapping[str, float]) -> str:
    """The figures of an epoch in words.

    Example:
        >>> shown_figures({"loss": 4.1, "angle_error": 38.2, "val_loss": 4.4, "val_angle_error": 41.0})
        'off by 38.2° on average, 41.0° on held-out pictures'
    """
    if "angle_error" in logs:
        told, held_out = f"off by {logs['angle_error']:.1f}° on average", "{:.1f}°"
        name = "val_angle_error"
    elif "accuracy" in logs:
        told, held_out, name = f"{logs['accuracy']:.0%} right", "{:.0%}", "val_accuracy"
    elif "loss" in logs:
        told, held_out, name = f"loss {logs['loss']:.3g}", "{:.3g}", "val_loss"
    else:
        return ""
    return f"{told}, {held_out.format(logs[name])} {HELD_OUT}" if name in logs else told


def shown_time(seconds: float) -> str:
    """A span of time, as people say it.

    Example:
        >>> shown_time(4.2), shown_time(75), shown_time(7500)
        ('4 s', '1 min 15 s', '2 h 5 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
