"""One part of a large job on each of many machines, without a coordinator: which part it is, and whether it is done.

A folder belongs to one job. `manifest.json` in it says which; each shard leaves one table that is renamed into place
when it is whole. So a shard is done when its file is there, one that was killed is begun anew, and the others go on.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from rotnet import __version__
from rotnet.engines.batch import BatchPredictor
from rotnet.engines.inputs import IN_TAR, find_sources, is_tar, order_of, pictures_in, read_picture, source_of
from rotnet.engines.tables import key, manifest_of, merge_tables, parquet, path_columns, read_rows, write_table
from rotnet.errors import OutputError, UsageError
from rotnet.images.reading import StrPath
from rotnet.images.writing import atomic_file, make_folder, move_new
from rotnet.inference import presets

__all__ = ["Job", "Shard", "job_of", "merge", "predict_shard", "retry_shard", "shard_paths", "write_shard"]

MANIFEST = "manifest.json"
_SCHEMA = 1


@dataclass(frozen=True)
class Shard:
    """One of several parts of the pictures. A picture's path alone says in which part it is.

    Attributes:
        number: From 1.
        of: How many parts there are.

    Example:
        >>> [Shard(number, 3).has("a.jpg") for number in (1, 2, 3)]
        [False, True, False]
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of < 100_000:
            raise UsageError(f"A shard is written K/N, with K from 1 to N. Received: {self.number}/{self.of}.")

    def has(self, path: StrPath) -> bool:
        """Whether a picture of this path, as it is named, is in this part."""
        return self.number_of(path, self.of) == self.number

    @staticmethod
    def number_of(path: StrPath, of: int) -> int:
        """In which of so many parts a picture is, from 1."""
        name = os.fsencode(Path(path).as_posix())
        return int.from_bytes(hashlib.sha256(name).digest()[:8], "big") % of + 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class Job:
    """A folder of tables, and what they are of.

    Attributes:
        folder: The folder.
        manifest: `shards`, their number; `job`, what was asked; `fingerprint`, the SHA-256 of both.
    """

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def shards(self) -> list[Shard]:
        """All shards, in order."""
        return [Shard(number, self.manifest["shards"]) for number in range(1, self.manifest["shards"] + 1)]

    def table(self, shard: Shard) -> Path:
        """Where the table of a shard lies when it is done."""
        return self.folder / f"part-{shard.number:05d}-of-{shard.of:05d}.parquet"

    def is_done(self, shard: Shard) -> bool:
        """Whether the table of a shard is in its place.

        Raises:
            UsageError: Something else is.
        """
        table = self.table(shard)
        if not os.path.lexists(table):
            return False
        if manifest_of(table)["fingerprint"] != self.manifest["fingerprint"]:
            raise UsageError(f"{table} is of another job: move it, or choose another folder.")
        return True

    @classmethod
    def begin(cls, folder: StrPath, job: Mapping[str, Any], shards: int) -> Job:
        """Begin a job, or join one that was begun.

        Args:
            folder: Of the tables; made when needed.
            job: What was asked, see `job_of`.
            shards: How many parts there are.

        Raises:
            MissingExtraError: PyArrow is not installed.
            OutputError: The folder cannot be written.
            UsageError: The folder belongs to another job.
        """
        parquet()  # or nothing would be written after all
        place = Path(folder)
        make_folder(place)
        asked = json.loads(json.dumps({"shards": shards, "job": job}))
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        manifest = {"schema": _SCHEMA, "fingerprint": digest, **asked}
        if not os.path.lexists(place / MANIFEST):
            # several machines may begin at once: the first one stands, and the others join it
            try:
                with atomic_file(place / MANIFEST, replace=move_new) as file:
                    file.write(json.dumps(manifest, indent=1).encode() + b"\n")
            except OutputError:
                if not os.path.lexists(place / MANIFEST):
                    raise
        begun = cls.open(place)
        if begun.manifest["fingerprint"] != digest:
            what = _difference(begun.manifest, manifest)
            raise UsageError(f"{folder} belongs to another job: {what}. Choose another folder, or ask for the same.")
        return begun

    @classmethod
    def open(cls, folder: StrPath) -> Job:
        """The job that a folder belongs to.

        Raises:
            UsageError: The job is not there.
        """
        try:
            manifest = json.loads((Path(folder) / MANIFEST).read_bytes())
            if manifest["schema"] != _SCHEMA:
                raise ValueError(f"schema {manifest['schema']}")
            Shard(1, manifest["shards"])
            return cls(Path(folder), {name: manifest[name] for name in ("schema", "fingerprint", "shards", "job")})
        except (OSError, ValueError, TypeError, KeyError) as error:
            problem = f"{folder} has no {MANIFEST} of this version of rotnet ({error})"
            raise UsageError(f"{problem}: name a folder of rotnet predict -o, or a new one.") from error


def job_of(task: str, inputs: Sequence[str], model: StrPath, **options: Any) -> dict[str, Any]:
    """What makes a job the same on every machine and after every interruption.

    Args:
        task: `"predict"`, `"correct"` or `"plan"`.
        inputs: Files and folders, as they were named.
        model: Name or path; the digest of its file counts, not what it is called.
        **options: All that the rows depend on, ready for JSON.
    """
    digest = presets.sha256(presets.find(model))
    return {"task": task, "version": __version__, "model": digest, "inputs": list(inputs), "options": options}


def shard_paths(inputs: Iterable[StrPath], shard: Shard) -> list[StrPath]:
    """The pictures and tar files of a shard, each once, in the order of the rows of its table."""
    return sorted({source for source in find_sources(inputs) if shard.has(source)}, key=order_of)


def predict_shard(job: Job, shard: Shard, sources: Iterable[StrPath], predict: BatchPredictor) -> Counter[str]:
    """Predict the pictures of a shard, and put its table in place.

    Args:
        job: Where it goes.
        shard: Which it is.
        sources: Its pictures and tar files, in the order of `shard_paths`.
        predict: The model.

    Returns:
        How many pictures there are of each action, and `"failed"`.

    Raises:
        OutputError: The table cannot be written.
    """
    return _put_in_place(job, shard, _rows(sources, predict))


def retry_shard(job: Job, shard: Shard, predict: BatchPredictor) -> Counter[str]:
    """As `predict_shard`, for those pictures of a shard that is done which failed; the other rows stay."""
    table = job.table(shard)
    failed = {os.fsdecode(key(row)) for row in read_rows(table) if row["error"] is not None}
    sources = sorted({source_of(name) for name in failed}, key=order_of)
    # a tar file that failed itself is read once more from its beginning
    rows = _rows(sources, predict, lambda name: name in failed or f"{source_of(name)}{IN_TAR}" in failed)
    again = {key(row): row for row in rows}
    stayed = (row for row in read_rows(table) if row["error"] is None and key(row) not in again)
    return _put_in_place(job, shard, heapq.merge(stayed, again.values(), key=key))


def _rows(
    sources: Iterable[StrPath], predict: BatchPredictor, wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[dict[str, Any]]:
    """The rows of pictures and tar files, sorted by name; those of one tar file are in memory."""
    for tar, some in groupby(sources, lambda source: source if is_tar(source) else None):
        rows = _answers(some, predict, wanted)
        yield from rows if tar is None else sorted({key(row): row for row in rows}.values(), key=key)


def _answers(
    sources: Iterable[StrPath], predict: BatchPredictor, wanted: Callable[[str], bool]
) -> Iterator[dict[str, Any]]:
    names: deque[StrPath] = deque()  # of pictures that are read already, and wait for their answers

    def pictures() -> Iterator[Any]:
        for source in sources:
            for name, picture in pictures_in(source, wanted):
                names.append(name)
                yield picture

    for row in predict.rows(pictures(), read=read_picture):
        yield {**path_columns(names.popleft()), **row}


def write_shard(job: Job, shard: Shard, rows: Iterable[Mapping[str, Any]]) -> None:
    """Put the table of a shard in place; the rows are sorted."""
    write_table(job.table(shard), sorted(rows, key=key), job.manifest)


def merge(folder: StrPath, path: StrPath) -> int:
    """Merge the tables of all shards into one.

    Args:
        folder: Of a job.
        path: The merged table; replaced if it is one of rotnet's.

    Returns:
        How many pictures it has.

    Raises:
        MissingExtraError: PyArrow is not installed.
        OutputError: The table cannot be written.
        UsageError: Shards are missing, or the target is something else.
    """
    job, target = Job.open(folder), Path(path)
    missing = [shard for shard in job.shards if not job.is_done(shard)]
    if missing:
        some = ", ".join(map(str, missing[:5])) + ", ..." * (len(missing) > 5)
        raise UsageError(f"{folder} lacks {len(missing)} of {len(job.shards)} shards: run --shard {some} first.")
    parts = [job.table(shard) for shard in job.shards]
    if os.path.lexists(target):
        if os.path.realpath(target) in map(os.path.realpath, parts):
            raise UsageError(f"{path} is one of the tables to merge: give the merged one another name.")
        manifest_of(target)
    return merge_tables(parts, target, job.manifest)


def _put_in_place(job: Job, shard: Shard, rows: Iterator[dict[str, Any]]) -> Counter[str]:
    counts: Counter[str] = Counter()

    def counted() -> Iterator[dict[str, Any]]:
        for row in rows:
            counts[row["action"] or "failed"] += 1
            yield row

    write_table(job.table(shard), counted(), job.manifest)
    return counts


def options_of(predict: BatchPredictor) -> dict[str, Any]:
    """What rows depend on, beside the model and the pictures."""
    return {**asdict(predict.options), "max_pixels": predict.max_pixels, "strict": predict.strict}


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    were, are = ({"shards": one["shards"], **one["job"], **one["job"]["options"]} for one in (old, new))
    names = [name for name in {**were, **are} if were.get(name) != are.get(name) and name != "options"]
    return ", ".join(f"{name} was {were.get(name)!r}, now it is {are.get(name)!r}" for name in names)
