"""Plans in Parquet: shards decide, a person looks, and shards carry out what was decided, nothing else."""

import json
import os
import sys
from pathlib import Path

import pytest
from trees import everything, save

from rotnet.cli.main import main


def plan(model, *more, shards=3):
    for number in range(1, shards + 1):
        command = ["correct", "in", "--model", model, "--dry-run", "--report", "plans", "--shard", f"{number}/{shards}"]
        assert main([*command, *(more or ("-o", "straight"))]) == 0
    assert main(["merge", "plans", "-o", "plan.parquet"]) == 0


def apply(number, of, *more):
    return main(["apply", "plan.parquet", "--shard", f"{number}/{of}", "--report", f"report-{number}.jsonl", *more])


def below(folder):
    return {path.partition("/")[2]: digest for path, digest in everything(folder).items()}


def test_shards_of_a_plan_make_what_correct_makes(folder, model):
    assert main(["correct", "in", "--model", model, "-o", "whole", "--report", "whole.jsonl"]) == 1
    plan(model)
    assert not os.path.exists("straight")
    assert [apply(number, 2) for number in (2, 1)] == [0, 0]  # as many as there are machines now
    assert below("straight") == below("whole")
    expected = {row["path"]: row for row in map(json.loads, Path("whole.jsonl").read_text().splitlines())}
    rows = [json.loads(line) for number in (1, 2) for line in Path(f"report-{number}.jsonl").read_text().splitlines()]
    for row in rows:
        assert {**row, "target": None} == {**expected[row["path"]], "target": None}
    assert len(rows) == len(below("straight"))
    assert apply(1, 2) == 2 and apply(1, 2, "--resume") == 0


def test_in_place_and_as_a_whole(folder, model):
    before = everything("in")
    plan(model, "--in-place", "--backup", ".orig", shards=1)
    assert main(["apply", "plan.parquet"]) == 0
    after = everything("in")
    kept = {path.removesuffix(".orig"): digest for path, digest in after.items() if path.endswith(".orig")}
    assert len(kept) == 13 and kept.items() <= before.items()


def test_a_picture_that_has_changed_is_left(folder, model, capsys):
    plan(model, shards=1)
    save("in/0/0.png", 100.0)
    assert main(["apply", "plan.parquet"]) == 1
    assert "in/0/0.png has changed" in capsys.readouterr().err and not os.path.exists("straight/0/0.png")


def test_an_empty_shard_is_fine(folder, model, capsys):
    plan(model, shards=1)
    assert {apply(number, 99) for number in range(1, 100)} == {0}
    assert "no picture of this shard" in capsys.readouterr().out and len(below("straight")) == 14


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_no_text_are_kept(folder, model):
    os.rename(b"in/0/0.png", b"in/0/\xff.png")
    plan(model, shards=1)
    assert main(["apply", "plan.parquet"]) == 0
    assert os.path.exists(b"straight/0/\xff.png")


def test_a_table_that_is_no_plan_is_refused(folder, model, capsys):
    import pyarrow.parquet as pq

    assert main(["predict", "in", "--model", model, "-o", "out"]) == 0
    assert main(["apply", "out/part-00001-of-00001.parquet"]) == 2
    assert "is of rotnet predict" in capsys.readouterr().err
    Path("none.parquet").write_text("none")
    assert main(["apply", "none.parquet"]) == 2
    plan(model, shards=1)
    table = pq.read_table("plan.parquet")
    manifest = json.loads(table.schema.metadata[b"rotnet"])
    for job in [{**manifest["job"], "options": {}}, {"task": "plan"}, 7]:
        pq.write_table(table.replace_schema_metadata({"rotnet": json.dumps({**manifest, "job": job})}), "odd.parquet")
        assert main(["apply", "odd.parquet"]) == 2
    for name, value in {"path": None, "target": "elsewhere/other.png", "sha256": "", "angle": 1e308}.items():
        rows = [{**row, name: value if index == 5 else row[name]} for index, row in enumerate(table.to_pylist())]
        if name == "sha256":
            rows = [{**row, "sha256": None} for row in rows]
        pq.write_table(type(table).from_pylist(rows, schema=table.schema), "odd.parquet")
        assert main(["apply", "odd.parquet"]) == 2, name
    pq.write_table(type(table).from_pylist(table.to_pylist() * 2, schema=table.schema), "odd.parquet")
    assert main(["apply", "odd.parquet"]) == 2
    assert "a second time" in capsys.readouterr().err and not os.path.exists("straight")


def test_a_shard_of_json_lines_is_refused(folder, model, capsys):
    Path("plan.jsonl").touch()
    assert main(["apply", "plan.jsonl", "--shard", "1/2"]) == 2
    assert "--shard is for Parquet tables" in capsys.readouterr().err
