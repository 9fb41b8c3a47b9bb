"""`rotnet watch` as its users run it: told what comes, ended by Ctrl-C, begun again."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from trees import bring, everything, save, start

from rotnet.cli.main import main

pytest.importorskip("watchfiles")

PATIENCE = 60


@contextmanager
def watching(model, *options):
    """The command, once it watches; it must end well."""
    command = [
        sys.executable,
        "-m",
        "rotnet",
        "watch",
        "in",
        "-o",
        "out",
        "--model",
        model,
        "--settle",
        "0.3",
        *options,
    ]
    with start(command) as process:
        try:
            assert process.stderr.readline() == "rotnet: watching in (Ctrl-C ends it)\n"
            yield process
        finally:
            process.kill()


def end(process, how=signal.SIGINT):
    process.send_signal(how)
    _, err = process.communicate(timeout=PATIENCE)
    return process.returncode, err


@pytest.fixture
def folder(folder):
    os.mkdir("in")
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child process")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ends_well_when_it_is_told_to(folder, model, how):
    with watching(model) as process:
        bring("in/a.png")
        line = process.stdout.readline()
        assert line.split()[0] == "turned" and "in/a.png -> out/a.png" in line
        status, err = end(process, how)
    assert (status, err) == (0, "1 turned, 0 upright, 0 with a slight tilt, 0 unsure, 0 failed\n")
    assert os.listdir("out") == ["a.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child process")
def test_ends_well_amid_work(folder, model):
    for number in range(300):
        save(f"in/{number:03}.png")
    with watching(model, "--existing", "--jobs", "1") as process:
        process.stdout.readline()
        status, err = end(process)
    assert status == 0 and err.count("\n") == 1
    assert 0 < len(os.listdir("out")) < 300 and not [name for name in os.listdir("out") if name.startswith(".")]


@pytest.mark.skipif(sys.platform == "win32", reason="kills as only POSIX does")
def test_begun_again_it_does_what_is_left_and_nothing_twice(folder, model):
    save("in/a.png")
    with watching(model, "--existing", "--format", "jsonl") as process:
        assert json.loads(process.stdout.readline())["path"] == "in/a.png"
        process.kill()
    first = everything("out")
    Path("in/b.png").write_text("no picture")
    with watching(model, "--existing", "--format", "jsonl") as process:
        row = json.loads(process.stdout.readline())
        assert (row["path"], row["action"]) == ("in/b.png", "failed") and "not a picture" in row["error"]
        bring("in/c.png")
        assert json.loads(process.stdout.readline())["target"] == "out/c.png"
        status, err = end(process)
    assert status == 1 and err.startswith("1 turned") and "1 failed" in err
    assert first.items() <= everything("out").items() and sorted(os.listdir("out")) == ["a.png", "c.png"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["nowhere", "-o", "out"], "nowhere is not a folder"),
        (["in", "-o", "in"], "choose another OUT"),
        (["in", "-o", "out", "--model", "phto"], "did you mean 'photo'"),
    ],
)
def test_wrong_use_is_one_sentence(folder, model, capsys, options, sentence):
    given = [] if "--model" in options else ["--model", model]
    assert main(["watch", *options, *given]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("rotnet: ") and sentence in err and err.count("\n") == 1 and out == ""


@pytest.mark.parametrize("settle", ["soon", "-1", "nan"])
def test_settle_is_seconds(folder, capsys, settle):
    with pytest.raises(SystemExit):
        main(["watch", "in", "-o", "out", f"--settle={settle}"])
    assert "must be seconds" in capsys.readouterr().err


def test_signals_are_as_before_afterwards(folder, model):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert main(["watch", "nowhere", "-o", "out", "--model", model]) == 2
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.skipif(sys.platform == "win32", reason="locks are not kept on Windows")
def test_two_at_one_folder_are_refused(folder, model):
    with watching(model):
        command = [sys.executable, "-m", "rotnet", "watch", "in", "-o", "out", "--model", model]
        second = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert second.returncode == 1 and "Another run is at work" in second.stderr
