"""Tables of many pictures: a worker beside the plain command, two workers, and what a local Ray costs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from benchmarks.answering import ROTNET
from benchmarks.pictures import street_views
from benchmarks.timing import Table, rates, row

SIZE = (512, 384)  # as many services keep a preview of a picture
LEAST = 1.0  # MB: what others keep in shared memory comes and goes as well
SHARED = Path("/dev/shm")  # where Ray keeps its objects
NOTE = "each worker has one core; seconds of the clock, with all that starts; needs an idle machine"


def tables(*, tiny: bool) -> Iterator[Table]:
    """All that is measured here; workers are kept to their core as Linux does it."""
    if sys.platform != "linux" or (os.cpu_count() or 1) < 2:
        print("workers are measured on Linux, with two cores at least", flush=True)
        return
    if find_spec("pyarrow") is None:
        print("pyarrow is not installed, and workers are left out", flush=True)
        return
    pictures, files = (4, (2, 4)) if tiny else (2000, (2_000, 50_000))
    with tempfile.TemporaryDirectory() as name:
        yield _workers(_linked(Path(name, "pictures"), pictures, SIZE), pictures, 1)
        if find_spec("ray") is None:
            print("ray is not installed and left out", flush=True)
            return
        yield _object_store({number: _linked(Path(name, f"{number}"), number, (64, 64)) for number in files})


def _workers(folder: Path, pictures: int, rounds: int) -> Table:
    predict = [*ROTNET, "predict", str(folder)]

    def all_at_once(*commands: list[str]) -> Callable[[], None]:
        def work() -> None:
            with tempfile.TemporaryDirectory() as out:
                started = [
                    subprocess.Popen([*_on_core(core), *predict, *command, "-o", out], stdout=subprocess.DEVNULL)
                    for core, command in enumerate(commands)
                ]
                if any([process.wait() for process in started]):
                    raise RuntimeError("a worker failed")

        return work

    ways = {
        "rotnet predict, one core": lambda: _quiet([*_on_core(0), *predict]),
        "rotnet, one worker": all_at_once(["--shard", "1/1"]),
        "rotnet, two workers": all_at_once(["--shard", "1/2"], ["--shard", "2/2"]),
    }
    rows = rates(ways, pictures, rounds=rounds, clock=time.perf_counter)
    return Table(f"Tables of {pictures:,} pictures", "pictures/s", rows, (NOTE,))


def _on_core(core: int) -> list[str]:
    return ["taskset", "--cpu-list", str(core)]


def _object_store(folders: dict[int, Path]) -> Table:
    rows = tuple(row(f"{number:,} files", [_most_shared(folder)]) for number, folder in folders.items())
    notes = ("64x64 JPEG files, the model mnist", f"less than {LEAST:g} MB is told as {LEAST:g}")
    return Table("Ray's object store, rotnet predict --engine ray", "MB", rows, notes)


def _most_shared(folder: Path) -> float:
    """The most shared memory, MB, that is taken while a local Ray predicts what is in a folder."""
    before, most, done = _shared(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.2):
            most = max(most, _shared() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        with tempfile.TemporaryDirectory() as out:
            _quiet([*ROTNET, "predict", str(folder), "--model", "mnist", "--engine", "ray", "-o", out])
    finally:
        done.set()
        watcher.join()
    return max(most, LEAST)


def _shared() -> float:
    found = os.statvfs(SHARED)
    return (found.f_blocks - found.f_bfree) * found.f_frsize / 2**20


def _linked(folder: Path, number: int, size: tuple[int, int]) -> Path:
    """A folder of so many pictures, which are one file."""
    (picture,) = street_views(folder.with_name(f"{folder.name}-original"), 1, size=size)
    folder.mkdir()
    for index in range(number):
        os.link(picture, folder / f"{index:05}.jpg")
    return folder


def _quiet(command: list[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
