"""The weights registry: which models there are, where their files lie, and that nobody altered them.

A folder of weights holds `registry.json` beside the files: `{"version": 1, "presets": [{"name": ..., ...}, ...]}`, each
preset with the fields of `Preset`. Formats that cannot run code only; nothing is fetched from the network.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rotnet.errors import UnknownPresetError, WeightsError, require

__all__ = ["Preset", "find", "load_tensors", "presets", "save_tensors", "sha256", "weights_dirs"]

MODEL_FILE = "model.onnx"  # of a model that is a folder
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """A named model, or backbone, of the registry.

    Attributes:
        name: What `model=` and `--model` take.
        file: File name in the folder of the registry.
        sha256: Hexadecimal digest of the file.
        bytes: Length of the file.
        kind: `"model"` for what predicts angles, `"backbone"` for ImageNet weights to fine-tune from.
        input_size: `(height, width)` of the network's input, pixels.
        color_mode: `"rgb"` or `"grayscale"`.
        training_data: What it was trained on.
        licence: Licence of the weights.
        errors: Measured errors by name, degrees or shares; may nest.
        description: One line for people.
    """

    name: str
    file: str
    sha256: str
    bytes: int
    kind: str
    input_size: tuple[int, int]
    color_mode: str = "rgb"
    training_data: str = ""
    licence: str = ""
    errors: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    description: str = ""


def weights_dirs() -> list[Path]:
    """Folders where presets are looked for, first wins.

    Returns:
        The folder that the environment variable `ROTNET_WEIGHTS` names, if set; then the one inside the installed
        package, or, in a source checkout, `weights/` beside the package. Only folders that exist.

    Raises:
        WeightsError: `ROTNET_WEIGHTS` is set to what is not a folder.
    """
    folders = []
    if chosen := os.environ.get("ROTNET_WEIGHTS"):
        if not Path(chosen).is_dir():
            raise WeightsError(f"ROTNET_WEIGHTS must name an existing folder; got {chosen!r}: mend or unset it")
        folders.append(Path(chosen))
    shipped = (_PACKAGE / "weights", _PACKAGE.parent / "weights")
    return folders + [folder for folder in shipped if (folder / "registry.json").is_file()][:1]


def presets() -> dict[str, Preset]:
    """Presets of all registries by name, sorted; a registry in `ROTNET_WEIGHTS` extends or overrides the shipped one.

    Raises:
        WeightsError: A registry cannot be read or understood.
    """
    found: dict[str, Preset] = {}
    for folder in reversed(weights_dirs()):
        if (folder / "registry.json").is_file():
            found.update(_read_registry(folder / "registry.json"))
    return dict(sorted(found.items()))


def find(model: str | os.PathLike[str]) -> Path:
    """Find the file of a preset, verified, or of a path.

    Args:
        model: A path (it has an extension or a separator) that exists, or the name of a preset. A folder stands for the
            `model.onnx` in it, as `rotnet.inference.model_folder` and training runs leave one.

    Returns:
        The path of an existing file; that of a preset has the size and SHA-256 of the registry.

    Raises:
        UnknownPresetError: No preset has this name.
        WeightsError: The file does not exist, or is not the one of the registry.

    Example:
        >>> find("no_such_folder/model.onnx")
        Traceback (most recent call last):
        rotnet.errors.WeightsError: no_such_folder/model.onnx does not exist: give a model file or a preset's name
    """
    path = Path(model)
    name = os.fspath(model)
    is_path = not isinstance(model, str) or bool(path.suffix) or path.name != name
    if is_path and os.path.isfile(path):  # a name may be longer than those of files
        return path
    known = presets()
    if name in known:
        return _verified(known[name])
    if os.path.isfile(path / MODEL_FILE):
        return path / MODEL_FILE
    if is_path or (name and os.path.isdir(path)):
        problem = f"is a folder without a {MODEL_FILE}" if os.path.isdir(path) else "does not exist"
        raise WeightsError(f"{name} {problem}: give a model file or a preset's name")
    known_models = [preset.name for preset in known.values() if preset.kind == "model"]
    close = difflib.get_close_matches(name[:100], known_models, n=1)
    meant = f", did you mean {close[0]!r}?" if close else ""
    raise UnknownPresetError(
        f"model must be a path or one of {', '.join(known_models) or '(no preset is installed)'}; got {name!r}{meant}"
    )


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, 64 hexadecimal digits in lower case.

    Example:
        >>> len(sha256(__file__))
        64
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def load_tensors(path: str | os.PathLike[str]) -> dict[str, npt.NDArray[Any]]:
    """Read named arrays from a safetensors file, in the types they are stored in.

    Raises:
        MissingExtraError: The package safetensors is not installed.
        WeightsError: The file does not exist or is not a safetensors file.
    """
    safetensors = require("safetensors.numpy", "train", "reading .safetensors weights")
    try:
        tensors: dict[str, npt.NDArray[Any]] = safetensors.load(Path(path).read_bytes())
        return tensors
    except OSError as error:
        raise WeightsError(f"{os.fspath(path)} cannot be read: {error.strerror or error}") from error
    except Exception as error:
        raise WeightsError(f"{os.fspath(path)} must be a safetensors file: {error}") from error


def save_tensors(path: str | os.PathLike[str], tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write named arrays to a safetensors file, in their types, atomically.

    Args:
        path: The target.
        tensors: Arrays by name.

    Raises:
        MissingExtraError: The package safetensors is not installed.
        OutputError: The target cannot be written.
    """
    from rotnet.images.writing import atomic_file

    safetensors = require("safetensors.numpy", "train", "writing .safetensors weights")
    stored = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    with atomic_file(path) as file:
        file.write(safetensors.save(stored))


def _read_registry(path: Path) -> dict[str, Preset]:
    fields = {field.name for field in dataclasses.fields(Preset)}
    try:
        registry = json.loads(path.read_text(encoding="utf-8"))
        if registry["version"] != 1:
            raise WeightsError(f"{path} must have version 1; got {registry['version']!r}: update rotnet")
        found = {}
        for entry in registry["presets"]:
            preset = Preset(**{key: value for key, value in entry.items() if key in fields})
            height, width = preset.input_size
            _check(preset)
            found[preset.name] = dataclasses.replace(preset, input_size=(height, width))
        return found
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path} is not a registry of weights: {type(error).__name__}: {error}") from error


def _check(preset: Preset) -> None:
    """Raise `TypeError` or `ValueError` if a field is of another kind than `Preset` says."""
    texts = ("name", "file", "sha256", "kind", "color_mode", "training_data", "licence", "description")
    for field in texts:
        if not isinstance(value := getattr(preset, field), str):
            raise TypeError(f"{field} must be text, not {value!r:.100}")
    for number in (preset.bytes, *preset.input_size):
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**63:
            raise TypeError(f"bytes and input_size must be whole numbers, not {number!r:.100}")
    if not isinstance(preset.errors, Mapping):
        raise TypeError(f"errors must be an object, not {preset.errors!r:.100}")
    if preset.file in ("", ".", "..") or os.path.basename(preset.file) != preset.file or "\0" in preset.file:
        raise ValueError(f"file must be the name of a file beside the registry, not {preset.file!r:.100}")


def _verified(preset: Preset) -> Path:
    folders = weights_dirs()
    for folder in folders:
        path = folder / preset.file
        if os.path.isfile(path):
            break
    else:
        tried = ", ".join(map(str, folders))
        raise WeightsError(f"{preset.file}, the file of preset {preset.name!r}, is not in {tried}: reinstall rotnet")
    try:
        status = path.stat()
        found = _digest(path, status.st_mtime_ns, status.st_size) if status.st_size == preset.bytes else ""
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}; check its permissions") from error
    expected, got = f"{preset.bytes} bytes", f"{status.st_size} bytes"
    if expected == got:  # a file of the wrong length need not be hashed
        expected = f"SHA-256 {preset.sha256.lower()}"
        got = f"SHA-256 {found}"
    if expected != got:
        remedy = "restore it or install rotnet anew, or give its path to use it as it is"
        raise WeightsError(
            f"{path} is not the file of preset {preset.name!r}: expected {expected}, got {got}; {remedy}"
        )
    return path


@functools.lru_cache(maxsize=64)
def _digest(path: Path, mtime_ns: int, size: int) -> str:
    """SHA-256 of a file, taken once a process as long as its time and size stay."""
    return sha256(path)
