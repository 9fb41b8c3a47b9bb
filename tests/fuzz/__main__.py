"""Feed damaged and hostile input to all that reads it: `python -m tests.fuzz --minutes 5`.

A worker process makes each input of a target and a seed, which tell it again, and gives it to what reads such input. It
must answer, or raise an error of `rotnet.errors`, within ten seconds of processor time and a gigabyte, and leave the
files beside its own alone. What does not is told and, with `--keep`, added to `seeds.txt`, with which every run begins.

    python -m tests.fuzz --minutes 5 --targets picture model
    python -m tests.fuzz --again picture:5f3a
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import secrets
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from fuzz.inputs import TARGETS  # noqa: E402

KEPT = HERE / "seeds.txt"
SECONDS = 10.0  # of processor time, for one input
PATIENCE = 90.0  # seconds until a worker is given up, whatever else the machine does
MEMORY = 1_000_000_000  # bytes, for one input
HARD = 2 * MEMORY  # at which a worker's allocations fail


def work() -> None:
    """Take `target:seed` lines from standard input, and answer each with a line: nothing, or what is wrong."""
    import resource

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # decoders print
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    import cv2  # noqa: F401 - before memory is counted
    import onnxruntime  # noqa: F401

    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() if _has_proc() else 0
    if size:
        resource.setrlimit(resource.RLIMIT_AS, (size + HARD, resource.getrlimit(resource.RLIMIT_AS)[1]))
    for line in sys.stdin:
        answers.write(f"{run_one(line.strip()) or ''}\n")
        answers.flush()


def run_one(name: str) -> str | None:
    """What is wrong with how one input is taken, if anything is."""
    target, _, seed = name.partition(":")
    with tempfile.TemporaryDirectory(dir=os.environ["FUZZ_FOLDER"]) as folder:
        victim, own = Path(folder, "victim.txt"), Path(folder, "own")
        victim.write_text("precious")
        own.mkdir()
        os.chdir(own)
        before, started = _peak(reset=True), time.process_time()
        try:
            TARGETS[target](random.Random(name))
        except Exception as error:
            return " ".join(f"{type(error).__name__}: {error}".split())[:500]
        finally:
            took, grown = time.process_time() - started, _peak() - before
            os.chdir(os.environ["FUZZ_FOLDER"])
        if (
            not victim.exists()
            or victim.read_text() != "precious"
            or sorted(os.listdir(folder)) != ["own", "victim.txt"]
        ):
            return "a file that is not ours was touched"
    if took > SECONDS:
        return f"it took {took:.1f} seconds"
    return f"it took {grown / 1e6:.0f} MB" if grown > MEMORY else None


def _has_proc() -> bool:
    return os.path.exists("/proc/self/clear_refs")


def _peak(*, reset: bool = False) -> int:
    """Bytes of memory that this process has had at the most since the last reset; 0 where that is not told."""
    if not _has_proc():
        return 0
    if reset:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024


class Worker:
    """A process that takes one input after the other, begun anew when one ends it."""

    def __init__(self, folder: str) -> None:
        self._folder, self._process = folder, None

    def take(self, name: str) -> str | None:
        """What is wrong with how an input is taken, if anything is."""
        if self._process is None:
            root = str(HERE.parents[1])
            path = os.pathsep.join((root, os.environ.get("PYTHONPATH", "")))
            environment = {**os.environ, "FUZZ_FOLDER": self._folder, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
            command = [sys.executable, "-W", "ignore", __file__, "--work"]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self._process = subprocess.Popen(command, **pipes, cwd=self._folder, env=environment, text=True)
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        ready = select.select([self._process.stdout], [], [], PATIENCE)[0]
        answer = self._process.stdout.readline() if ready else None
        if answer:
            return answer.strip() or None
        status = self.end()
        return f"the worker died with status {status}" if answer == "" else f"it hung for {PATIENCE:.0f} seconds"

    def end(self) -> int | None:
        """Let the process go, and return its status."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.stdin.close()
        try:
            return process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
        finally:
            process.stdout.close()


def main(arguments: list[str] | None = None) -> int:
    """Run the inputs that were kept, then new ones until the time is up; the exit status is 1 if any was taken ill."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--seed", default=None, help="of this run; default: one of chance")
    parser.add_argument("--again", nargs="+", metavar="TARGET:SEED", help="only these inputs")
    parser.add_argument("--keep", action="store_true", help=f"add what fails to {KEPT.name}")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.work:
        work()
        return 0
    run = options.seed or secrets.token_hex(4)
    until, counts, failures = time.monotonic() + 60 * options.minutes, Counter(), []

    def names():
        kept = [line for line in KEPT.read_text().split() if line.partition(":")[0] in options.targets]
        yield from options.again or kept
        number = 0
        while not options.again and time.monotonic() < until:
            yield f"{options.targets[number % len(options.targets)]}:{run}-{number}"
            number += 1

    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(folder)
        try:
            for name in names():
                counts[name.partition(":")[0]] += 1
                if problem := worker.take(name):
                    failures.append(name)
                    print(f"{name}  {problem}", flush=True)
        finally:
            worker.end()
    if options.keep and failures:
        KEPT.write_text("".join(f"{name}\n" for name in dict.fromkeys([*KEPT.read_text().split(), *failures])))
    taken = ", ".join(f"{count} of {target}" for target, count in counts.items())
    print(f"{sum(counts.values())} inputs ({taken}), {len(failures)} taken ill; --seed {run}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
