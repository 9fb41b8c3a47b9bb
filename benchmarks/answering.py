"""Answering: in a running process beside others, and cold, from the command line."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.pictures import PHOTOS, street_views
from benchmarks.timing import Table, rates, row
from rotnet import Predictor, read_image
from rotnet.evaluation.rivals import RIVALS
from rotnet.inference.presets import find

ROTNET = [sys.executable, "-m", "rotnet"]


def tables(*, tiny: bool) -> Iterator[Table]:
    """All that is measured here."""
    number, rounds = (1, 1) if tiny else (12, 5)
    with tempfile.TemporaryDirectory() as folder:
        paths = [*street_views(Path(folder), number), *sorted(PHOTOS.glob("*.jpg"))]
        yield _files(paths[: 2 if tiny else None], rounds)
    yield _network(2 if tiny else 32, rounds)
    yield from _cold(1 if tiny else 5)


def _files(paths: list[Path], rounds: int) -> Table:
    predictor, in_8_bits = (Predictor(name, threads=1) for name in ("photo", "photo_int8"))
    ways: dict[str, Callable[[], object]] = {}
    for model, asked in {"": predictor, "photo_int8, ": in_8_bits}.items():
        for looks, turns in {"four looks": 4, "looks until it is sure": None, "one look": 1}.items():
            for lines, refine in {", with lines": "lines", "": None}.items():
                ways[f"rotnet, {model}{looks}{lines}"] = partial(asked.predict, paths, turns=turns, refine=refine)
    ways["rotnet, reading and scaling alone"] = lambda: [predictor.view(path) for path in paths]
    notes = ["seconds of the processor; 1281x1025 pictures and the sample photographs"]
    for rival in RIVALS:
        if not rival.is_installed:
            print(f"{rival.name} is not installed and left out", flush=True)
            continue
        ways[rival.name] = partial(_answer_all, rival.load(), paths)
        notes[1:] = ["the others are made for documents; their threads are as they set them"]
    return Table("Answers from files", "pictures/s", rates(ways, len(paths), rounds=rounds), tuple(notes))


def _answer_all(answer: Callable[[np.ndarray], float], paths: list[Path]) -> None:
    for path in paths:
        answer(read_image(path))


def _network(number: int, rounds: int) -> Table:
    """The network of the preset alone, a batch at a time, with the threads each takes by itself."""
    from rotnet.inference.networks import OnnxNetwork
    from rotnet.models import load_rotation_model

    network = OnnxNetwork(find("photo"))
    height, width, _ = network.input_shape
    batch = np.random.default_rng(0).integers(0, 256, (number, height, width, 3)).astype(np.float32)
    model = load_rotation_model("photo")
    ways: dict[str, Callable[[], object]] = {
        "Keras": lambda: model.predict_on_batch(batch),
        "rotnet, ONNX Runtime": lambda: network(batch),
        "rotnet, ONNX Runtime, 16 at a time": lambda: [network(batch[k : k + 16]) for k in range(0, number, 16)],
        "rotnet, ONNX Runtime, 4 at a time": lambda: [network(batch[k : k + 4]) for k in range(0, number, 4)],
    }
    in_8_bits = OnnxNetwork(find("photo_int8"))
    ways["rotnet, ONNX Runtime, photo_int8, 4 at a time"] = lambda: [
        in_8_bits(batch[k : k + 4]) for k in range(0, number, 4)
    ]
    try:
        ways |= {f"OpenVINO, {precision}": partial(_openvino(precision), batch) for precision in ("f32", "bf16")}
    except ImportError:
        print("openvino is not installed and left out", flush=True)
    rows = rates(ways, number, rounds=rounds, clock=time.perf_counter)
    title = f"The network of the preset photo, {height}x{width}"
    return Table(title, "pictures/s", rows, ("seconds of the clock, all cores",))


def _openvino(precision: str) -> Callable[[np.ndarray], object]:
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    return openvino.Core().compile_model(find("photo"), "CPU", settings).create_infer_request().infer


def _cold(rounds: int) -> Iterator[Table]:
    photo = str(PHOTOS / "camera.jpg")
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "python, import rotnet": [sys.executable, "-c", "import rotnet"],
        "rotnet predict one.jpg": [*ROTNET, "predict", photo],
        "rotnet correct one.jpg": [*ROTNET, "correct", photo, "--overwrite", "-o"],
        "python, import tensorflow": [sys.executable, "-c", "import tensorflow"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    memory: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds + 1):
            for name, command in commands.items():
                used, peak = run([*command, folder] if command[-1] == "-o" else command)
                seconds[name].append(used)
                memory[name].append(peak)
    title = "Cold start"
    # the first round brought the files into memory
    yield Table(title, "s", tuple(row(name, values[1:] or values) for name, values in seconds.items()))
    yield Table(f"{title}, memory", "MB", tuple(row(name, values) for name, values in memory.items()))


# a child counts the memory of the process that it was split off from, so that a small one starts it
LAUNCHER = """
import resource, subprocess, sys, time
start = time.perf_counter()
answer = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
spent = time.perf_counter() - start
print(answer.returncode, spent, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def run(command: list[str]) -> tuple[float, float]:
    """Seconds of the clock and peak of resident memory, MB, of a command."""
    launched = [sys.executable, "-c", LAUNCHER, *command]
    answer = subprocess.run(launched, capture_output=True, text=True, check=True)
    code, spent, peak = answer.stdout.split()
    if code != "0":
        raise RuntimeError(f"{' '.join(command)} failed: {answer.stderr}")
    return float(spent), float(peak) / (2**20 if sys.platform == "darwin" else 2**10)
