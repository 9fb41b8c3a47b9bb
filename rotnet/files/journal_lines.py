"""What stands in the lines of a journal: whatever no run writes is a `TypeError`, `ValueError` or `KeyError`."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any


def checked(value: Any, kind: type) -> Any:
    """The value itself, if it is of the kind."""
    if not isinstance(value, kind):
        raise TypeError
    return value


def checked_path(value: Any) -> Path:
    """A path that a file can have."""
    if b"\0" in os.fsencode(checked(value, str)):
        raise ValueError
    return Path(value)


def checked_outcome(outcome: Any) -> dict[str, Any]:
    """What a run records of a picture: words, and numbers for angle, confidence and loss."""
    for name, value in checked(outcome, dict).items():
        if name in ("angle", "confidence", "lost"):
            if not isinstance(value, (int, float)) or not math.isfinite(value):
                raise ValueError
        else:
            checked(value, str)
    checked(outcome["action"], str)
    return dict(outcome)


def checked_stamp(value: Any) -> list[int] | None:
    """What `rotnet.images.finding.stamp` tells, or nothing."""
    if value is not None and (len(checked(value, list)) != 3 or not all(isinstance(one, int) for one in value)):
        raise TypeError
    return value
