"""The examples run as they stand, with a network made for the test."""

import json
import subprocess
import sys
from pathlib import Path

from compass import compass_onnx, crooked
from pictures import encoded
from PIL import Image

from rotnet.cli import main

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_contact_sheet_shows_each_picture_beside_its_own_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, angle in [("in/a.png", 30.0), ("in/sub/a.png", 200.0), ("in/b[1].png", 0.0)]:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(encoded(crooked(angle)))
    Path("in/truth.csv").write_text("file,angle\na.png,30\n")
    model = str(compass_onnx("compass.onnx"))
    assert main(["correct", "in", "-o", "out", "--model", model, "--report", "out/report.jsonl"]) == 0
    rows = [json.loads(line) for line in Path("out/report.jsonl").read_text().splitlines()]
    assert [row["target"] for row in rows] == ["out/a.png", "out/b[1].png", "out/sub/a.png"]
    Path("out/sub/a.png").rename("elsewhere.png")  # the sheet takes the target of the row, not one of the same name
    command = [sys.executable, str(EXAMPLES / "contact_sheet.py"), "in", "out"]
    assert subprocess.run(command, capture_output=True).returncode == 1
    Path("elsewhere.png").rename("out/sub/a.png")
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = run.stdout.splitlines()
    assert lines[0].split() == ["picture", "angle", "confidence", "action", "true", "error"]
    assert [line.split()[0] for line in lines[1:4]] == ["a.png", "b[1].png", "a.png"]
    with Image.open("out/contact-sheet.png") as sheet:
        assert sheet.width > 1000 and sheet.height > 500
