"""Which run is which: the same are told by their options, and a plan names its own without telling of paths or model.

`5f0a1b2c3d4e5f60-0123456789ab` is the name of the run's journal, and a digest of its options. Whoever goes by a plan
knows the options by that digest alone, and of the options themselves how pictures are turned.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rotnet.files.options import Turning
from rotnet.files.state import state_folder

_RUN = re.compile(r"[0-9a-f]{16}-[0-9a-f]{12}")
_DIGEST = "run"  # the option that stands for those that are not known


def run_of(journal: Path, options: Mapping[str, Any]) -> str:
    """What a plan says of the run that it is of.

    Args:
        journal: From `journal_path`.
        options: Those of the run.
    """
    return f"{journal.stem}-{_digest(options)}"


def is_run(value: Any) -> bool:
    """Whether this may be of `run_of`, and so become the name of a file."""
    return isinstance(value, str) and _RUN.fullmatch(value) is not None


def journal_of(run: str) -> Path:
    """Where the journal of a run lies that a plan names."""
    return state_folder() / f"{run.partition('-')[0]}.jsonl"


def options_of(run: str, how: Turning) -> dict[str, Any]:
    """The options of a run, as far as its plan tells them."""
    return {_DIGEST: run.partition("-")[2], **vars(how)}


def are_same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a run has the same options as an old one, also where those of either are known by their digest."""
    new = as_json(new)
    if (_DIGEST in old) == (_DIGEST in new):
        return old == new
    part, whole = (old, new) if _DIGEST in old else (new, old)
    told = {name: value for name, value in part.items() if name != _DIGEST}
    return part[_DIGEST] == _digest(whole) and told.items() <= whole.items()


def best_known(old: Mapping[str, Any], new: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options of two runs that are the same, from the one that tells more of them."""
    return old if old and _DIGEST in new else new


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What differs between the options of two runs, in words."""
    new = as_json(new)
    keys = [key for key in (*old, *new) if old.get(key) != new.get(key)]
    if _DIGEST in old or _DIGEST in new:
        keys = [key for key in keys if key in old and key in new and key != _DIGEST]
        if not keys:
            return "its model, or what was asked of it"
    return f"{keys[0]} was {old.get(keys[0])!r}, now it is {new.get(keys[0])!r}"


def as_json(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they come back from a journal."""
    return dict(json.loads(json.dumps(options)))


def _digest(options: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(as_json(options), sort_keys=True).encode()).hexdigest()[:12]
