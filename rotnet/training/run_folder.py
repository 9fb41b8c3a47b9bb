"""The folder of a run: which one may be written to, and how it is known again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal, TypeAlias

from rotnet.errors import UsageError
from rotnet.images.writing import atomic_file, make_folder

Kind: TypeAlias = Literal["photos", "mnist", "classifier", "upright"]
MARK = "run.json"  # says of which kind a run is


def check_run_folder(output: Path, kind: Kind, *, pictures: str | Path | None = None) -> None:
    """Refuse a folder in which a run would write over, or lie among, what is not its own; nothing is written.

    Args:
        output: Need not exist; empty, or of an earlier run of this kind, which is gone on from.
        kind: What is taught.
        pictures: The folder that is learned from; the pictures that a run draws must not come to lie among these.

    Raises:
        UsageError: The folder is of no use, as said above.
    """
    if pictures is not None and _real(output).is_relative_to(_real(pictures)):
        raise UsageError(f"The run in {output} would lie among the pictures in {pictures}: choose another OUT.")
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not output.is_dir():
        raise UsageError(f"{output} is a file, and a run takes a folder: choose another OUT.")
    found = _kind_of(output)
    if found is None:
        raise UsageError(f"{output} holds other files: choose a folder that is new, empty or of an earlier run.")
    if found != kind:
        raise UsageError(f"{output} holds a run of another kind ({found}): choose another folder, or remove that one.")


def mark_run(output: Path, kind: Kind) -> None:
    """Make the folder of a run, and have it known again, whenever the run may be stopped."""
    make_folder(output)
    with atomic_file(output / MARK) as file:
        file.write((json.dumps({"kind": kind}) + "\n").encode())


def _kind_of(output: Path) -> str | None:
    """What its mark says of a folder; None without one that a run has left."""
    try:
        mark = json.loads((output / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    kind = mark.get("kind") if isinstance(mark, dict) else None
    return kind if isinstance(kind, str) else None


def _real(path: str | Path) -> Path:
    return Path(os.path.realpath(path))
