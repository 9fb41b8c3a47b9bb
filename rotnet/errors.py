"""The errors of rotnet: one tree, each with the exit code of the command and a remedy.

What depends on the world outside (a picture, a model, a target, an option of the command) fails with a `RotNetError`,
so that `except rotnet.RotNetError` catches what a caller can act on and lets real bugs through; a wrong argument of a
plain function, such as `rotnet.rotate`, is a `ValueError`. The command maps an error to its exit status by
`error.exit_code`, and nowhere else.

Example:
    >>> issubclass(ImageError, ValueError), UsageError.exit_code
    (True, 2)
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = [
    "ImageError",
    "MissingExtraError",
    "OutputError",
    "RotNetError",
    "TrainingError",
    "UnknownPresetError",
    "UsageError",
    "WeightsError",
    "require",
]


class RotNetError(Exception):
    """Base of all errors of rotnet. Exit code 1; the message says what was expected, what came and what to do."""

    exit_code: int = 1


class ImageError(RotNetError, ValueError):
    """A picture cannot be read. Exit code 1; remedy: leave this picture out or mend it, the others are fine."""


class OutputError(RotNetError, OSError):
    """A target cannot be written. Exit code 1; remedy: choose another folder, name or extension."""


class WeightsError(RotNetError):
    """A weights file is missing, altered or not a model. Exit code 1; remedy: restore the file or give another path."""


class UnknownPresetError(WeightsError):
    """No preset has this name. Exit code 2; remedy: take one of those that `rotnet models` lists, or give a path."""

    exit_code = 2


class MissingExtraError(RotNetError, ImportError):
    """An optional dependency is not installed. Exit code 1; remedy: the `pip install` line of the message."""


class TrainingError(RotNetError):
    """Teaching a model came to nothing. Exit code 1; remedy: other settings, of which the message names one."""


class UsageError(RotNetError, ValueError):
    """Options or arguments that make no sense together. Exit code 2; remedy: see `--help` or the docstring."""

    exit_code = 2


def require(module_name: str, extra: str, purpose: str) -> ModuleType:
    """Import a module that only an extra installs, or say which extra that is.

    Args:
        module_name: Name as in an import statement, dots allowed.
        extra: The extra of rotnet that installs it, such as `"train"`.
        purpose: What the caller is about to do, the subject of the sentence: `"training"`.

    Returns:
        The imported module.

    Raises:
        MissingExtraError: The module, or something it needs, cannot be imported.

    Example:
        >>> require("json", "train", "this example").dumps([1])
        '[1]'
        >>> require("no_such", "train", "training")
        Traceback (most recent call last):
        rotnet.errors.MissingExtraError: training needs no_such, which is not installed: pip install 'rotnet[train]'
    """
    try:
        return importlib.import_module(module_name)
    except ImportError as error:
        absent = error.name is not None and f"{module_name}.".startswith(f"{error.name}.")
        why = "which is not installed" if absent else f"which cannot be imported ({error})"
        message = f"{purpose} needs {module_name.partition('.')[0]}, {why}: pip install 'rotnet[{extra}]'"
        raise MissingExtraError(message, name=module_name) from error
