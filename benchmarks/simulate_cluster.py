"""Simulate shards on many workers: how long a job takes with slow machines and killed workers.

    python -m benchmarks.simulate_cluster                # 1 to 1,000 workers, at a speed that is measured first
    python -m benchmarks.simulate_cluster --speed 30     # at so many pictures a second and worker

The speed is in seconds of the processor, so that other load on the machine hardly matters. Needs `pip install simpy`.
It is a model: its workers share no disk and no network. What each may take of these is in docs/scale.md.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORKERS = (1, 2, 10, 100, 1000)


@dataclass(frozen=True)
class Cluster:
    """What is simulated.

    Attributes:
        workers: How many there are.
        speed: Pictures a second of a usual worker.
        start: Seconds until a worker that is begun, or begun anew, has loaded the model.
        slow: Share of the workers that are stragglers.
        slowness: How many times as long these take.
        life: Hours that a worker lives on average before it is killed; None is for ever.
    """

    workers: int
    speed: float
    start: float = 10.0
    slow: float = 0.0
    slowness: float = 3.0
    life: float | None = None


@dataclass
class Outcome:
    """What became of a job: seconds until all was done, kills, and the pictures that were predicted in vain."""

    seconds: float = 0.0
    kills: int = 0
    lost: float = 0.0
    done: int = 0


def simulate(pictures: int, shards: int, cluster: Cluster, seed: int = 0) -> Outcome:
    """Run a job until every shard has its table.

    Args:
        pictures: In the job, divided evenly.
        shards: What a worker takes at a time, and all that a kill costs.
        cluster: Its workers.
        seed: Of stragglers and kills.

    Returns:
        The outcome.
    """
    import simpy

    world, rng, outcome = simpy.Environment(), random.Random(seed), Outcome()
    size, waiting, finished = pictures / shards, [shards], world.event()

    def worker(pace: float) -> Iterator[Any]:
        yield world.timeout(cluster.start)
        dies = _death(world.now, cluster, rng)
        while waiting[0]:
            waiting[0] -= 1
            needed = size * pace / cluster.speed
            while world.now + needed > dies:  # the shard is begun anew, by this worker's successor
                left = max(0.0, dies - world.now)
                outcome.kills += 1
                outcome.lost += left * cluster.speed / pace
                yield world.timeout(left + cluster.start)
                dies = _death(world.now, cluster, rng)
            yield world.timeout(needed)
            outcome.done += 1
        if outcome.done == shards and not finished.triggered:
            outcome.seconds = world.now
            finished.succeed()

    slow = round(cluster.slow * cluster.workers)
    for number in range(cluster.workers):
        world.process(worker(cluster.slowness if number < slow else 1.0))
    world.run(finished)
    return outcome


def _death(now: float, cluster: Cluster, rng: random.Random) -> float:
    return float("inf") if cluster.life is None else now + rng.expovariate(1 / (3600 * cluster.life))


def measured(number: int = 24) -> float:
    """Pictures a second of one processor core: JPEG files of 1281x1025, read and predicted."""
    from benchmarks.pictures import street_views
    from rotnet.engines.batch import BatchPredictor

    predict = BatchPredictor("photo", threads=1)
    with tempfile.TemporaryDirectory() as folder:
        paths = list(street_views(Path(folder), number))
        predict(paths[:4])  # what is loaded once
        began = time.process_time()
        predict(paths)
        return len(paths) / (time.process_time() - began)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser("simulate_cluster", description=__doc__.splitlines()[0])
    parser.add_argument("--speed", type=float, help="pictures a second and worker; default: measured on a core")
    parser.add_argument("--pictures", type=int, default=100_000_000)
    parser.add_argument("--shard", type=int, default=10_000, help="pictures a shard")
    options = parser.parse_args()
    speed = options.speed or measured()
    shards = max(1, options.pictures // options.shard)
    print(f"{options.pictures:,} pictures in {shards:,} shards, {speed:.1f} pictures a second and worker; hours")
    print(
        f"{'workers':>8} {'ideal':>10} {'all alike':>10} {'stragglers':>10} {'and kills':>10} {'kills':>8} {'lost':>7}"
    )
    for workers in WORKERS:
        plain = simulate(options.pictures, shards, Cluster(workers, speed))
        slow = simulate(options.pictures, shards, Cluster(workers, speed, slow=0.05))
        killed = simulate(options.pictures, shards, Cluster(workers, speed, slow=0.05, life=24.0))
        hours = (options.pictures / speed / workers, plain.seconds, slow.seconds, killed.seconds)
        told = " ".join(f"{seconds / 3600:>10,.2f}" for seconds in hours)
        print(f"{workers:>8,} {told} {killed.kills:>8,} {killed.lost / options.pictures:>7.2%}")


if __name__ == "__main__":
    main()
