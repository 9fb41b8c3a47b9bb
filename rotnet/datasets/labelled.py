"""Pictures that somebody has sorted: one folder a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rotnet.datasets.photos import read_manifest
from rotnet.errors import UsageError
from rotnet.images.finding import find_images

# what `rotnet.evaluation.classification_report` and the report of a training have beside the classes
TAKEN = frozenset(
    ("accuracy", "micro avg", "macro avg", "weighted avg", "confusion", "auc", "network", "parameters", "guessing")
)


@dataclass(frozen=True)
class Labelled:
    """Pictures with their classes.

    Attributes:
        images: Paths, or arrays as `rotnet.read_image` takes them.
        labels: `(N,)` integers, positions in `classes`.
        classes: Names.
    """

    images: Sequence[Any]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, chosen: NDArray[np.int64]) -> Labelled:
        """The pictures at these positions."""
        return Labelled([self.images[i] for i in chosen], self.labels[chosen], self.classes)


def load_class_folders(folder: str | Path) -> Labelled:
    """List the pictures of a folder that has a sub-folder for each class.

    Args:
        folder: Holds the class folders; their names are the classes, in order of the alphabet.

    Returns:
        Paths with their classes.

    Raises:
        UsageError: There are fewer than two class folders, one holds no picture, or one has a name that stands for
            something else in a classification report.
    """
    folder = Path(folder)
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    names = [name for name in names if not name.startswith(".")]
    found = [sorted(find_images([folder / name])) for name in names]
    if len(names) < 2 or not all(found):
        counts = ", ".join(f"{name} ({len(paths)})" for name, paths in zip(names, found, strict=True)) or "none"
        raise UsageError(f"{folder} must hold a folder of pictures for each of two or more classes. Found: {counts}.")
    if taken := sorted(TAKEN & set(names)):
        raise UsageError(f"{folder / taken[0]} must have another name: reports call a figure {taken[0]!r}.")
    labels = np.repeat(np.arange(len(names)), [len(paths) for paths in found])
    return Labelled([path for paths in found for path in paths], labels, tuple(names))


def split_class_folders(
    folder: str | Path, shares: Sequence[float] = (0.7, 0.2, 0.1), *, seed: int = 0
) -> tuple[Labelled, ...]:
    """Divide the pictures of a folder that has a sub-folder for each class.

    A `manifest.csv` in the folder (columns `path` and `split`), such as `rotnet.datasets.prepare.prepare` writes, says
    which picture is `train`, `val` or `test`, so that near-duplicates stay on one side; pictures that it does not name
    are left out. Without one, each class is divided at random.

    Args:
        folder: As for `load_class_folders`.
        shares, seed: As for `split_labelled`, where the folder does not say. Three shares ask for train, val and test,
            two for train and val.

    Returns:
        A part for each share.

    Raises:
        UsageError: The folder holds too little, a class has nothing to learn from, or a part is empty.
    """
    data, sides = load_class_folders(folder), read_manifest(Path(folder))
    if sides is None:
        return split_labelled(data, shares, seed=seed)
    names = ("train", "val", "test")[: len(shares)]
    chosen = np.array([sides.get(path, "") for path in data.images])
    parts = tuple(data.take(np.flatnonzero(chosen == name)) for name in names)
    untaught = [name for label, name in enumerate(data.classes) if label not in parts[0].labels]
    if untaught or not all(map(len, parts)):
        found = ", ".join(f"{name} ({len(part)})" for name, part in zip(names, parts, strict=True))
        none = f"; none to learn from of {', '.join(untaught)}" if untaught else ""
        raise UsageError(
            f"The manifest.csv of {folder} must have pictures in each part, and of each class in train. "
            f"Found: {found}{none}. Prepare the folder with larger shares, or remove the file to divide at random."
        )
    return parts


def split_labelled(data: Labelled, shares: Sequence[float] = (0.7, 0.2, 0.1), *, seed: int = 0) -> tuple[Labelled, ...]:
    """Divide pictures at random, each class alike.

    Args:
        data: Pictures with their classes.
        shares: Of the parts, they add up to 1.
        seed: Of the order.

    Returns:
        A part for each share. Each part has at least one picture of each class.

    Raises:
        UsageError: The shares do not add up, or a class has fewer pictures than there are parts.

    Example:
        >>> data = Labelled(list("abcdefghij" * 2), np.repeat([0, 1], 10), ("left", "right"))
        >>> [len(part) for part in split_labelled(data)]
        [14, 4, 2]
    """
    if not np.isclose(sum(shares), 1.0) or min(shares) <= 0:
        raise UsageError(f"shares must be positive and add up to 1. Received: {tuple(shares)}.")
    rng = np.random.default_rng(seed)
    parts: list[list[NDArray[np.int64]]] = [[] for _ in shares]
    for label, name in enumerate(data.classes):
        members = rng.permutation(np.flatnonzero(data.labels == label))
        if len(members) < len(shares):
            raise UsageError(f"class {name} must have at least {len(shares)} pictures. Found: {len(members)}.")
        cuts = np.rint(np.cumsum(shares)[:-1] * len(members)).astype(int)
        least = np.arange(1, len(shares))  # no part stays empty
        cuts = np.maximum.accumulate(np.clip(cuts - least, 0, len(members) - len(shares))) + least
        for part, positions in zip(parts, np.split(members, cuts), strict=True):
            part.append(positions)
    return tuple(data.take(np.sort(np.concatenate(part))) for part in parts)
