"""Shards need nobody who tells them: their union is the whole, and a killed one costs itself."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from compass import compass_onnx
from trees import everything, make_traps, save

from rotnet import predict_files
from rotnet.cli.main import main
from rotnet.engines.shards import Job, Shard, shard_paths
from rotnet.engines.tables import write_table
from rotnet.errors import UsageError

ANSWERS = ("path", "angle", "confidence", "action", "reason", "error")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with 24 pictures and the traps, and PyArrow."""
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    for index in range(24):
        save(f"in/{index % 3}/{index}.png", 15.0 * index)
    make_traps("in")
    return tmp_path


def read(path):
    from rotnet.engines.tables import read_rows

    return list(read_rows(Path(path)))


def predict(model, *more, inputs=("in",)):
    return main(["predict", *inputs, "--model", model, "-o", "out", *more])


def part(number, of):
    return Path(f"out/part-{number:05d}-of-{of:05d}.parquet")


# Which part ----------------------------------------------------------------------------------------------------------


def test_each_path_is_in_one_shard_and_shards_are_even():
    paths = [Path(f"folder/{index}.jpg") for index in range(8000)]
    counts = np.array([[Shard(number, 16).has(path) for path in paths] for number in range(1, 17)])
    assert (counts.sum(axis=0) == 1).all()
    assert counts.sum(axis=1).min() > 400 and counts.sum(axis=1).max() < 600
    assert Shard(1, 1).has("anything")


def test_the_part_of_a_path_stays_the_same_for_ever():
    assert [next(k for k in range(1, 17) if Shard(k, 16).has(f"photos/{n}.jpg")) for n in range(6)] == [
        10,
        11,
        11,
        3,
        11,
        7,
    ]


@pytest.mark.parametrize("text", ["0/4", "5/4", "4", "a/b", "1/", "-1/4", "1/4/2", ""])
def test_what_is_no_shard_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        main(["predict", "in", "-o", "out", f"--shard={text}"])
    assert "K/N" in capsys.readouterr().err


def test_a_picture_named_twice_is_there_once(tmp_path):
    save(tmp_path / "a.png")
    assert shard_paths([tmp_path, tmp_path / "a.png"], Shard(1, 1)) == [tmp_path / "a.png"]


# Predict -------------------------------------------------------------------------------------------------------------


def test_union_of_shards_is_the_whole(folder, model):
    for number in (2, 1, 3):
        assert predict(model, "--shard", f"{number}/3") == 0
    assert main(["merge", "out", "-o", "all.parquet"]) == 0
    rows = read("all.parquet")
    expected = {str(one.path): one.as_dict() for one in predict_files("in", model=model)}
    assert [row["path"] for row in rows] == sorted(expected)
    for row in rows:
        assert {name: row[name] for name in ANSWERS if row[name] is not None} == expected[row["path"]]
        assert (row["width"], row["height"]) == ((None, None) if row["error"] else (64, 48))
    assert main(["predict", "in", "--model", model, "-o", "alone"]) == 0
    assert read("alone/part-00001-of-00001.parquet") == rows


def test_a_shard_that_is_done_is_not_done_again(folder, model, capsys):
    assert predict(model, "--shard", "1/2") == 0
    before = everything("out")
    os.remove("in/0/0.png")
    assert predict(model, "--shard", "1/2") == 0
    assert everything("out") == before
    assert "done already" in capsys.readouterr().out


@pytest.mark.parametrize(
    "more, told",
    [
        (["--turns", "1", "--shard", "1/2"], "turns was None, now it is 1"),
        (["--shard", "1/3"], "shards was 2, now it is 3"),
        (["--max-pixels", "77", "--shard", "2/2"], "max_pixels was"),
    ],
)
def test_another_job_is_refused(folder, model, more, told, capsys):
    predict(model, "--shard", "1/2")
    before = everything("out")
    assert predict(model, *more) == 2
    assert told in capsys.readouterr().err and everything("out") == before


def test_other_inputs_are_another_job(folder, model, capsys):
    predict(model, "--shard", "1/2")
    assert predict(model, "--shard", "1/2", inputs=("in", "more")) == 2
    assert "inputs was ['in'], now it is ['in', 'more']" in capsys.readouterr().err


def test_another_model_of_the_same_name_is_refused(folder, tmp_path, capsys):
    own = str(compass_onnx(tmp_path / "own.onnx"))
    predict(own, "--shard", "1/2")
    compass_onnx(own, card={"min_confidence": 0.1})
    assert predict(own, "--shard", "2/2") == 2
    assert "model was" in capsys.readouterr().err


def test_a_table_of_another_job_is_refused(folder, model, capsys):
    predict(model, "--shard", "1/2")
    os.remove("out/manifest.json")
    assert predict(model, "--turns", "1", "--shard", "1/2") == 2
    assert "is of another job" in capsys.readouterr().err
    part(2, 2).write_text("no table")
    assert predict(model, "--turns", "1", "--shard", "2/2") == 2
    assert part(2, 2).read_text() == "no table"


def test_failed_rows_are_tried_again_on_request(folder, model):
    predict(model)
    before = read(part(1, 1))
    save("in/cut.jpg")
    assert predict(model, "--retry-failed") == 0
    after = read(part(1, 1))
    assert [row["path"] for row in before if row not in after] == ["in/cut.jpg"]
    assert len(after) == len(before) and next(row for row in after if row["path"] == "in/cut.jpg")["width"] == 64


MERGE = """
import resource, sys
from rotnet.cli.main import main
import pyarrow.parquet
resource.setrlimit(resource.RLIMIT_NOFILE, (150, 150))
sys.exit(main(["merge", "out", "-o", "all.parquet"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits open files as other systems do")
def test_more_tables_than_may_be_open_are_merged(folder):
    of = 230
    job = Job.begin("out", {"task": "predict", "inputs": ["in"], "options": {}}, of)
    for number in range(1, of + 1):
        rows = [{"path": f"{place:04}.png", "path_bytes": None} for place in (number, 2 * of - number)]
        write_table(job.table(Shard(number, of)), rows, job.manifest)
    names, environment = os.listdir(), {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", MERGE], capture_output=True, text=True, timeout=100, env=environment)
    assert done.returncode == 0, done.stderr
    paths = [row["path"] for row in read("all.parquet")]
    assert len(paths) == 2 * of and paths == sorted(paths)
    assert sorted(os.listdir()) == sorted([*names, "all.parquet"])


def test_merge_tells_what_is_missing_and_replaces_only_tables(folder, model, capsys):
    predict(model, "--shard", "2/3")
    assert main(["merge", "out", "-o", "all.parquet"]) == 2
    assert "lacks 2 of 3 shards: run --shard 1/3, 3/3 first" in capsys.readouterr().err
    for number in (1, 3):
        predict(model, "--shard", f"{number}/3")
    Path("mine").write_text("a diary")
    assert main(["merge", "out", "-o", "mine"]) == 2 and Path("mine").read_text() == "a diary"
    assert main(["merge", "out", "-o", str(part(1, 3))]) == 2
    assert main(["merge", "in", "-o", "all.parquet"]) == 2
    assert main(["merge", "out", "-o", "all.parquet"]) == main(["merge", "out", "-o", "all.parquet"]) == 0


def test_an_empty_shard_is_a_table_too(tmp_path, monkeypatch, model):
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    save("in/a.png")
    for number in range(1, 5):
        assert predict(model, "--shard", f"{number}/4") == 0
    assert main(["merge", "out", "-o", "all.parquet"]) == 0 and len(read("all.parquet")) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_no_text_keep_their_bytes(folder, model):
    os.rename(b"in/0/0.png", b"in/0/\xff.png")
    assert predict(model) == 0
    (row,) = (row for row in read(part(1, 1)) if row["path_bytes"])
    assert row["path_bytes"] == b"in/0/\xff.png" and row["path"] == "in/0/\\udcff.png" and row["error"] is None
    os.remove(b"in/0/\xff.png")


@pytest.mark.parametrize("more", [["--shard", "1/2"], ["--retry-failed"], ["-o", "out", "--format", "csv"]])
def test_options_that_make_no_sense_together(folder, model, more, capsys):
    assert main(["predict", "in", "--model", model, *more]) == 2
    assert "out" not in os.listdir()


def test_the_extra_is_named(folder, model, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert predict(model) == 1
    assert capsys.readouterr().err == (
        "rotnet: a Parquet table needs pyarrow, which is not installed: pip install 'rotnet[engines]'\n"
    )


def test_many_begin_at_once(folder, model):
    command = [sys.executable, "-m", "rotnet", "predict", "in", "--model", model, "-o", "out", "--shard"]
    runs = [subprocess.Popen([*command, f"{number}/4"]) for number in range(1, 5)]
    assert [run.wait(60) for run in runs] == [0] * 4
    assert main(["merge", "out", "-o", "all.parquet"]) == 0


def test_a_killed_shard_leaves_no_table_and_is_done_by_the_next(folder, model):
    predict(model, "--shard", "2/2")
    undisturbed = everything("out")
    command = [sys.executable, "-m", "rotnet", "predict", "in", "--model", model, "-o", "out", "--shard", "1/2"]
    for delay in np.linspace(0.2, 1.5, 5):
        run = subprocess.Popen(command)
        time.sleep(delay)
        run.send_signal(signal.SIGKILL)
        run.wait()
        if part(1, 2).exists():
            read(part(1, 2))
            part(1, 2).unlink()
    assert predict(model, "--shard", "1/2") == 0
    after = everything("out")
    assert undisturbed.items() <= after.items() and main(["merge", "out", "-o", "all.parquet"]) == 0


def test_manifest_of_a_later_version_is_refused(folder):
    os.mkdir("out")
    Path("out/manifest.json").write_text(json.dumps({"schema": 2}))
    with pytest.raises(UsageError, match="schema 2"):
        Job.open("out")


# Correct -------------------------------------------------------------------------------------------------------------


def correct(model, number, *more):
    return main(["correct", "in", "--model", model, "--report", "out", "--shard", f"{number}/3", *more])


def test_correct_in_shards_makes_the_same_files_and_rows(folder, model):
    assert main(["correct", "in", "--model", model, "-o", "whole", "--report", "whole.jsonl"]) == 1
    for number in (3, 1, 2):
        assert correct(model, number, "-o", "straight") == 0
    assert main(["merge", "out", "-o", "all.parquet"]) == 0
    assert {path[6:]: digest for path, digest in everything("whole").items()} == {
        path[9:]: digest for path, digest in everything("straight").items()
    }
    rows = {row["path"]: row for row in read("all.parquet")}
    for expected in map(json.loads, Path("whole.jsonl").read_text().splitlines()):
        row = rows.pop(expected["path"])
        expected = {name: value for name, value in expected.items() if name not in ("schema", "target")}
        assert {name: row[name] for name in expected} == expected
        assert row["target"] is None or os.path.exists(row["target"])
    assert not rows
    before = everything(".")
    assert correct(model, 1, "-o", "straight") == 0 and everything(".") == before


def test_in_place_each_picture_is_turned_once(folder, model):
    originals = everything("in")
    for number in (1, 2, 3, 1):
        assert correct(model, number, "--in-place", "--backup", ".orig") == 0
    for path, digest in everything("in").items():
        if path.endswith(".orig"):
            assert originals[path[: -len(".orig")]] == digest
    angles = {row.path: row.angle for row in predict_files("in", model=model) if row.error is None}
    assert all(min(angle, 360 - angle) < 1.5 for angle in angles.values()) and len(angles) == 26


def test_a_killed_correction_goes_on(folder, model):
    command = [sys.executable, "-m", "rotnet", "correct", "in", "--model", model, "--report", "out", "-o", "straight"]
    for delay in (0.5, 1.0, 1.5):
        run = subprocess.Popen([*command, "--shard", "2/3"])
        time.sleep(delay)
        run.kill()
        run.wait()
    for number in (1, 2, 3):
        assert correct(model, number, "-o", "straight") == 0
    assert main(["correct", "in", "--model", model, "-o", "whole"]) == 1
    assert sorted(path[6:] for path in everything("whole")) == sorted(path[9:] for path in everything("straight"))


@pytest.mark.parametrize("where", [["-o", "straight"], ["--in-place"]])
def test_the_journal_of_a_shard_removes_nothing_elsewhere(folder, model, capsys, where):
    victim = folder / f".rotnet-{'0' * 16}-0.part"
    victim.write_text("precious")
    lines = {"journal": 1, "run": "", "options": {}}, {"writing": "/a.png", "temporary": str(victim)}
    os.makedirs("out")
    Path("out/part-00001-of-00003.journal").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert correct(model, 1, *where) == 2
    assert "which rotnet does not make there" in capsys.readouterr().err and victim.exists()


def test_two_that_would_share_a_target_are_refused_by_every_shard(folder, model, capsys):
    save("more/0/0.png")
    command = ["correct", "in", "more", "--model", model, "-o", "straight", "--report", "out"]
    assert [main([*command, "--shard", f"{number}/3"]) for number in (1, 2, 3)] == [2, 2, 2]


@pytest.mark.parametrize("more", [[], ["--report", "out", "--preview", "page.html"]])
def test_correct_in_shards_needs_a_table(folder, model, more):
    assert main(["correct", "in", "--model", model, "-o", "straight", "--shard", "1/2", *more]) == 2
