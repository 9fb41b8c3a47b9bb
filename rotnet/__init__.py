"""Tell how far a picture is turned, and turn it upright.

    >>> import rotnet
    >>> rotnet.angle_difference(350, 10)
    20.0

The public names stand in `__init__.pyi`. Each loads its module when it is first used, so that `import rotnet` stays
quick and whoever only predicts never loads a training framework.
"""

import logging
import os

import lazy_loader

__version__ = "0.1.0"

# what only the extras install
_EXTRA = ("jax", "keras", "matplotlib", "tensorflow", "torch")

# what happens to files along the way is told to whoever listens, and otherwise to nobody
logging.getLogger(__name__).addHandler(logging.NullHandler())

# ONNX Runtime reports to its maker from the moment it is imported, unless this is set before; workers inherit it
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    try:
        return _load(name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _EXTRA:
            raise
        from .errors import MissingExtraError

        message = f"rotnet.{name} needs {missing}, which is not installed: pip install 'rotnet[train]'"
        raise MissingExtraError(message, name=missing) from error
