"""Copies in a cloud: those that the same plan makes on a disk, each whole or not there."""

import json
import os
from pathlib import Path

import pytest
from trees import everything, save

from rotnet.cli.main import main
from rotnet.engines import uploads
from rotnet.engines.inputs import file_system
from rotnet.errors import OutputError

CLOUDS = ["kept", "memory", "s3"]


@pytest.fixture
def cloud(request):
    return request.getfixturevalue(getattr(request, "param", "kept"))


def plan(model, *more):
    assert main(["correct", "in", "--model", model, "--dry-run", "--report", "plan.jsonl", *more]) in (0, 1)


def apply(to, *more):
    return main(["apply", "plan.jsonl", "--to", to, "--report", "report.jsonl", *more])


def objects(to):
    """What is below an address, by name."""
    from pyarrow.fs import FileSelector

    system, _, folder = file_system(to)
    found = system.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
    files = {}
    for one in found:
        if one.is_file:
            with system.open_input_stream(one.path) as stream:
                files[one.path[one.path.index(folder) + len(folder) + 1 :]] = stream.read()
    return files


def put(address, data):
    system, _, path = file_system(address)
    system.create_dir(os.path.dirname(path))
    with system.open_output_stream(path) as stream:
        stream.write(data)


def here(folder):
    return {str(path): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.mark.parametrize("cloud", CLOUDS, indirect=True)
def test_a_cloud_gets_what_a_disk_gets(folder, model, cloud):
    Path("in/0/0.xmp").write_text("<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    plan(model, "-o", "straight")
    before = everything("in")
    to = f"{cloud}/2024"
    assert apply(to) == 0
    assert not os.path.exists("straight") and everything("in") == before
    rows = [json.loads(line) for line in Path("report.jsonl").read_text().splitlines()]
    assert main(["apply", "plan.jsonl"]) == 0
    expected = here("straight")
    assert "straight/0/0.xmp" in expected and objects(to) == expected
    assert {row["target"] for row in rows} == {f"{to}/{name}" for name in expected if not name.endswith(".xmp")}
    assert {row["action"] for row in rows} >= {"turned", "upright"}


def test_a_run_that_was_stopped_goes_on(folder, model, cloud, monkeypatch, capsys):
    plan(model, "-o", "straight")
    sent = []

    def send(file, address, *, overwrite, upload=uploads.upload):
        if len(sent) == 3:
            raise KeyboardInterrupt
        sent.append(address)
        upload(file, address, overwrite=overwrite)

    with monkeypatch.context() as patch:
        patch.setattr(uploads, "upload", send)
        assert apply(cloud, "--jobs", "1") == 130
    first = objects(cloud)
    assert len(first) == 3
    monkeypatch.setattr(
        uploads, "upload", lambda *args, upload=uploads.upload, **o: sent.append(args[1]) or upload(*args, **o)
    )
    assert apply(cloud, "--resume") == 0
    assert main(["apply", "plan.jsonl"]) == 0
    assert objects(cloud) == here("straight") and len(sent) == len(set(sent)) == len(here("straight"))
    assert apply(cloud) == 0, "what is there as it should be is left"


def test_another_object_stays_unless_it_may_be_replaced(folder, model, cloud, capsys):
    plan(model, "-o", "straight")
    put(f"{cloud}/straight/0/0.png", b"a diary")
    assert apply(cloud) == 1
    assert f"{cloud}/straight/0/0.png is there already" in capsys.readouterr().err
    assert objects(cloud)["straight/0/0.png"] == b"a diary" and len(objects(cloud)) > 10
    assert apply(cloud, "--overwrite") == 0
    assert main(["apply", "plan.jsonl"]) == 0
    assert objects(cloud) == here("straight")


@pytest.mark.parametrize("cloud", CLOUDS, indirect=True)
def test_what_arrives_otherwise_gets_no_name(folder, cloud, monkeypatch):
    Path("a.bin").write_bytes(bytes(20 << 20))  # large enough for several parts
    put(f"{cloud}/large/a.bin", b"before")
    write = uploads._write
    monkeypatch.setattr(uploads, "_write", lambda system, path, data: write(system, path, data[:-1] + b"x"))
    with pytest.raises(OutputError, match="did not arrive as it was sent"):
        uploads.upload(Path("a.bin"), f"{cloud}/large/a.bin", overwrite=True)
    assert objects(f"{cloud}/large") == {"a.bin": b"before"}
    monkeypatch.setattr(uploads, "_write", write)
    uploads.upload(Path("a.bin"), f"{cloud}/large/a.bin", overwrite=True)
    assert objects(f"{cloud}/large") == {"a.bin": bytes(20 << 20)}


def test_what_cannot_be_sent_fails_alone(folder, model, cloud, monkeypatch, capsys):
    plan(model, "-o", "straight")

    def write(system, path, data, write=uploads._write, failed=[]):  # noqa: B006
        if not failed:
            failed.append(path)
            write(system, path, data[:10])
            raise OSError("the line is down")
        write(system, path, data)

    monkeypatch.setattr(uploads, "_write", write)
    assert apply(cloud) == 1
    assert "cannot be written: the line is down" in capsys.readouterr().err
    assert main(["apply", "plan.jsonl"]) == 0
    there, expected = objects(cloud), here("straight")
    assert there.items() < expected.items() and len(there) == len(expected) - 1


def test_changed_pictures_are_not_sent(folder, model, cloud, capsys):
    plan(model, "-o", "straight")
    save("in/0/0.png", 100.0)
    assert apply(cloud) == 1
    assert "in/0/0.png has changed" in capsys.readouterr().err and "straight/0/0.png" not in objects(cloud)


@pytest.mark.parametrize("to", ["elsewhere", "file:///tmp/out", "s3://", "local://out"])
def test_only_clouds_are_written_to(folder, model, to, capsys):
    plan(model, "-o", "straight")
    before = everything(".")
    assert apply(to) == 2
    assert "--to must be an address in a cloud" in capsys.readouterr().err and everything(".") == before


def test_nothing_is_done_in_place_or_above(folder, model, cloud, capsys):
    plan(model, "--in-place")
    assert apply(cloud) == 2
    assert "was planned in place" in capsys.readouterr().err
    plan(model, "-o", "../straight")
    assert apply(cloud) == 2
    assert "above the folder of the plan" in capsys.readouterr().err and objects(cloud) == {}
