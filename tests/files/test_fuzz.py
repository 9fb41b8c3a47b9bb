"""Damaged files: thousands of mutated pictures, of which none crashes or hangs a run, nor is half of one written."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from compass import compass_onnx
from fuzz.inputs import KINDS, TARGETS, mutant
from PIL import features
from runs import correct_planned

from rotnet import Predictor
from rotnet.files import plan_targets
from rotnet.images import reading

MUTANTS = 250  # of each kind
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files(tmp_path, kind):
    if kind == "webp" and not features.check("webp"):
        pytest.skip("Pillow without WebP")
    predictor = Predictor(compass_onnx(tmp_path / "compass.onnx"), threads=1)
    rng, whole = random.Random(kind), KINDS[kind]()
    os.mkdir(tmp_path / "in")
    for number in range(MUTANTS):
        (tmp_path / f"in/{number:03}.{kind}").write_bytes(mutant(whole, rng))
    before = {path: path.read_bytes() for path in (tmp_path / "in").iterdir()}
    targets = plan_targets([tmp_path / "in"], tmp_path / "out")
    results = list(correct_planned(targets, predictor, min_confidence=0.0, max_pixels=1_000_000))
    assert len(results) == MUTANTS
    assert {"turned", "failed"} <= {result.action for result in results}, "some mutants are whole enough, some are not"
    assert {path: path.read_bytes() for path in (tmp_path / "in").iterdir()} == before
    written = set((tmp_path / "out").iterdir()) if any(result.target for result in results) else set()
    assert written == {result.target for result in results if result.target}
    for result in results:
        if result.target is None:
            assert result.action == "failed" and result.error.startswith(str(result.path)), result
            assert "\n" not in result.error, result
        elif result.action == "turned":
            reading.read_image(result.target, max_pixels=10_000_000)
        else:
            assert Path(result.target).read_bytes() == before[result.path]


@pytest.mark.skipif(sys.platform == "win32", reason="limits the memory of a process as other systems do")
def test_a_minute_of_hostile_input():
    pytest.importorskip("starlette")
    command = [sys.executable, "-m", "tests.fuzz", "--minutes", "0.8", "--seed", "minute"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout + run.stderr
    assert all(f" of {target}" in run.stdout for target in TARGETS), run.stdout


def test_an_input_is_told_by_its_seed():
    command = [sys.executable, "-m", "tests.fuzz", "--again", "journal:1", "plan:2"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert run.stdout.startswith("2 inputs (1 of journal, 1 of plan), 0 taken ill"), run.stdout + run.stderr
