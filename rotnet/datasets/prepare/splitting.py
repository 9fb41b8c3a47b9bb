"""Which picture is for learning and which for measuring: by group, so that no two views of one thing fall apart."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from rotnet.errors import UsageError


def group_of(path: str, pattern: str | None) -> str:
    """What a picture belongs to, by its name.

    Args:
        path: Relative to the folder of the data set, with slashes.
        pattern: Regular expression that is searched for in the path; its first group, or all of it, names what the
            picture belongs to, and a path without it stands for itself. None takes the folder.

    Raises:
        UsageError: The pattern is not a regular expression.

    Example:
        >>> group_of("rome/017_2.jpg", None), group_of("rome/017_2.jpg", r"(\\d+)_")
        ('rome', '017')
    """
    if pattern is None:
        return PurePosixPath(path).parent.as_posix()
    try:
        found = re.search(pattern, path)
    except re.error as error:
        raise UsageError(f"pattern must be a regular expression. Received: {pattern!r}: {error}.") from error
    return path if found is None else next((part for part in found.groups() if part is not None), found[0])


def assign_splits(groups: Sequence[str], *, val_share: float, test_share: float, seed: int = 0) -> list[str]:
    """Divide pictures, each group as a whole.

    Args:
        groups: The group of each picture.
        val_share, test_share: Shares of the pictures to measure on, met as closely as the groups allow.
        seed: Of the order in which groups are taken.

    Returns:
        `"train"`, `"val"` or `"test"` for each picture.

    Raises:
        UsageError: The shares leave nothing to learn from.

    Example:
        >>> assign_splits(["a", "a", "b", "c"], val_share=0.25, test_share=0.25)
        ['train', 'train', 'test', 'val']
    """
    if not (0 <= val_share < 1 and 0 <= test_share < 1 and val_share + test_share < 1):
        raise UsageError(
            "val_share and test_share must be at least 0 and together below 1. "
            f"Received: val_share={val_share}, test_share={test_share}."
        )
    sizes = Counter(groups)
    # by a hash of the name, not by a shuffle: another picture does not change the order of those that were there
    waiting = sorted(sizes, key=lambda group: hashlib.sha256(f"{seed}/{group}".encode("utf-8", "replace")).digest())
    side = dict.fromkeys(waiting, "train")
    for name, share, others in (("val", val_share, 1 + (test_share > 0)), ("test", test_share, 1)):
        for group in _some(waiting, sizes, share * len(groups), others):
            side[group] = name
            waiting.remove(group)
    return [side[group] for group in groups]


def _some(waiting: Sequence[str], sizes: Counter[str], wanted: float, others: int) -> list[str]:
    """Groups, in order, that hold about as many pictures as wanted: at least one, and one left for each other."""
    taken: list[str] = []
    if wanted <= 0 or len(waiting) < 2:
        return taken
    total = 0
    for group in waiting:
        if total + sizes[group] <= max(wanted, 1) and len(taken) < max(1, len(waiting) - others):
            taken.append(group)
            total += sizes[group]
    return taken or [min(waiting, key=lambda group: sizes[group])]
