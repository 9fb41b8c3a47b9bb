"""Several requests at once to `rotnet serve`, sent by ApacheBench (`ab` of apache2-utils)."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.answering import ROTNET
from benchmarks.pictures import street_views
from benchmarks.timing import Table, row

AT_ONCE = (1, 2, 4, 8, 16)
NOTE = "a picture of 1281x1025 to /predict, answered by `photo`; needs an idle machine"


def tables(*, tiny: bool) -> Iterator[Table]:
    """All that is measured here."""
    if shutil.which("ab") is None:
        print("ab is not installed, and requests are left out", flush=True)
        return
    numbers, requests, rounds = ((1, 2), 4, 1) if tiny else (AT_ONCE, 100, 3)
    with tempfile.TemporaryDirectory() as name, _serving() as address:
        (picture,) = street_views(Path(name), 1)
        found = {
            number: [_load(f"{address}/predict", picture, number, requests) for _ in range(rounds + 1)][1:]
            for number in numbers
        }
    for which, (title, unit) in enumerate({"answered": "pictures/s", "median": "s", "99 of 100 within": "s"}.items()):
        rows = tuple(row(f"{number} at once", [one[which] for one in many]) for number, many in found.items())
        yield Table(f"Requests to rotnet serve, {title}", unit, rows, (NOTE,))


@contextmanager
def _serving() -> Iterator[str]:
    with subprocess.Popen([*ROTNET, "serve", "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = process.stdout.readline()
            address = re.search(r"http://\S+", told)
            if address is None:
                raise RuntimeError(f"rotnet serve told no address: {told}")
            yield address[0]
        finally:
            process.send_signal(signal.SIGINT)


def _load(address: str, picture: Path, at_once: int, requests: int) -> tuple[float, float, float]:
    """Requests a second, and seconds of the clock within which half of them and 99 % of them were answered."""
    load = ["ab", "-q", "-c", str(at_once), "-n", str(requests)]
    command = [*load, "-p", str(picture), "-T", "application/octet-stream", address]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if not re.search(r"Failed requests: +0\n", answer) or "Non-2xx" in answer:
        raise RuntimeError(f"requests failed: {answer}")
    rate, half, most = (
        float(found[1])
        for line in (r"Requests per second: +([\d.]+)", r"\n +50% +(\d+)", r"\n +99% +(\d+)")
        if (found := re.search(line, answer))
    )
    return rate, half / 1000, most / 1000
