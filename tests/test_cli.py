"""The command as it is typed: what it prints, where, and with which exit status."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from compass import compass_onnx, crooked
from pictures import encoded
from PIL import Image

import rotnet
from rotnet import angle_difference, predict_angle
from rotnet.cli import main

COMMAND = [sys.executable, "-m", "rotnet"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(compass_onnx(tmp_path_factory.mktemp("models") / "compass.onnx"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with pictures `in/a.png` and `in/b.png` turned by 30 and 200 degrees, and a file of text."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("in")
    Path("in/a.png").write_bytes(encoded(crooked(30.0)))
    Path("in/b.png").write_bytes(encoded(crooked(200.0)))
    Path("in/notes.txt").write_text("no picture, and not asked for")
    return tmp_path


def finish(command, **options):
    return subprocess.run([*COMMAND, *command], capture_output=True, text=True, timeout=60, **options)


# Predict --------------------------------------------------------------------------------------------------------------


def test_jsonl_is_one_object_a_picture_and_nothing_else(folder, model, capsys):
    Path("in/bad.jpg").write_text("no picture")
    assert main(["predict", "in", "--model", model, "--format", "jsonl"]) == 1
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["path"] for row in rows] == ["in/a.png", "in/b.png", "in/bad.jpg"]
    assert [sorted(row) for row in rows] == [["angle", "confidence", "path"]] * 2 + [["error", "path"]]
    assert angle_difference(rows[0]["angle"], 30.0) < 0.5 and angle_difference(rows[1]["angle"], 200.0) < 0.5
    assert all(0 <= row["confidence"] <= 1 for row in rows[:2])
    assert rows[2]["error"].startswith("in/bad.jpg is not a picture")
    assert err == ""


def test_table_is_for_people(folder, model, capsys):
    Path("in/bad\nname.jpg").write_text("no picture")
    assert main(["predict", "in", "--model", model]) == 1
    out, err = capsys.readouterr()
    header, first, second = out.splitlines()
    assert header.split() == ["angle", "confidence", "picture"]
    assert first.split()[0] in ("29.9", "30.0", "30.1") and first.endswith("in/a.png")
    assert second.endswith("in/b.png")
    assert err.startswith(r"rotnet: in/bad\nname.jpg is not a picture") and err.count("\n") == 1


def test_csv_is_read_back(folder, model, capsys):
    Path("in/bad\nname.jpg").write_text("no picture")
    assert main(["predict", "in", "--model", model, "--format", "csv"]) == 1
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))
    assert [row["path"] for row in rows] == ["in/a.png", "in/b.png", "in/bad\nname.jpg"]
    assert float(rows[0]["angle"]) == pytest.approx(30, abs=0.5) and rows[0]["error"] == ""
    assert rows[2]["angle"] == "" and rows[2]["error"]


@pytest.mark.parametrize("turns", ["1", "4"])
def test_command_answers_like_the_function(folder, model, capsys, turns):
    assert main(["predict", "in/a.png", "--model", model, "--turns", turns, "--format", "jsonl"]) == 0
    row = json.loads(capsys.readouterr().out)
    answer = predict_angle("in/a.png", model=model, turns=int(turns))
    assert row == {"path": "in/a.png", "angle": round(answer.angle, 3), "confidence": round(answer.confidence, 4)}


def test_odd_names_are_printed_and_written(folder, model):
    os.mkdir("odd")
    for name in ("-dash.png", "new\nline.png", os.fsdecode(b"not-\xff-text.png"), "\x1b[31m.png"):
        Path("odd", name).write_bytes(encoded(crooked(30.0)))
    for format in ("table", "jsonl", "csv"):
        run = finish(["predict", "odd", "--model", model, "--format", format], env=os.environ | {"LC_ALL": "C"})
        assert (run.returncode, run.stderr) == (0, "")
        assert "\x1b" not in run.stdout or format == "csv"
    run = finish(["predict", "--model", model, "--format", "jsonl", "--", "-dash.png"], cwd="odd")
    assert json.loads(run.stdout)["path"] == "-dash.png"
    assert main(["correct", "odd", "-o", "out", "--model", model, "--report", "out/report.jsonl"]) == 0
    assert sorted(os.listdir("out")) == sorted([*os.listdir("odd"), "report.jsonl"])
    paths = [json.loads(line)["path"] for line in Path("out/report.jsonl").read_text().splitlines()]
    assert sorted(paths) == sorted(os.path.join("odd", name) for name in os.listdir("odd"))


# Correct --------------------------------------------------------------------------------------------------------------


def test_correct_writes_upright_copies_a_summary_and_a_report(folder, model, capsys):
    Path("in/bad.jpg").write_text("no picture")
    Image.new("RGB", (30, 20), "gray").save("in/flat.png")
    before = {path: path.read_bytes() for path in Path("in").iterdir()}
    options = ["--model", model, "--report", "logs/report.jsonl", "--crop", "same"]
    assert main(["correct", "in", "-o", "out", *options]) == 1
    out, err = capsys.readouterr()
    assert out == "2 turned, 0 upright, 1 unsure, 1 failed\n"
    assert err == "rotnet: in/bad.jpg is not a picture of a known format (JPEG, PNG, TIFF, WebP, ...)\n"
    assert {path: path.read_bytes() for path in Path("in").iterdir()} == before
    assert sorted(os.listdir("out")) == ["a.png", "b.png", "flat.png"]
    assert angle_difference(predict_angle("out/b.png", model=model).angle, 0.0) < 10, "dark corners included"
    with Image.open("out/b.png") as turned:
        assert turned.size == (64, 48)
    rows = [json.loads(line) for line in Path("logs/report.jsonl").read_text().splitlines()]
    assert [row["action"] for row in rows] == ["turned", "turned", "failed", "unsure"]
    assert rows[0] | {"angle": 0, "confidence": 0} == {
        "path": "in/a.png",
        "target": "out/a.png",
        "action": "turned",
        "angle": 0,
        "confidence": 0,
    }


def test_correct_overwrites_only_when_told(folder, model, capsys):
    command = ["correct", "in", "-o", "out", "--model", model]
    assert main(command) == 0
    assert main(command) == 2
    assert "out/a.png is there already" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--min-confidence", "1"]) == 0
    assert Path("out/a.png").read_bytes() == Path("in/a.png").read_bytes()


@pytest.mark.parametrize("report", ["in/a.png", "out/a.png", "other.JPG"])
def test_report_never_replaces_a_picture(folder, model, capsys, report):
    before = Path("in/a.png").read_bytes()
    assert main(["correct", "in", "-o", "out", "--model", model, "--report", report]) == 2
    assert "would replace a picture" in capsys.readouterr().err
    assert Path("in/a.png").read_bytes() == before
    assert not os.path.exists("out") and not os.path.exists("other.JPG")


def test_report_that_cannot_be_written_is_an_error_before_any_work(folder, model, capsys):
    assert main(["correct", "in", "-o", "out", "--model", model, "--report", "in/notes.txt/report.jsonl"]) == 1
    assert "The report in/notes.txt/report.jsonl cannot be written" in capsys.readouterr().err
    assert not os.path.exists("out")


@pytest.mark.parametrize("output", ["in/a.png", "in/notes.txt/deep/down"])
def test_output_that_can_be_no_folder(folder, model, capsys, output):
    assert main(["correct", "in", "-o", output, "--model", model]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "is not a folder" in err and err.count("\n") == 1


# Wrong use ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "status", "sentence"),
    [
        (["predict", "in", "--model", "phto"], 2, "did you mean 'photo'"),
        (["predict", "in", "--model", "nowhere.onnx"], 1, "nowhere.onnx does not exist"),
        (["predict", "in", "--model", "in/notes.txt"], 1, "must end in .onnx or .keras"),
        (["predict", "empty"], 2, "no pictures to look at"),
        (["correct", "empty", "-o", "out"], 2, "no pictures to correct"),
        (["correct", "in", "-o", "in", "--overwrite"], 2, "is itself an input"),
        (["correct", "in/a.png", "copy/a.png", "-o", "out"], 2, "would both become"),
    ],
)
def test_errors_are_one_sentence(folder, model, capsys, command, status, sentence):
    os.mkdir("empty")
    os.mkdir("copy")
    Path("copy/a.png").write_bytes(encoded(crooked(0.0)))
    model_given = "--model" in command
    assert main(command if model_given else [*command, "--model", model]) == status
    out, err = capsys.readouterr()
    assert err.startswith("rotnet: ") and sentence in err and err.count("\n") == 1
    assert not os.path.exists("out")


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["predict"],
        ["predict", ""],
        ["predict", "in", "--turns", "2"],
        ["predict", "in", "--format", "xml"],
        ["correct", "in"],
        ["correct", "in", "-o", ""],
        ["correct", "in", "-o", "out", "--crop", "tight"],
        ["correct", "in", "-o", "out", "--min-confidence", "2"],
        ["correct", "in", "-o", "out", "--min-confidence", "nan"],
        ["train"],
        ["turn"],
    ],
)
def test_wrong_use_ends_with_2(folder, capsys, command):
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    assert "usage: rotnet" in capsys.readouterr().err


# Other commands -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [[], ["predict"], ["correct"], ["models"], ["train"], ["train", "mnist"], ["train", "photos"]]
)
def test_every_command_has_help(capsys, command):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert "usage: rotnet" in capsys.readouterr().out


def test_models_lists_every_preset(capsys):
    assert main(["models"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(rotnet.presets())
    assert {"size", "licence", "mean", "median"} <= set(header.split())
    assert all(preset.licence in line for preset, line in zip(rotnet.presets().values(), lines, strict=True))


def test_models_shows_the_first_measured_error(tmp_path, monkeypatch, capsys):
    entry = {"file": "f.onnx", "sha256": "0", "bytes": 1, "kind": "model", "input_size": [8, 8]}
    errors = {
        "flat": {"mean": 1.24, "median": 2},
        "nested": {"files": {"mean": 3, "median": 4.5}, "noise": {"mean": 90}},
    }
    presets = [{"name": name, "errors": error, **entry} for name, error in errors.items()]
    (tmp_path / "registry.json").write_text(json.dumps({"version": 1, "presets": presets}))
    monkeypatch.setenv("ROTNET_WEIGHTS", str(tmp_path))
    assert main(["models"]) == 0
    shown = {line.split()[0]: line.split()[4:6] for line in capsys.readouterr().out.splitlines()}
    assert shown["flat"] == ["1.2°", "2.0°"] and shown["nested"] == ["3.0°", "4.5°"]


@pytest.mark.parametrize("command", [["train", "mnist"], ["train", "photos", "in"]])
def test_training_without_keras_says_what_to_install(folder, monkeypatch, capsys, command):
    monkeypatch.setitem(sys.modules, "keras", None)
    assert main(command) == 1
    assert capsys.readouterr().err == (
        "rotnet: training needs keras, which is not installed: pip install 'rotnet[train]'\n"
    )


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_version_and_help_load_nothing_heavy(option):
    code = (
        "import sys, rotnet.cli\n"
        f"try: rotnet.cli.main([{option!r}])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "print(sorted({'cv2', 'numpy', 'onnxruntime', 'PIL', 'tqdm', 'keras'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.startswith((f"rotnet {rotnet.__version__}\n", "usage: rotnet"))
    assert run.stdout.splitlines()[-1] == "[]"


# Signals and streams --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child process")
@pytest.mark.parametrize("command", [["predict", "many", "--format", "jsonl"], ["correct", "many", "-o", "out"]])
def test_interrupt_ends_soon_and_leaves_whole_files(folder, model, command):
    os.mkdir("many")
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(noise).resize((1600, 1200)).save("many/0.jpg")
    for number in range(1, 300):
        os.link("many/0.jpg", f"many/{number}.jpg")
    arguments = [*COMMAND, *command, "--model", model]
    if command[0] == "correct":
        arguments += ["--min-confidence", "0", "--report", "out/report.jsonl"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        if command[0] == "predict":
            process.stdout.readline()
        else:
            deadline = time.monotonic() + 30
            while len(list(Path("out").glob("[0-9]*.jpg"))) < 2 and time.monotonic() < deadline:
                time.sleep(0.02)
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        took = time.monotonic() - asked
    assert process.returncode == 130
    assert err.strip() == "rotnet: interrupted; what was finished is whole"
    assert took < 5, "less than a second on a machine that does nothing else"
    if command[0] == "correct":
        assert not list(Path("out").glob(".*"))
        done = list(Path("out").glob("*.jpg"))
        assert 2 <= len(done) < 300
        for path in done:
            with Image.open(path) as picture:
                picture.load()
        assert all(json.loads(line) for line in Path("out/report.jsonl").read_text().splitlines())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize("format", ["table", "jsonl", "csv"])
def test_output_that_takes_no_more_is_one_sentence(folder, model, format):
    with open("/dev/full", "w") as full:
        command = [*COMMAND, "predict", "in", "--model", model, "--format", format]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (1, "rotnet: the output cannot be written: No space left on device\n")


def test_reader_that_leaves_is_no_error(folder, model):
    ends = os.pipe()
    os.close(ends[0])
    with open(ends[1], "w") as closed:
        command = [*COMMAND, "predict", "in", "--model", model]
        run = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (141, "")
