"""Having XLA compile what is made of pictures on the device, where Keras leaves that to us."""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable
from typing import Any

import keras


def compiled(function: Callable) -> Callable:
    """On TensorFlow, a function that XLA compiles by itself, apart from the model it is called in.

    Without that, TensorFlow writes every step of a formula to memory: five times the work of sampling or compressing
    pictures on a processor. Compiling the model as a whole is no way to it: there, XLA takes thirty times as long as
    TensorFlow to draw normal random numbers.

    Args:
        function: Of tensors and of what can be hashed, without random numbers or variables.

    Returns:
        A function that rounds as XLA does, or `function` itself: on JAX and PyTorch, which compile or do not compile
        the whole model, and on macOS, where TensorFlow's devices have no XLA.
    """
    if keras.backend.backend() != "tensorflow" or platform.system() == "Darwin":
        return function

    @functools.cache
    def wrapped() -> Callable:
        # Keras hands whole models to XLA and has no name for a function alone; other backends never come here
        import tensorflow as tf

        return tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return wrapped()(*args, **kwargs)

    return call
