"""Shards on a Ray cluster: Ray says which worker does which, and begins anew what a worker that died has left.

What travels through Ray are paths and counts. Each worker reads its pictures itself, by the threads of its
`BatchPredictor`, and puts the table of its shard in place: no picture lies in Ray's object store. Ray is loaded when it
is needed, and sends no statistics.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rotnet.engines.batch import BatchPredictor
from rotnet.engines.inputs import find_sources, is_tar, order_of
from rotnet.engines.shards import Job, Shard, predict_shard, retry_shard
from rotnet.engines.tables import read_rows
from rotnet.errors import RotNetError, require
from rotnet.images.reading import StrPath

__all__ = ["actors_for", "predict_on_ray"]

SHARD = 1000  # pictures, more or less, that a worker that dies costs


def actors_for(processors: int) -> int:
    """How many workers a cluster gets: one processor is left to whatever else Ray runs.

    Where workers hold all processors, tasks that feed them wait for one for ever.

    Example:
        >>> actors_for(1), actors_for(2), actors_for(16)
        (1, 1, 15)
    """
    return max(1, processors - 1)


def predict_on_ray(
    job: Job,
    inputs: Iterable[StrPath],
    predict: BatchPredictor,
    *,
    address: str | None = None,
    retry_failed: bool = False,
    told: Callable[[Shard, Counter[str]], object] = lambda shard, counts: None,
) -> Counter[str]:
    """Predict the shards of a job that are not done.

    Args:
        job: Whose tables are to be made, in a folder that all machines share.
        inputs: As for `find_sources`; all machines must see them under the same names.
        predict: The model.
        address: Of a cluster, or `"auto"`; None starts a local one, which ends with this, unless Ray runs already.
        retry_failed: Look anew at what failed in the shards that are done, as well.
        told: Called with each shard, as it is done, and its pictures by action.

    Returns:
        How many pictures there are of each action, and `"failed"`, in the shards that were not done before, or were
        looked through for what failed.

    Raises:
        MissingExtraError: Ray is not installed.
        RotNetError: No cluster can be reached, or a worker fails again and again.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine
    ray = require("ray", "ray", "--engine ray")
    require("ray.data", "ray", "--engine ray")
    missing = [shard for shard in job.shards if not job.is_done(shard)]
    sources = _by_shard(inputs, missing)
    asked = job.shards if retry_failed else missing
    counts: Counter[str] = Counter()
    if not asked:
        return counts
    is_ours = not ray.is_initialized()
    if is_ours:
        _start(ray, address)
    try:
        processors = int(ray.cluster_resources().get("CPU", 1))
        rows = [{"shard": shard.number, "sources": sources.get(shard.number, [])} for shard in asked]
        done = _dataset(ray, rows).map_batches(
            ShardWorker,
            fn_constructor_kwargs={"job": job, "predict": predict, "folder": os.getcwd(), "retry": retry_failed},
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=min(actors_for(processors), len(asked))),
            num_cpus=1,
        )
        for row in done.iter_rows():
            of_shard = Counter(dict(zip(row["actions"], row["counts"], strict=True)))
            counts += of_shard
            told(Shard(int(row["shard"]), len(job.shards)), of_shard)
        return counts
    except ray.exceptions.RayError as error:
        raise _failed(error) from error
    finally:
        if is_ours:
            ray.shutdown()


def _start(ray: Any, address: str | None) -> None:
    # a local cluster listens to this machine alone
    here: dict[str, Any] = {} if address else {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="error", **here)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise _failed(error) from error


def _failed(error: Exception) -> RotNetError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    remedy = "what is done stays: mend it and run the same command again, or --shard without Ray"
    return RotNetError(f"Ray has failed: {reason}; {remedy}")


class ShardWorker:
    """What a worker of Ray keeps: the model, loaded once."""

    def __init__(self, job: Job, predict: BatchPredictor, folder: str, retry: bool) -> None:
        if os.path.isdir(folder):  # where the paths of the command begin
            os.chdir(folder)
        self.job, self.predict, self.retry = job, predict, retry

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Put the table of a shard in place, unless a worker that died after all had done so."""
        shard = Shard(int(batch["shard"][0]), len(self.job.shards))
        if not self.job.is_done(shard):
            sources = [os.fsdecode(source) for source in batch["sources"][0]]
            counts = predict_shard(self.job, shard, sources, self.predict)
        elif self.retry:
            counts = retry_shard(self.job, shard, self.predict)
        else:
            counts = Counter(row["action"] or "failed" for row in read_rows(self.job.table(shard)))
        actions = sorted(counts) or ["failed"]  # a list that is empty has no type
        return {"shard": [shard.number], "actions": [actions], "counts": [[counts[name] for name in actions]]}


def shards_for(folder: StrPath, inputs: Iterable[StrPath]) -> int:
    """How many shards a job has: as it was begun, or one for a tar file or about every thousand pictures."""
    if os.path.lexists(Path(folder) / "manifest.json"):
        return len(Job.open(folder).shards)
    pictures = sum(SHARD if is_tar(source) else 1 for source in find_sources(inputs))
    return min(99_999, max(1, -(-pictures // SHARD)))


def _by_shard(inputs: Iterable[StrPath], missing: Iterable[Shard]) -> dict[int, list[bytes]]:
    """Names of the pictures and tar files of each shard, in the order of the rows of its table."""
    wanted: dict[int, set[bytes]] = {shard.number: set() for shard in missing}
    of = next((shard.of for shard in missing), 1)
    for source in find_sources(inputs) if wanted else ():
        number = Shard.number_of(source, of)
        if number in wanted:
            wanted[number].add(os.fsencode(source))
    return {number: sorted(names, key=lambda name: order_of(os.fsdecode(name))) for number, names in wanted.items()}


def _dataset(ray: Any, rows: list[dict[str, Any]]) -> Any:
    """A data set of one block a shard, quietly: a killed worker then costs one, and progress is told by the tables."""
    import logging

    import pyarrow as pa

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    schema = pa.schema([("shard", pa.int64()), ("sources", pa.list_(pa.binary()))])
    return ray.data.from_arrow([pa.Table.from_pylist([row], schema=schema) for row in rows])
