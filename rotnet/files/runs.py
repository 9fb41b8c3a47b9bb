"""Which runs are the same, told by their options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def as_json(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they come back from a journal."""
    return dict(json.loads(json.dumps(options)))


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What differs between the options of two runs, in words."""
    key = next(key for key in (*old, *new) if old.get(key) != new.get(key))
    return f"{key} was {old.get(key)!r}, now it is {new.get(key)!r}"
