"""Keeping what training frameworks say of themselves off the screen."""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from rotnet.errors import RotNetError


@contextmanager
def quiet_frameworks(*, verbose: bool = False) -> Iterator[None]:
    """Hide what the native code of TensorFlow and its like writes to standard error, and what Keras warns of.

    Their own settings do not hide all of it, so the descriptor itself leads elsewhere meanwhile, and only `sys.stderr`
    to where it did. What was hidden is shown after all if something goes wrong that nobody has foreseen.

    Args:
        verbose: Hide nothing.
    """
    if verbose:
        yield
        return
    import tempfile  # which costs a command that needs no framework

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    sys.stderr.flush()
    stream, descriptor = sys.stderr, os.dup(2)
    with tempfile.TemporaryFile() as hidden:
        os.dup2(hidden.fileno(), 2)
        if _leads_to(stream, 2):
            sys.stderr = open(descriptor, "w", buffering=1, errors="backslashreplace", closefd=False)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", module="keras|tensorflow|tf2onnx|jax")
                yield
        except (RotNetError, KeyboardInterrupt, BrokenPipeError):
            raise
        except BaseException:
            hidden.seek(0)
            os.write(descriptor, hidden.read())
            raise
        finally:
            sys.stderr.flush()
            sys.stderr = stream
            os.dup2(descriptor, 2)
            os.close(descriptor)


def _leads_to(stream: object, descriptor: int) -> bool:
    try:
        return isinstance(stream, io.TextIOBase) and stream.fileno() == descriptor
    except (OSError, ValueError):  # a stream that is no file
        return False
