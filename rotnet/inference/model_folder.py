"""A model as a folder in the layout of a Hugging Face repository: `model.onnx`, and its card in `README.md`.

`rotnet.Predictor` and `--model` take such a folder, wherever it came from; nothing here fetches or sends one.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from rotnet import __version__
from rotnet.errors import OutputError, UsageError
from rotnet.images.writing import atomic_file, copy_into, make_folder
from rotnet.inference import presets
from rotnet.inference.presets import MODEL_FILE, Preset

CARD_FILE = "README.md"
TAGS = ("image-orientation", "rotation", "deskew", "onnx")


def save_folder(model: str | Path, folder: str | Path, *, licence: str | None = None) -> Path:
    """Save a model as a folder that people can share.

    Args:
        model: Name of a preset, or path of an `.onnx` file.
        folder: Made when needed; may hold other files.
        licence: Of the weights, by the identifier that the Hub knows, such as `"mit"` or `"cc-by-4.0"`; None takes that
            of the preset, and leaves it open for other models.

    Returns:
        The folder.

    Raises:
        OutputError: The folder holds a model or card already, or cannot be written.
        UsageError: The model is no ONNX file.
        WeightsError: There is no such model.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as place:
        ...     sorted(path.name for path in save_folder("photo", Path(place, "hub")).iterdir())
        ['README.md', 'model.onnx']
    """
    source, folder = presets.find(model), Path(folder)
    if source.suffix.lower() != ".onnx":
        raise UsageError(f"A folder holds an ONNX file: make one of {source} with rotnet export --format onnx first.")
    for name in (MODEL_FILE, CARD_FILE):
        if os.path.lexists(folder / name):
            raise OutputError(f"{folder / name} is there already; choose another folder")
    make_folder(folder)
    with open(source, "rb") as original, atomic_file(folder / MODEL_FILE) as file:
        copy_into(file, original, str(source))
    name = folder.resolve().name  # "." has none
    with atomic_file(folder / CARD_FILE) as file:
        file.write(model_card(presets.presets().get(os.fspath(model)), name, licence=licence).encode())
    return folder


def model_card(preset: Preset | None, name: str, *, licence: str | None = None) -> str:
    """The card of a model: metadata as YAML, then words, which whoever shares it completes.

    Args:
        preset: What the registry knows of it; None if it is no preset.
        name: Of the model, where it is no preset.
        licence: As for `save_folder`.
    """
    licence = licence or (preset.licence.lower() if preset is not None else None)
    facts = {
        "license": licence,
        "library_name": "rotnet",
        "pipeline_tag": "image-classification",
        "tags": list(TAGS),
    }
    # each line of JSON is YAML as well
    metadata = "\n".join(f"{key}: {json.dumps(value)}" for key, value in facts.items() if value)
    known = "What it was taught with, how good it is and on which pictures: to be told."
    if preset is not None and {"mean", "median", "protocol"} <= preset.errors.keys():
        errors = preset.errors
        known = (
            f"Taught with {preset.training_data}. Mean error {errors['mean']}°, median {errors['median']}° "
            f"({errors['protocol']})."
        )
    title = preset.name if preset is not None else name
    kind = re.split("[,;]", preset.description)[0] if preset is not None else "pictures"
    return f"""---
{metadata}
---

# {title}

Tells by how many degrees {kind} are turned. It answers with 360 probabilities, one for each degree
counter-clockwise that an upright picture has been turned by; decoder, calibration and thresholds stand in the metadata
of `{MODEL_FILE}`.

{known}

## Use it

```python
import rotnet

answer = rotnet.Predictor("path/to/this/folder").predict("crooked.jpg")
print(answer.angle, answer.confidence)
```

or `rotnet correct photos/ -o straight/ --model path/to/this/folder`. Made by rotnet {__version__}.
"""
