"""Pictures come from folders, lists, tar files and clouds: the same rows, whichever way."""

import os
import tarfile
from pathlib import Path

import pytest
from trees import save

from rotnet.cli.main import main
from rotnet.engines import inputs
from rotnet.engines.inputs import find_sources, order_of, pictures_in, read_picture, source_of
from rotnet.engines.shards import Shard
from rotnet.errors import ImageError, RotNetError, UsageError


def table(model, *sources, shards=1, out="out"):
    """Rows by path of the merged table."""
    from rotnet.engines.tables import read_rows

    for number in range(1, shards + 1):
        assert main(["predict", *sources, "--model", model, "-o", out, "--shard", f"{number}/{shards}"]) == 0
    assert main(["merge", out, "-o", f"{out}.parquet"]) == 0
    rows = list(read_rows(Path(f"{out}.parquet")))
    assert [row["path"] for row in rows] == sorted(row["path"] for row in rows)
    return {row.pop("path"): row for row in rows}


def pack(path, members):
    """A tar file of those files, in that order."""
    with tarfile.open(path, "w") as tar:
        for member in members:
            tar.add(member, recursive=False)


def pictures():
    return sorted(str(path) for path in Path("in").rglob("*.*") if path.is_file() and "." not in path.stem)


def angles(rows):
    return {path: (row["angle"], row["width"], row["action"], row["error"] is None) for path, row in rows.items()}


# Lists ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["txt", "parquet"])
def test_a_list_is_what_it_names(folder, model, kind):
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [*map(str, find_sources(["in"])), "in/0/0.png"]
    if kind == "txt":
        Path("list.txt").write_text("\r\n".join(names) + "\n\n")
    else:
        pq.write_table(pa.table({"other": range(len(names)), "path": names}), "list.parquet")
    assert table(model, f"list.{kind}", shards=3) == table(model, "in", out="folder")


def test_a_table_is_a_list_too(folder, model):
    os.rename(b"in/0/0.png", b"in/0/\xff.png")
    expected = table(model, "in")
    assert table(model, "out.parquet", out="again") == expected


@pytest.mark.parametrize("content", [None, b"no table"])
def test_a_list_that_cannot_be_read_ends_the_run(folder, model, content, capsys):
    if content:
        Path("list.parquet").write_bytes(content)
    assert main(["predict", "list.parquet", "--model", model, "-o", "out"]) == 2
    assert "list.parquet cannot be read" in capsys.readouterr().err
    assert not list(Path("out").glob("part*"))


def test_a_list_without_paths_is_told(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"url": ["a"]}), "list.parquet")
    with pytest.raises(UsageError, match="no column path"):
        list(find_sources(["list.parquet"]))


# Tar files -----------------------------------------------------------------------------------------------------------


def test_pictures_of_tar_files_are_rows(folder, model):
    expected = angles(table(model, "in", out="folder"))
    whole = pictures()
    Path("label.cls").write_text("7")
    pack("shards-0.tar", ["label.cls", *whole[5::-1], "in/folder.jpg"])  # not in the order of their names
    pack("shards-1.tar", [*whole[6:], "in/link.jpg"])
    save("shards-0.tar-not.png")
    rows = table(model, "shards-*.tar", "shards-0.tar-not.png", shards=4)
    assert rows.pop("shards-0.tar-not.png")["error"] is None
    assert {path.partition("::")[2]: row for path, row in angles(rows).items()} == {
        path: row for path, row in expected.items() if path in whole
    }
    assert all(path.startswith(f"shards-{int(path.partition('::')[2] in whole[6:])}.tar::") for path in rows)


def test_a_tar_file_is_in_one_shard(folder):
    parts = [[name for name in find_sources(["a.tar"]) if Shard(number, 4).has(name)] for number in range(1, 5)]
    assert sorted(parts) == [[], [], [], [Path("a.tar")]]


def test_a_damaged_tar_file_costs_what_is_lost_and_is_read_again_on_request(folder, model):
    whole = pictures()
    pack("a.tar", whole)
    data = Path("a.tar").read_bytes()
    Path("a.tar").write_bytes(data[: len(data) // 2])
    rows = table(model, "a.tar", "b.tar")
    assert {path for path, row in rows.items() if row["error"]} >= {"a.tar::", "b.tar::"} and len(rows) > 4
    Path("a.tar").write_bytes(data)
    pack("b.tar", whole[:1])
    assert main(["predict", "a.tar", "b.tar", "--model", model, "-o", "out", "--retry-failed"]) == 0
    again = table(model, "a.tar", "b.tar")
    assert list(again) == [*(f"a.tar::{name}" for name in whole), f"b.tar::{whole[0]}"]


def test_the_last_of_two_members_of_a_name_counts(folder, model):
    pack("a.tar", ["in/0/0.png"])
    with tarfile.open("a.tar", "a") as tar:
        tar.add("in/1/1.png", "in/0/0.png")
    assert [round(row["angle"]) for row in table(model, "a.tar").values()] == [30]


def test_members_beyond_measure_are_refused(folder, monkeypatch):
    pack("a.tar", ["in/0/0.png"])
    monkeypatch.setattr(inputs, "MAX_BYTES", 10)
    ((name, picture),) = pictures_in("a.tar")
    with pytest.raises(ImageError, match="more than 10 bytes"):
        read_picture(picture)


def test_hostile_tar_files_are_rows_with_errors(tmp_path):
    info = tarfile.TarInfo("a.png")
    info.size = 512
    valid = info.tobuf() + bytes(512)
    backwards = bytearray(valid)
    backwards[124:136] = b"\xff" * 10 + b"\xfc\x00"  # a size of -1024 in base 256
    backwards[148:156] = b" " * 8
    backwards[148:156] = b"%06o\0 " % sum(backwards[:512])
    for number, data in enumerate([b"", b"\0" * 511, bytes(backwards), valid[:700], valid * 2 + b"\xff" * 512]):
        path = tmp_path / f"{number}.tar"
        path.write_bytes(data)
        for _, picture in pictures_in(path):
            try:
                assert isinstance(read_picture(picture), bytes)
            except ImageError:
                pass


@pytest.mark.parametrize("name", ["a.jpg", "s3://b/a.tar::x/y.jpg", "a.tar::", "a.tar::b.tar::c.jpg"])
def test_source_of_a_name(name):
    assert str(source_of(name)) == name.partition("::")[0]
    assert order_of(source_of(name)) <= os.fsencode(name)


# Clouds --------------------------------------------------------------------------------------------------------------


def upload(files, root):
    """Copy files to an address, by fsspec or into S3."""
    from rotnet.engines.inputs import file_system

    for name in files:
        system, _, path = file_system(f"{root}/{name}")
        system.create_dir(path.rpartition("/")[0])
        with system.open_output_stream(path) as stream:
            stream.write(Path(name).read_bytes())


@pytest.mark.parametrize("cloud", ["memory", "s3"])
def test_a_cloud_is_read_like_a_disk(folder, model, cloud, request):
    root = request.getfixturevalue(cloud)
    whole = pictures()
    save("in/a b%20ü.png")
    expected = angles(table(model, "in", out="folder"))
    pack("shards-0.tar", whole[:4])
    pack("shards-1.tar", whole[4:6])
    Path("list.txt").write_text(f"{root}/in/0/0.png\n{root}/in/lost.png\n{root}/shards-1.tar\n")
    upload([*whole, "in/a b%20ü.png", "shards-0.tar", "shards-1.tar", "list.txt"], root)

    below = angles(table(model, f"{root}/in", shards=2))
    assert below == {f"{root}/{path}": row for path, row in expected.items() if f"{root}/{path}" in below}
    assert len(below) == len(whole) + 1
    assert angles(table(model, f"{root}/in/0/0.png", out="one")) == {f"{root}/in/0/0.png": expected["in/0/0.png"]}
    tars = angles(table(model, f"{root}/shards-*.tar", out="tars"))
    assert {path.partition("::")[2]: row for path, row in tars.items()} == {path: expected[path] for path in whole[:6]}
    listed = table(model, f"{root}/list.txt", out="listed")
    assert len(listed) == 4 and "cannot be read" in listed[f"{root}/in/lost.png"]["error"]


@pytest.mark.parametrize("address", ["nonsense://photos", "memory://nowhere/at-all"])
def test_what_cannot_be_listed_ends_the_run(memory, address):
    pytest.importorskip("pyarrow")
    with pytest.raises(RotNetError, match="cannot be"):
        list(find_sources([address]))


def test_a_list_keeps_names_that_are_no_text(tmp_path):
    path = tmp_path / "list.txt"
    for mark in (b"", b"\xef\xbb\xbf"):  # which some editors put before text
        path.write_bytes(mark + b"\xff.jpg\n")
        assert [os.fsencode(name) for name in find_sources([path])] == [b"\xff.jpg"]
