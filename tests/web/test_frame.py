"""The crops of the pages are those of Python: their sizes, and what they lose."""

import json
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rotnet.geometry.cropping import CROPS, OLDER, crop_size, named_crop, share_lost

WEB = Path(__file__).parents[2] / "rotnet" / "web"


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_frames_are_those_of_python(tmp_path):
    generator = np.random.default_rng(0)
    rows = [
        [width, height, angle, crop]
        for width, height in [(1, 1), (4, 3), (6000, 4000), (1000, 10), *generator.integers(1, 31, (60, 2)).tolist()]
        for angle in [0, 90, -90, 180, 45, 135, 225, -45, 1e-4, 30, *generator.uniform(-360, 360, 20).tolist()]
        for crop in (*CROPS, *OLDER)
    ]
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "given.json").write_text(json.dumps(rows))
    shutil.copy(WEB / "frame.js", tmp_path)
    script = """
        import { readFileSync } from "node:fs";
        import { frame, shareLost } from "./frame.js";
        const rows = JSON.parse(readFileSync("given.json"));
        console.log(JSON.stringify(rows.map((row) => [...frame(...row), shareLost(...row)])));
    """
    (tmp_path / "run.js").write_text(script)
    run = subprocess.run(["node", "run.js"], cwd=tmp_path, capture_output=True, text=True, check=True)
    for (width, height, angle, name), found in zip(rows, json.loads(run.stdout), strict=True):
        # files keep a quarter turn whole
        crop = "keep" if angle % 90 == 0 else named_crop(name)
        expected = crop_size(width, height, math.radians(angle), crop)
        lost = share_lost(width, height, math.radians(angle), crop)
        assert found[2] == pytest.approx(lost, abs=1e-9), (width, height, angle, name)
        if crop == "fit" and angle % 45 == 0:  # many rectangles are equally large
            assert found[0] * found[1] == pytest.approx(math.prod(expected), rel=1e-6)
        else:
            assert found[:2] == pytest.approx(expected, rel=1e-6), (width, height, angle, name)
