"""Parquet tables with one row a picture, written whole or not at all, and merged without holding them in memory.

| column | type | |
|---|---|---|
| `path` | text | the picture, as it was named; what is no UTF-8 of a name stands as `\\udc80` to `\\udcff` |
| `path_bytes` | binary | the name itself where it is not UTF-8, else null |
| `angle`, `confidence`, `action`, `reason`, `error` | | as in `rotnet.engines.batch`; null where not known |
| `width`, `height` | pixels | of `rotnet predict` only |
| `target`, `method` | text | of `rotnet correct` only, as in its report |
| `crop`, `lost` | | of `rotnet correct` and of a plan, as in the report |
| `target`, `target_bytes`, `sha256` | | of a plan only: where the successor goes, as `path`; digest of the input |

Rows are sorted by the bytes of the name. The metadata `rotnet` of a file is the manifest of its job, as JSON.
"""

from __future__ import annotations

import heapq
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from rotnet.errors import OutputError, UsageError, require
from rotnet.images.writing import atomic_file

__all__ = ["manifest_of", "merge_tables", "path_columns", "read_rows", "write_table"]

_TYPES = {
    "path": "string",
    "path_bytes": "binary",
    "angle": "double",
    "confidence": "double",
    "action": "string",
    "reason": "string",
    "error": "string",
    "width": "int32",
    "height": "int32",
    "target": "string",
    "target_bytes": "binary",
    "method": "string",
    "crop": "string",
    "lost": "double",
    "sha256": "string",
}
_COMMON = ("path", "path_bytes", "angle", "confidence", "action", "reason", "error")
COLUMNS = {
    "predict": (*_COMMON, "width", "height"),
    "correct": (*_COMMON, "target", "method", "crop", "lost"),
    "plan": (*_COMMON, "target", "target_bytes", "crop", "lost", "sha256"),
}
_GROUP = 16_384  # rows that are in memory, and in a row group
_OPEN = 100  # tables that are merged at once: systems allow a process as few as 256 open files


def parquet() -> Any:
    """The module `pyarrow.parquet`.

    Raises:
        MissingExtraError: PyArrow is not installed.
    """
    return require("pyarrow.parquet", "engines", "a Parquet table")


def path_columns(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The columns that name a picture.

    Example:
        >>> path_columns("a.jpg")
        {'path': 'a.jpg', 'path_bytes': None}
    """
    name = os.fspath(path)
    shown = _as_text(name)
    return {"path": shown, "path_bytes": None if shown == name else os.fsencode(name)}


def key(row: Mapping[str, Any]) -> bytes:
    """What rows are sorted by: the bytes of the picture's name."""
    name: bytes = row["path_bytes"] or row["path"].encode()
    return name


def write_table(path: Path, rows: Iterable[Mapping[str, Any]], manifest: Mapping[str, Any]) -> None:
    """Write a table that is in its place only when it is whole.

    Args:
        path: The file, replaced if it exists.
        rows: In the order of their keys; columns that a row lacks are null.
        manifest: Of the job, ready for JSON; its `job["task"]` says which columns there are.

    Raises:
        MissingExtraError: PyArrow is not installed.
        OutputError: The file cannot be written.
    """
    pq, pa = parquet(), require("pyarrow", "engines", "a Parquet table")
    names = COLUMNS[manifest["job"]["task"]]
    fields = [(name, pa.type_for_alias(_TYPES[name])) for name in names]
    schema = pa.schema(fields, metadata={"rotnet": json.dumps(manifest)})
    remaining = iter(rows)
    with atomic_file(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        while group := list(islice(remaining, _GROUP)):
            columns = {name: [_as_text(row.get(name)) for row in group] for name in names}
            writer.write_table(pa.table(columns, schema=schema))


def manifest_of(path: Path) -> dict[str, Any]:
    """The manifest in the metadata of a table.

    Raises:
        UsageError: The file is not as rotnet writes it.
    """
    pq = parquet()
    try:
        found: dict[str, Any] = json.loads((pq.read_schema(path).metadata or {})[b"rotnet"])
        return found
    except (OSError, ValueError, KeyError) as error:  # PyArrow's own errors are such
        raise UsageError(f"{path} is no table that rotnet writes: move it, or choose another folder.") from error


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a table, some thousand in memory.

    Raises:
        OutputError: The file cannot be read.
    """
    pq = parquet()
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_GROUP // 16):
                yield from batch.to_pylist()
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be read: {error}; remove it and run its shard again") from error


def merge_tables(parts: Iterable[Path], path: Path, manifest: Mapping[str, Any]) -> int:
    """Merge sorted tables into one, however many there are.

    Args:
        parts: The tables. A hundred are open at once; more are merged in passes, by way of a folder beside `path` that
            needs as much room again.
        path: The merged table, replaced if it exists.
        manifest: Of their job.

    Returns:
        How many rows it has.

    Raises:
        OutputError: It cannot be written, or a part cannot be read.
    """
    parts = list(parts)
    if len(parts) <= _OPEN:
        return _merge_at_once(parts, path, manifest)
    try:
        passing = tempfile.TemporaryDirectory(prefix=".rotnet-", dir=path.parent)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}; choose another folder") from error
    with passing as folder:
        merged = []
        for first in range(0, len(parts), _OPEN):
            merged.append(Path(folder, f"{first}.parquet"))
            _merge_at_once(parts[first : first + _OPEN], merged[-1], manifest)
        return merge_tables(merged, path, manifest)


def _merge_at_once(parts: Iterable[Path], path: Path, manifest: Mapping[str, Any]) -> int:
    count = 0

    def counted(rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        nonlocal count
        for row in rows:
            count += 1
            yield row

    with ExitStack() as opened:
        sorted_rows = []
        for part in parts:
            rows = read_rows(part)
            opened.callback(rows.close)  # type: ignore[attr-defined]
            sorted_rows.append(rows)
        write_table(path, counted(heapq.merge(*sorted_rows, key=key)), manifest)
    return count


def _as_text(value: Any) -> Any:
    """A value that UTF-8 can hold: lone surrogates of a name, which it cannot, are spelt out."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
