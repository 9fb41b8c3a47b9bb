"""Several devices that learn one model, each from its part of every batch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal, TypeAlias

import keras
import numpy as np

from rotnet.errors import UsageError

__all__ = ["several_devices", "shared"]

Devices: TypeAlias = "int | Literal['all'] | None"
_HOSTS = "KERAS_DISTRIBUTION_JOB_ADDRESSES"  # says that there are several, as `keras.distribution.initialize` reads it


@contextmanager
def several_devices(number: Devices) -> Iterator[int]:
    """Let models that are built in the block learn on several devices at once.

    A batch has as many pictures as on one device, and they are divided, so that a run is the same and only quicker. The
    statistics of batch normalization are those of the whole batch with JAX, and those of each part with TensorFlow.

    Args:
        number: How many devices, the first ones of their kind; `"all"` for all; None or 1 for one, as without the
            block. GPUs are taken where there are any.

    Yields:
        How many devices there are.

    Raises:
        UsageError: There are fewer devices, or Keras runs on PyTorch, with which it learns on one device only.

    Example:
        >>> with several_devices(1) as devices:
        ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> devices
        1
    """
    if number is None:
        yield 1
        return
    scope, devices = _scope(number)
    with scope:
        yield devices


def shared(batches: Any) -> Any:
    """A stream of batches as the devices of a `several_devices` block take it; itself for one device.

    Args:
        batches: A `keras.utils.PyDataset` whose batches are tuples of arrays, or None.

    Returns:
        A `keras.utils.PyDataset` whose batches can be divided evenly: where need be, a few of a batch's own pictures
        come a second time. On several hosts each has its own part of every batch.
    """
    devices, hosts, host = in_use()
    return batches if batches is None or devices == 1 else _Shared(batches, devices, hosts, host)


class _Shared(keras.utils.PyDataset):
    def __init__(self, batches: keras.utils.PyDataset, devices: int, hosts: int, host: int) -> None:
        super().__init__(batches.workers, batches.use_multiprocessing, batches.max_queue_size)
        self.batches = batches
        self.devices, self.hosts, self.host = devices, hosts, host

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        batch = self.batches[index]
        pictures = len(batch[0])
        whole = -(-pictures // self.devices) * self.devices
        part = (np.arange(whole) % pictures).reshape(self.hosts, -1)[self.host]
        return tuple(array[part] for array in batch)

    def on_epoch_begin(self) -> None:
        self.batches.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self.batches.on_epoch_end()


def _scope(number: int | Literal["all"]) -> tuple[AbstractContextManager[Any], int]:
    """What models are built in, and how many devices it is for."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        if _HOSTS in os.environ and not jax.distributed.is_initialized():
            keras.distribution.initialize()
        chosen = _chosen(keras.distribution.list_devices(), number)
        if len(chosen) == 1:
            return nullcontext(), 1
        # the batches come divided among the hosts already
        data_parallel = keras.distribution.DataParallel(devices=chosen, auto_shard_dataset=False)
        return data_parallel.scope(), len(chosen)
    if backend == "tensorflow":
        import tensorflow as tf

        found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        chosen = _chosen([device.name for device in found], number)
        return (nullcontext(), 1) if len(chosen) == 1 else (tf.distribute.MirroredStrategy(chosen).scope(), len(chosen))
    if number == 1:
        return nullcontext(), 1
    raise UsageError(
        f"Keras {keras.__version__} learns on one device only with {backend}: leave out --devices, or set "
        "KERAS_BACKEND to jax or tensorflow."
    )


def _chosen(found: Sequence[str], number: int | Literal["all"]) -> list[str]:
    if number == "all":
        return list(found)
    if not 1 <= number <= len(found):
        there = ", ".join(name.removeprefix("/device:") for name in found)
        raise UsageError(
            f"devices must be from 1 to {len(found)}, as many as Keras finds ({there}). Received: devices={number}."
            if len(found) > 1
            else f"There is one device to learn on ({there}): leave out --devices. Received: devices={number}."
        )
    return list(found[:number])


def in_use() -> tuple[int, int, int]:
    """How many devices there are in this block, how many hosts, and which of these this one is."""
    backend = keras.backend.backend()
    if backend == "jax" and (distribution := keras.distribution.distribution()) is not None:
        import jax

        return distribution.device_mesh.devices.size, jax.process_count(), jax.process_index()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.distribute.get_strategy().num_replicas_in_sync, 1, 0
    return 1, 1, 0
