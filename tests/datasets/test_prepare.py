"""A messy folder becomes a data set: what is left out says why, no group falls apart, and the source stays as it is."""

import csv
import io
import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from compass import compass_onnx, crooked
from hypothesis import example, given
from hypothesis import strategies as st
from pictures import encoded, exif_with
from PIL import Image

from rotnet.cli.main import main
from rotnet.datasets import split_photos
from rotnet.datasets.prepare import Settings, dataset, prepare
from rotnet.datasets.prepare.duplicates import clusters, find_duplicates, near_pairs, perceptual_hash
from rotnet.datasets.prepare.journal import Journal
from rotnet.datasets.prepare.splitting import assign_splits, group_of
from rotnet.errors import MissingExtraError, OutputError, UsageError
from rotnet.inference.presets import sha256

pytest.importorskip("imagehash")
SMALL = Settings(min_side=32, short_side=48)


def scene(seed, height=96, width=128):
    """A picture unlike those of other seeds: few, soft patches of colour."""
    patches = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC))


def save(path, image, **options):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **options)


@pytest.fixture
def messy(tmp_path, monkeypatch):
    """Twelve different pictures in three folders, three copies of one of them, and much that is of no use."""
    monkeypatch.chdir(tmp_path)
    for number in range(12):
        save(f"in/{'abc'[number % 3]}/{number}.png", scene(number))
    save("in/small-copy.jpg", scene(0, 60, 80), quality=60)
    save("in/c/copy.jpg", scene(0), quality=50)
    shutil.copy("in/a/0.png", "in/c/same.png")
    save("in/tiny.png", scene(20, 20, 90))
    Path("in/text.jpg").write_text("no picture")
    Path("in/cut.png").write_bytes(Path("in/a/0.png").read_bytes()[:500])
    Path("in/empty.webp").touch()
    os.symlink("nowhere", "in/broken.jpg")
    os.mkfifo("in/pipe.jpg")
    Path("in/notes.txt").write_text("never looked at")
    return Path("in")


def listing(folder):
    """Paths, contents and times of a folder."""
    return {
        path: (path.read_bytes() if path.is_file() else None, path.lstat().st_mtime_ns)
        for path in sorted(Path(folder).rglob("*"))
    }


def manifest(folder="out"):
    with open(Path(folder, "manifest.csv"), newline="") as lines:
        return {row["source"]: row for row in csv.DictReader(lines)}


def test_a_messy_folder_becomes_a_data_set(messy):
    before = listing(messy)
    rows = prepare("in", "out", SMALL)
    assert listing(messy) == before
    reasons = {row.source: row.reason.partition(":")[0] for row in rows if row.reason}
    assert reasons == {
        "c/copy.jpg": "near-duplicate",
        "c/same.png": "near-duplicate",
        "small-copy.jpg": "near-duplicate",
        "tiny.png": "too small",
        **dict.fromkeys(["broken.jpg", "cut.png", "empty.webp", "pipe.jpg", "text.jpg"], "unreadable"),
    }
    assert Counter(row.split for row in rows if not row.reason) == {"train": 10, "val": 1, "test": 1}
    written = {path.relative_to("out").as_posix() for path in Path("out").rglob("*.jpg")}
    assert written == {row.path for row in rows if row.split}


def test_manifest_tells_of_the_files(messy):
    prepare("in", "out", SMALL)
    rows = manifest()
    assert len(rows) == 21
    for row in rows.values():
        if row["split"]:
            path = Path("out", row["path"])
            with Image.open(path) as picture:
                assert picture.size == (int(row["width"]), int(row["height"])) == (64, 48)
            assert not row["reason"]
        else:
            path = Path("in", row["path"])
            assert row["reason"] and row["path"] == row["source"]
        if path.is_file():
            assert (row["sha256"], int(row["size"])) == (sha256(path), path.stat().st_size)


def test_training_takes_it(messy):
    rows = prepare("in", "out", SMALL)
    split = split_photos("out")
    assert sorted(split.train) == sorted(Path("out", row.path) for row in rows if row.split == "train")
    assert [path.is_file() for path in split.val] == [True]


def test_exif_orientation_is_applied_and_nothing_is_enlarged(tmp_path):
    Image.fromarray(crooked(90.0)).save(tmp_path / "turned.jpg", exif=exif_with(6))
    Image.fromarray(crooked(0.0, 40, 60)).save(tmp_path / "small.png")
    rows = prepare(tmp_path, tmp_path / "out", Settings(min_side=8, val_share=0, test_share=0))
    assert {row.source: (row.width, row.height) for row in rows} == {"small.png": (60, 40), "turned.jpg": (48, 64)}
    with Image.open(tmp_path / "out" / "turned.jpg") as picture:
        assert not picture.getexif()
        gray = np.asarray(picture.convert("L"), float)
    assert gray[0].mean() > gray[-1].mean() + 50


@pytest.mark.parametrize(
    ("settings", "size"), [({}, (80, 60)), ({"crop_center": True}, (60, 60)), ({"short_side": None}, (160, 120))]
)
def test_scaling_and_crop(tmp_path, settings, size):
    save(tmp_path / "in" / "a.png", scene(0, 120, 160))
    row = prepare(tmp_path / "in", tmp_path / "out", Settings(**{"short_side": 60, "min_side": 8, **settings}))[0]
    assert (row.width, row.height) == size


def test_scaling_does_not_fold_detail_back(tmp_path):
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 255
    save(tmp_path / "in" / "a.png", stripes)
    prepare(tmp_path / "in", tmp_path / "out", Settings(short_side=90, min_side=8))
    with Image.open(tmp_path / "out" / "a.png.jpg") as picture:
        inner = np.asarray(picture)[5:-5, 5:-5]
    assert inner.min() > 110 and inner.max() < 145


def test_pictures_that_are_not_upright_are_listed_for_review(tmp_path):
    model = str(compass_onnx(tmp_path / "compass.onnx"))
    for angle in (0, 90, 180):
        save(tmp_path / "in" / f"{angle}.png", crooked(float(angle)))
    settings = Settings(min_side=8, distance=None, model=model, val_share=0, test_share=0)
    rows = prepare(tmp_path / "in", tmp_path / "out", settings)
    assert [row.split for row in rows] == ["train", "", ""]
    assert all(row.reason.startswith("not upright: turned by ") for row in rows[1:])
    with open(tmp_path / "out" / "review.csv", newline="") as lines:
        review = list(csv.DictReader(lines))
    assert {row["path"] for row in review} == {"90.png", "180.png"}
    assert {round(float(row["angle"]) / 10) for row in review} == {9, 18}
    assert [float(row["upright"]) for row in review] == sorted(float(row["upright"]) for row in review)
    again = prepare(tmp_path / "in", tmp_path / "out", settings)
    assert again == rows


# Going on -------------------------------------------------------------------------------------------------------------


def test_an_interrupted_run_goes_on(messy, monkeypatch):
    prepare("in", "whole", SMALL)
    left = 5

    def fail(image, path):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        write(image, path)

    write = dataset.writing.write
    monkeypatch.setattr(dataset.writing, "write", fail)
    with pytest.raises(KeyboardInterrupt):
        prepare("in", "out", SMALL)
    assert not Path("out/manifest.csv").exists()
    Path("out/journal.jsonl").write_text(Path("out/journal.jsonl").read_text() + '{"kind": "look", "na')
    Path("out/b/.rotnet-0123456789abcdef.part").touch()  # as a kill leaves it
    seen, done = [], []
    look = dataset._seen
    monkeypatch.setattr(dataset, "_seen", lambda *asked: seen.append(asked[0]) or look(*asked))
    monkeypatch.setattr(dataset.writing, "write", lambda image, path: done.append(path) or write(image, path))
    prepare("in", "out", SMALL)
    unreadable = {"text.jpg", "cut.png", "empty.webp", "broken.jpg", "pipe.jpg"}  # which may have been mended
    assert {path.name for path in seen} == unreadable
    assert 0 < len(done) < 12 and not list(Path("out").rglob("*.part"))
    assert Path("out/manifest.csv").read_bytes() == Path("whole/manifest.csv").read_bytes()
    assert {path.name: path.read_bytes() for path in Path("out").rglob("*.jpg")} == {
        path.name: path.read_bytes() for path in Path("whole").rglob("*.jpg")
    }


def test_what_could_not_be_read_once_is_looked_at_again(messy, monkeypatch):
    def fail(*_, **__):
        raise MemoryError("for now")

    with monkeypatch.context() as patch:
        patch.setattr(dataset, "perceptual_hash", fail)
        assert all("for now" in row.reason for row in prepare(messy, "out", SMALL) if row.source.startswith("a/"))
    assert any(row.split for row in prepare(messy, "out", SMALL))


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no text")
def test_names_that_are_no_text_are_prepared_and_taken(tmp_path):
    for number in range(12):
        save(os.fsdecode(os.fsencode(tmp_path / "in") + b"/\xff%d.png" % number), scene(number))
    prepare(tmp_path / "in", tmp_path / "out", SMALL)
    split = split_photos(tmp_path / "out")
    assert len(split.train) > 5 and all(path.is_file() for path in (*split.train, *split.val))


def test_a_name_too_long_for_the_new_extension_is_told(tmp_path):
    save(tmp_path / "in" / f"{'a' * 249}.png", scene(0))
    save(tmp_path / "in" / "b.png", scene(1))
    rows = {row.source: row for row in prepare(tmp_path / "in", tmp_path / "out", SMALL)}
    assert rows["b.png"].split and "its name is too long" in rows[f"{'a' * 249}.png"].reason


def test_a_finished_run_writes_nothing_again(messy):
    rows = prepare("in", "out", SMALL)
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.jpg")}
    assert prepare("in", "out", SMALL) == rows
    assert {path: path.stat().st_mtime_ns for path in Path("out").rglob("*.jpg")} == before


def test_changed_sources_and_settings_are_seen(messy):
    prepare("in", "out", SMALL)
    Path("in/b/1.png").unlink()
    save("in/a/3.png", scene(99))
    Path("out/b/4.png.jpg").unlink()
    rows = {row.source: row for row in prepare("in", "out", Settings(min_side=32, short_side=40))}
    assert "b/1.png" not in rows and not Path("out/b/1.png.jpg").exists()
    assert Path("out/b/4.png.jpg").exists() and rows["a/3.png"].height == 40


def test_results_inside_the_source_are_not_prepared_again(messy):
    rows = prepare("in", "in/out", SMALL)
    assert prepare("in", "in/out", SMALL) == rows


@pytest.mark.parametrize(
    ("folder", "output", "message"),
    [
        ("in", "in", "lie among the results"),
        ("in/a", "in", "lie among the results"),
        ("nowhere", "out", "no such folder"),
        ("empty", "out", "no pictures"),
        ("in", "used", "holds other files"),
        ("in/b", "prepared", "from another folder"),
    ],
)
def test_folders_that_do_not_go_together(messy, folder, output, message):
    os.mkdir("empty")
    os.mkdir("used")
    Path("used/a.jpg").touch()
    prepare("in/a", "prepared", SMALL)
    with pytest.raises(UsageError, match=message):
        prepare(folder, output, SMALL)


def test_two_pictures_never_share_a_name(tmp_path):
    save(tmp_path / "in" / "a.png", scene(0))
    save(tmp_path / "in" / "a.png.jpg", scene(1))
    with pytest.raises(UsageError, match="both become a.png.jpg"):
        prepare(tmp_path / "in", tmp_path / "out", SMALL)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tolerance": 500.0},
        {"min_side": 0},
        {"short_side": -1},
        {"group": "size"},
        {"pattern": "("},
        {"distance": 16},
        {"val_share": 0.5, "test_share": 0.5},
        {"val_share": -0.1},
    ],
)
def test_settings_out_of_range(wrong):
    with pytest.raises(UsageError, match="Received"):
        Settings(**wrong)


def test_without_imagehash_it_says_what_to_install(messy, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagehash", None)
    with pytest.raises(MissingExtraError, match=r"rotnet\[prepare\]"):
        prepare("in", "out", SMALL)
    assert not Path("out").exists()
    prepare("in", "out", Settings(min_side=32, distance=None))


# Duplicates -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2**64 - 1), max_size=12, unique=True), st.integers(0, 15), st.randoms())
def test_near_pairs_are_all_and_only_those(hashes, distance, random):
    near = [value ^ sum(1 << bit for bit in random.sample(range(64), distance)) for value in hashes]
    values = list(dict.fromkeys([*hashes, *near]))
    expected = [
        (one, other)
        for other in range(len(values))
        for one in range(other)
        if bin(values[one] ^ values[other]).count("1") <= distance
    ]
    assert near_pairs(np.array(values, np.uint64), distance) == sorted(expected)


def test_chains_of_duplicates_keep_what_is_different():
    chain = [0b0, 0b11, 0b1111, 0b111111]
    standing, cluster = find_duplicates(chain, 2)
    assert standing == [0, 0, 2, 2] and cluster == [0, 0, 0, 0]
    assert find_duplicates([7, 7, 7], 0) == ([0, 0, 0], [0, 0, 0])
    assert find_duplicates([], 6) == ([], [])


def test_mirrored_hashes_are_found_whichever_comes_first():
    hashes, mirrored = [0b00001111, 0b11110001, 0b10100101], [0b11110000, 0b10001111, 0b10100101]
    assert find_duplicates(hashes, 1)[0] == [0, 1, 2]
    assert find_duplicates(hashes, 1, mirrored) == ([0, 0, 2], [0, 0, 2])
    assert find_duplicates(hashes[::-1], 1, mirrored[::-1]) == ([0, 1, 1], [0, 1, 1])


@pytest.mark.parametrize("kind", ["mirrored", "brightened", "darkened", "both"])
def test_an_edited_copy_is_left_out_and_the_better_one_kept(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    original = scene(3).astype(float)
    brightened, darkened = np.minimum(original * 1.4, 255), np.maximum(original - 50, 0)
    edited = {"mirrored": original, "brightened": brightened, "darkened": darkened, "both": brightened}[kind]
    if kind in ("mirrored", "both"):
        edited = edited[:, ::-1]
    save("in/z.png", scene(3))
    # a mirror image is as good as the other, so the one that is less compressed is kept
    save("in/a.jpg" if kind == "mirrored" else "in/a.bmp", edited.astype(np.uint8))
    save("in/other.png", scene(4))
    reasons = {row.source: row.reason for row in prepare("in", "out", SMALL) if row.reason}
    assert list(reasons.values()) == ["near-duplicate: of z.png"]
    assert kind == "mirrored" or Path("in/a.bmp").stat().st_size > Path("in/z.png").stat().st_size


def test_clusters_are_connected_components():
    assert clusters(6, [(4, 5), (1, 3), (3, 5)]) == [0, 1, 2, 1, 1, 1]


def test_hash_survives_scaling_and_compression_and_tells_scenes_apart():
    hashes = [perceptual_hash(scene(seed, 400, 600)) for seed in range(20)]
    for seed, value in enumerate(hashes):
        small = Image.open(io.BytesIO(encoded(scene(seed, 80, 120), "JPEG", quality=50)))
        assert bin(value ^ perceptual_hash(np.asarray(small))).count("1") <= 6
    assert near_pairs(np.array(hashes, np.uint64), 10) == []


# Splitting ------------------------------------------------------------------------------------------------------------


@example([1, 1, 6], 0.25, 0.25, 0)
@given(
    st.lists(st.integers(1, 6), min_size=3, max_size=60),
    st.floats(0.05, 0.3),
    st.floats(0.05, 0.3),
    st.integers(0, 5),
)
def test_groups_stay_together_and_shares_are_met(sizes, val, test, seed):
    groups = [f"group {number}" for number, size in enumerate(sizes) for _ in range(size)]
    splits = assign_splits(groups, val_share=val, test_share=test, seed=seed)
    assert len({(group, split) for group, split in zip(groups, splits, strict=True)}) == len(sizes)
    counts = Counter(splits)
    assert set(counts) == {"train", "val", "test"}
    largest = max(sizes)
    assert abs(counts["val"] - val * len(groups)) <= largest
    assert abs(counts["test"] - test * len(groups)) <= largest


def test_seed_decides_and_further_pictures_hardly_matter():
    groups = [str(number) for number in range(300)]
    shares = {"val_share": 0.1, "test_share": 0.1}
    first = assign_splits(groups, **shares)
    assert first == assign_splits(groups, **shares)
    assert first != assign_splits(groups, seed=1, **shares)
    more = assign_splits([*groups, "new"], **shares)
    assert sum(one != other for one, other in zip(first, more, strict=False)) <= 2


def test_no_share_and_no_second_group():
    assert assign_splits(["a", "b"], val_share=0, test_share=0) == ["train", "train"]
    assert assign_splits(["a", "a"], val_share=0.5, test_share=0) == ["train", "train"]


def test_group_by_folder_and_by_pattern(messy):
    folders = {"group": "folder", "val_share": 0.3, "test_share": 0.3}
    rows = [row for row in prepare("in", "out", Settings(min_side=32, short_side=48, **folders)) if row.split]
    assert {row.group for row in rows} == {"a", "b", "c"}
    assert len({(row.group, row.split) for row in rows}) == 3
    rows = prepare("in", "out", Settings(min_side=32, short_side=48, pattern=r"/(\d)"))
    assert {row.group for row in rows if row.split} == set("0123456789")


def test_group_of_names_without_a_match():
    assert group_of("a/b.jpg", r"\d+") == "a/b.jpg" and group_of("a/12.jpg", r"\d+") == "12"
    assert group_of("a.jpg", None) == "."


# The command and its journal ------------------------------------------------------------------------------------------


def test_command(messy, capsys):
    command = ["prepare", "in", "-o", "out", "--min-side", "32", "--short-side", "0", "--keep-duplicates"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    kept, left_out = out.splitlines()
    assert kept.split() == ["kept", "15:", "13", "train,", "1", "test,", "1", "val"]
    assert left_out.split() == ["left", "out", "6:", "5", "unreadable,", "1", "too", "small"]
    assert err == ""
    with Image.open("out/a/0.png.jpg") as picture:
        assert picture.size == (128, 96)


def test_command_asks_the_model(messy, tmp_path, capsys):
    model = str(compass_onnx(tmp_path / "compass.onnx"))
    save("up/0.png", crooked(0.0))
    save("up/1.png", crooked(180.0))
    assert main(["prepare", "up", "-o", "out", "--upright", "--model", model, "--min-side", "8"]) == 0
    assert "1 not upright" in capsys.readouterr().out
    assert main(["prepare", "up", "-o", "other", "--upright", "--model", "nowhere.onnx"]) == 1
    assert not Path("other").exists()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--model", "mine.onnx"], "say --upright as well"),
        (["--tolerance", "5"], "say --upright as well"),
        (["--keep-duplicates", "--distance", "3"], "leave out one of them"),
    ],
)
def test_options_that_would_do_nothing_are_refused(messy, capsys, more, sentence):
    assert main(["prepare", "in", "-o", "out", *more]) == 2
    assert sentence in capsys.readouterr().err and not Path("out").exists()


def look(width):
    numbers = dict.fromkeys(("size", "height", "hash", "mirrored", "clipped", "angle", "confidence"), 1)
    return {**numbers, "width": width, "sha256": "", "error": None, "upright": None}


def test_journal_keeps_the_last_and_forgets_what_is_cut_short(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.record("look", "a\udcff\n.jpg", [1], look(2))
        journal.record("look", "b", [1], look(2))
        journal.record("look", "b", [2], look(3))
    path.write_bytes(path.read_bytes() + b'{"kind": "look", "name": "c')
    with Journal(path) as journal:
        assert journal.recall("look", "a\udcff\n.jpg", [1]) == look(2)
        assert journal.recall("look", "b", [1]) is None and journal.recall("look", "b", [2]) == look(3)
        journal.record("source", "c", [], {})
    with Journal(path) as journal:
        assert journal.names("source") == {"c"} and journal.names("look") == {"a\udcff\n.jpg", "b"}


ENTRY = {"kind": "look", "name": "a", "key": [1], "facts": look(2)}


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        *(
            json.dumps(one)
            for one in (
                [],
                {**ENTRY, "kind": []},
                {**ENTRY, "kind": "other"},
                {**ENTRY, "name": 5},
                {**ENTRY, "key": {}},
                {**ENTRY, "facts": None},
                {**ENTRY, "facts": {}},
                {**ENTRY, "facts": look("wide")},
                {**ENTRY, "facts": look(10**30)},
                {**ENTRY, "facts": {**look(2), "upright": float("nan")}},
                {**ENTRY, "facts": {**look(2), "more": 1}},
            )
        ),
    ],
)
def test_journal_lines_that_no_run_writes_are_not_known(tmp_path, line):
    path = tmp_path / "journal.jsonl"
    path.write_text(line)
    with Journal(path) as journal:
        assert journal.recall("look", "a", [1]) is None and not journal.names("look")


def made(name):
    facts = {"sha256": "", "size": 1, "width": 1, "height": 1}
    return json.dumps({"kind": "write", "name": name, "key": [], "facts": facts}) + "\n"


@pytest.mark.parametrize(
    "name", ["../victim.jpg", "sub/../../victim.jpg", "/tmp/victim.jpg", "notes.txt", "link/victim.jpg"]
)
def test_a_journal_removes_no_foreign_file(messy, name):
    prepare(messy, "out", SMALL)
    os.mkdir("else")
    for victim in ("victim.jpg", "out/notes.txt", "else/victim.jpg"):
        Path(victim).write_text("precious")
    os.symlink("../else", "out/link")
    with open("out/journal.jsonl", "a") as file:
        file.write(made(name))
    before = listing(".")
    with pytest.raises(UsageError, match=r"journal\.jsonl names .*, which no run makes"):
        prepare(messy, "out", SMALL)
    assert listing(".").keys() == before.keys()
    assert all(Path(victim).exists() for victim in ("victim.jpg", "out/notes.txt", "else/victim.jpg"))


def test_nothing_is_written_through_a_link_out_of_the_folder(messy):
    prepare(messy, "out", SMALL)
    shutil.rmtree("out/a")
    os.mkdir("else")
    os.symlink("../else", "out/a")
    with pytest.raises(UsageError, match="which no run makes"):
        prepare(messy, "out", SMALL)
    lines = Path("out/journal.jsonl").read_text().splitlines(keepends=True)
    Path("out/journal.jsonl").write_text("".join(line for line in lines if '"write"' not in line))
    with pytest.raises(OutputError, match="would lie outside out"):
        prepare(messy, "out", SMALL)
    assert os.listdir("else") == []


def test_a_foreign_journal_makes_no_folder_ours(messy):
    os.makedirs("out")
    Path("out/journal.jsonl").write_text('{"day": 1}\n')
    Path("out/diary.txt").touch()
    with pytest.raises(UsageError, match="holds other files"):
        prepare(messy, "out", SMALL)
    Path("out/diary.txt").unlink()
    Path("out/journal.jsonl").unlink()
    os.symlink("../diary.txt", "out/journal.jsonl")
    with pytest.raises(OutputError, match="is a link, in the place of a journal"):
        prepare(messy, "out", SMALL)
    assert not os.path.lexists("diary.txt")
