"""Nothing leaves the machine: no name is looked up, no connection is made, and nothing unasked is written."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pictures import encoded, smooth

ROOT = Path(__file__).parents[1]
ASK = "import sys, time, rotnet\nrotnet.Predictor('photo').predict([sys.argv[1]])"
PATIENCE = 13  # seconds; the runtime would ask for its host's address after nine
WAYS = {
    "command": ["-m", "rotnet", "predict"],
    "library": ["-c", ASK],
    "network alone": [
        "-c",
        "from pathlib import Path\nfrom rotnet.inference import networks\nnetworks.load(Path('photo.onnx'))",
    ],
    "spawned worker": [
        "-c",
        "import multiprocessing, rotnet, sys\n"
        "with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "    pool.apply(rotnet.predict_angle, (sys.argv[1],))",
    ],
}


@pytest.fixture
def alone(tmp_path):
    """Run Python in a home, cache and scratch folder of its own; what it has left there comes back."""
    (tmp_path / "crooked.png").write_bytes(encoded(smooth(60, 80)))
    shutil.copy(ROOT / "weights" / "photo.onnx", tmp_path)
    folders = {name: tmp_path / name.lower() for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR", "XDG_STATE_HOME")}
    for folder in folders.values():
        folder.mkdir()

    def run(*arguments, before=(), **environment):
        kept = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
        paths = {"PYTHONPATH": str(ROOT), **{name: str(folder) for name, folder in folders.items()}}
        command = [*before, sys.executable, *arguments, "crooked.png"]
        subprocess.run(command, cwd=tmp_path, env={**kept, **paths, **environment}, check=True, timeout=120)
        return [str(path.relative_to(tmp_path)) for folder in folders.values() for path in folder.rglob("*")]

    return run


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_left_in_home_cache_or_scratch(alone, way):
    assert alone(*WAYS[way]) == []


@pytest.mark.skipif(not shutil.which("strace"), reason="there is no strace to listen with")
def test_nobody_is_asked(alone, tmp_path):
    listen = ("strace", "-f", "-qq", "-e", "trace=network", "-o", str(tmp_path / "calls"))
    if subprocess.run([*listen, "true"], capture_output=True).returncode:
        pytest.skip("processes may not be listened to here")
    alone("-c", f"{ASK}\ntime.sleep({PATIENCE})", before=listen)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call for call in calls if re.search(r"connect\(|AF_INET|sendto\(|sendmmsg\(", call)] == []


@pytest.mark.parametrize("wish, found", [({"ORT_DISABLE_TELEMETRY": "0"}, "0"), ({}, "1")])
def test_who_wants_telemetry_may_have_it(alone, tmp_path, wish, found):
    alone("-c", "import os, rotnet; open('found', 'w').write(os.environ['ORT_DISABLE_TELEMETRY'])", **wish)
    assert (tmp_path / "found").read_text() == found


def test_whoever_loads_the_runtime_loads_rotnet_first():
    folders = ("rotnet", "weights", "examples", "benchmarks", "docs")
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        runtime = re.search(r"^(?:import|from) onnxruntime", text, re.MULTILINE)
        ours = re.search(r"^(?:import|from) rotnet", text, re.MULTILINE)
        assert runtime is None or (ours and ours.start() < runtime.start()), path
