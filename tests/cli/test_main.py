"""The command as it is typed: what it prints, where, and with which exit status."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from compass import crooked
from pictures import encoded
from PIL import Image
from trees import start

import rotnet
from rotnet import angle_difference, predict_angle
from rotnet.cli.main import main

COMMAND = [sys.executable, "-m", "rotnet"]


@pytest.fixture
def folder(folder):
    """A folder to work in, with pictures `in/a.png` and `in/b.png` turned by 30 and 200 degrees, and a file of text."""
    os.mkdir("in")
    Path("in/a.png").write_bytes(encoded(crooked(30.0)))
    Path("in/b.png").write_bytes(encoded(crooked(200.0)))
    Path("in/notes.txt").write_text("no picture, and not asked for")
    return folder


def finish(command, **options):
    return subprocess.run([*COMMAND, *command], capture_output=True, text=True, timeout=60, **options)


# Predict --------------------------------------------------------------------------------------------------------------


def test_jsonl_is_one_object_a_picture_and_nothing_else(folder, model, capsys):
    Path("in/bad.jpg").write_text("no picture")
    assert main(["predict", "in", "--model", model, "--format", "jsonl"]) == 1
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["path"] for row in rows] == ["in/a.png", "in/b.png", "in/bad.jpg"]
    answered = ["action", "angle", "confidence", "path", "reason"]
    assert [sorted(row) for row in rows] == [answered, answered, ["error", "path"]]
    assert angle_difference(rows[0]["angle"], 30.0) < 0.5 and angle_difference(rows[1]["angle"], 200.0) < 0.5
    assert all(0 <= row["confidence"] <= 1 for row in rows[:2])
    assert rows[2]["error"].startswith("in/bad.jpg is not a picture")
    assert err == ""


def test_table_is_for_people(folder, model, capsys):
    Path("in/bad\nname.jpg").write_text("no picture")
    assert main(["predict", "in", "--model", model]) == 1
    out, err = capsys.readouterr()
    header, first, second = out.splitlines()
    assert header.split() == ["angle", "confidence", "action", "picture"]
    assert first.split()[0] in ("29.9°", "30.0°", "30.1°") and first.endswith("in/a.png")
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
    assert (row["path"], row["action"]) == ("in/a.png", "turned")
    assert (row["angle"], row["confidence"]) == (round(answer.angle, 3), round(answer.confidence, 4))


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


# Wrong use ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "status", "sentence"),
    [
        (["predict", "in", "--model", "phto"], 2, "did you mean 'photo'"),
        (["predict", "in", "--model", "nowhere.onnx"], 1, "nowhere.onnx does not exist"),
        (["predict", "in", "--model", "in/notes.txt"], 1, "must end in .onnx, .keras or .tflite"),
        (["predict", "in", "--model", f"{'a' * 300}.onnx"], 1, "a.onnx does not exist: give a model file"),
        (["predict", "empty"], 2, "no pictures to look at"),
        (["predict", "in", "--angle-range", "15", "-15"], 2, "LOW below HIGH"),
        (["predict", "in", "--address", "auto"], 2, "say where they go, with -o OUT"),
        (["predict", "in", "-o", "angles.csv"], 2, "leave it out, and say --format csv > angles.csv"),
    ],
)
def test_errors_are_one_sentence(folder, model, capsys, command, status, sentence):
    os.mkdir("empty")
    model_given = "--model" in command
    assert main(command if model_given else [*command, "--model", model]) == status
    out, err = capsys.readouterr()
    assert err.startswith("rotnet: ") and sentence in err and err.count("\n") == 1
    assert out == ""


@pytest.mark.parametrize(
    "command",
    [
        ["predict"],
        ["predict", ""],
        ["predict", "in", "--turns", "2"],
        ["predict", "in", "--format", "xml"],
        ["train"],
        ["turn"],
    ],
)
def test_wrong_use_ends_with_2(folder, capsys, command):
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    assert "usage: rotnet" in capsys.readouterr().err


def test_no_list_of_options_hides_what_an_error_says(capsys):
    for name in ("predict", "check", "correct", "apply", "watch", "evaluate", "prepare", "train photos"):
        with pytest.raises(SystemExit):
            main([*name.split(), "--turned"])
        usage, error = capsys.readouterr().err.splitlines()
        assert usage.startswith(f"usage: rotnet {name} ") and error.startswith(f"rotnet {name}: error: "), name


@pytest.mark.parametrize(
    "command, meant",
    [
        (["predcit", "a.jpg"], "predict"),
        (["train", "foto"], "photos"),
        (["train", "photo", "in"], "photos"),
        (["zzz"], None),
        (["correct", "in", "--inplace"], "--in-place"),
        (["train", "photos", "in", "--backbones", "x"], "--backbone"),
        (["correct", "in", "--zzz"], None),
    ],
)
def test_a_mistyped_command_is_told_what_it_may_have_meant(capsys, command, meant):
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert f"did you mean {meant!r}?" in err if meant else "did you mean" not in err


def test_a_mistyped_option_is_told_by_its_command(capsys):
    with pytest.raises(SystemExit):
        main(["check", "in", "--recursive"])
    usage, error = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: rotnet check ")
    assert error == "rotnet check: error: unrecognized arguments: --recursive; sub-folders are looked at anyway"


def piped(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_a_picture_comes_from_standard_input(folder, model, monkeypatch, capsys):
    picture = encoded(crooked(40.0))
    piped(monkeypatch, picture)
    assert main(["predict", "-", "--model", model, "--format", "jsonl"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["path"] == "-" and abs(row["angle"] - 40.0) < 2
    piped(monkeypatch, picture)
    assert main(["check", "-", "--model", model, "--format", "jsonl"]) == 1
    assert json.loads(capsys.readouterr().out)["path"] == "-"
    piped(monkeypatch, b"no picture")
    assert main(["predict", "-", "--model", model]) == 1
    assert "standard input is not a picture" in "".join(capsys.readouterr())
    assert main(["predict", "-", "--model", model, "-o", "out"]) == 2
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["predict", "-", "--model", model]) == 2
    assert "Standard input is closed" in capsys.readouterr().err


# Other commands -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [[], ["predict"], ["correct"], ["apply"], ["models"], ["train"], ["train", "mnist"], ["train", "photos"]]
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
        "import sys, rotnet.cli.main\n"
        f"try: rotnet.cli.main.main([{option!r}])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "print(sorted({'cv2', 'numpy', 'onnxruntime', 'PIL', 'tqdm', 'keras'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.startswith((f"rotnet {rotnet.__version__}\n", "usage: rotnet"))
    assert run.stdout.splitlines()[-1] == "[]"


# what is for turning, for writing, and for pictures of kinds that are not read
FOR_OTHERS = [
    *(f"rotnet.files.{name}" for name in ("correct", "decide", "journal", "plan", "preview", "report", "sidecars")),
    *("rotnet.files.turned_before", "rotnet.files.watch"),
    *(f"rotnet.images.{name}" for name in ("original", "turn_file", "turning", "writing")),
    *("PIL.PdfImagePlugin", "rotnet.cli.correct", "sqlite3", "tqdm"),
]


@pytest.mark.parametrize("command", ["predict", "check"])
def test_who_only_looks_loads_nothing_that_turns_or_writes(folder, model, command):
    code = (
        "import sys, rotnet.cli.main\n"
        f"rotnet.cli.main.main([{command!r}, 'in', '--model', {model!r}])\n"
        f"print(sorted(set({FOR_OTHERS!r}) & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "30.0°" in run.stdout
    assert run.stdout.splitlines()[-1] == "[]"


# Signals and streams --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child process")
def test_interrupt_ends_soon(folder, model):
    os.mkdir("many")
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(noise).resize((1600, 1200)).save("many/0.jpg")
    for number in range(1, 1000):
        os.link("many/0.jpg", f"many/{number}.jpg")
    arguments = [*COMMAND, "predict", "many", "--format", "jsonl", "--model", model]
    with start(arguments) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "rotnet: interrupted; what was finished is whole\n")


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


@pytest.mark.skipif(not os.path.exists("/bin/sh"), reason="closes streams as a shell does")
@pytest.mark.parametrize(
    ("command", "closed", "status"),
    [
        ("correct in -o out", "2>&-", 0),
        ("correct in -o out", ">&-", 0),
        ("correct in -o out", "<&- >&- 2>&-", 0),
        ("predict in", "2>&-", 0),
        ("predict in", ">&-", 2),
        ("predict nowhere.jpg", "2>&-", 1),
        ("nonsense", "2>&-", 2),
        ("models", "<&- >&- 2>&-", 0),
    ],
)
def test_closed_streams(folder, model, command, closed, status):
    given = f"--model {model}" if " in" in command else ""
    python = " ".join(map(str, COMMAND))
    run = subprocess.run(["/bin/sh", "-c", f"{python} {command} {given} {closed}"], capture_output=True, timeout=60)
    assert run.returncode == status and b"Traceback" not in run.stdout + run.stderr
    if command.startswith("correct"):
        assert sorted(os.listdir("out")) == ["a.png", "b.png"]
        assert all(Path("out", name).read_bytes().startswith(b"\x89PNG") for name in os.listdir("out"))


def test_without_a_home_the_journal_must_be_named(folder, model, capsys, monkeypatch):
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert main(["correct", "in", "-o", "out", "--model", model]) == 2
    assert capsys.readouterr().err.startswith("rotnet: There is no home folder to keep the journal in")
    assert main(["correct", "in", "-o", "out", "--model", model, "--journal", "journal"]) == 0


def test_too_little_memory_is_one_sentence(folder, model, capsys, monkeypatch):
    monkeypatch.setattr("rotnet.files.predict.ahead", lambda *_, **__: (_ for _ in ()).throw(MemoryError()))
    assert main(["predict", "in", "--model", model]) == 1
    assert "not enough memory" in capsys.readouterr().err


def test_command_alone_tells_what_there_is(capsys):
    assert main([]) == 0
    assert "rotnet correct photos/ -o straight/" in capsys.readouterr().out
