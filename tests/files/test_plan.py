"""Plans: two pictures never share a target, no original is one, and what cannot be carried out is told beforehand."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from runs import correct_planned
from trees import everything, save

from rotnet.errors import OutputError, UsageError
from rotnet.files import is_nested, plan_in_place, plan_targets
from rotnet.files import plan as planning

# Copies ---------------------------------------------------------------------------------------------------------------


def test_plan_mirrors_folders_and_flattens_files(folder):
    for name in ("in/a.jpg", "in/sub/b.jpg", "c.jpg"):
        save(name)
    targets = plan_targets(["in", "c.jpg"], "out")
    assert {str(source): str(target) for source, target in targets.items()} == {
        "in/a.jpg": "out/a.jpg",
        "in/sub/b.jpg": "out/sub/b.jpg",
        "c.jpg": "out/c.jpg",
    }
    assert not os.path.exists("out"), "a plan writes nothing"


def test_file_named_twice_is_planned_once(folder):
    save("in/a.jpg")
    assert len(plan_targets(["in", "in/a.jpg", "in/./a.jpg"], "out")) == 1


@pytest.mark.parametrize(
    ("source", "target", "folder"),
    [
        ("in/sub/a.png", "out/sub/a.png", "out"),
        ("in/sub/a.png", "out/a.png", "out"),
        ("/in/year/a.png", "/out/year/a.png", "/out"),
        ("../../a.png", "../a.png", ".."),
        ("photos/in/a.png", "in/a.png", "."),
    ],
)
def test_folder_of_results_is_found_again_or_one_above(source, target, folder):
    assert planning.folder_above(Path(source), Path(target)) == Path(folder)


@pytest.mark.parametrize("name", ["a\0.jpg", "\ud800.jpg"])
def test_paths_that_no_file_can_have_are_told(folder, name):
    save("in/a.jpg")
    for plan in (
        lambda: plan_targets([name], "out"),
        lambda: plan_targets(["in"], name),
        lambda: plan_in_place([name]),
    ):
        with pytest.raises(UsageError, match="cannot be the path of a file"):
            plan()


def test_two_inputs_never_share_a_target(folder):
    names = ["x/a.jpg", "y/a.jpg"]
    for name in names:
        save(name)
    with pytest.raises(UsageError, match=r"x/a\.jpg and y/a\.jpg would both become out/a\.jpg"):
        plan_targets(names, "out")
    with pytest.raises(UsageError, match="would both become"):
        plan_targets(["x", "y"], "out", overwrite=True)


PAIRS = [
    ("a.jpg", "A.JPG"),
    ("sub/a.jpg", "Sub/a.jpg"),
    ("\u00e9.jpg", "e\u0301.jpg"),
    ("stra\u00dfe.jpg", "STRASSE.jpg"),
]


@pytest.mark.parametrize("names", PAIRS)
def test_the_disk_says_which_names_are_one(folder, monkeypatch, names):
    for one, name in zip("xy", names, strict=True):
        save(f"{one}/{name}")
    before = everything(".")
    os.mkdir("probe")
    Path("probe/a").touch()
    if not os.path.exists("probe/A"):
        assert len(plan_targets(["x", "y"], "out")) == 2
    lexists = os.path.lexists
    with monkeypatch.context() as patch:  # as on a disk that takes the two names for one
        patch.setattr(os.path, "lexists", lambda path: lexists(path) or ".rotnet-" in str(path))
        with pytest.raises(UsageError, match="which are one file on this disk"):
            plan_targets(["x", "y"], "out")
    shutil.rmtree("probe")
    assert everything(".") == before and sorted(os.listdir(".")) == ["x", "y"]


def test_names_that_cannot_be_tried_out_are_one(folder, monkeypatch):
    for name in ("x/a.jpg", "y/A.jpg"):
        save(name)

    def fail(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(planning.tempfile, "TemporaryDirectory", fail)
    with pytest.raises(UsageError, match="which are one file on this disk"):
        plan_targets(["x", "y"], "out")


def test_folders_that_are_links_to_one_are_one(folder):
    save("in/a/1.jpg")
    save("in/b/1.jpg")
    os.makedirs("out/a")
    os.symlink("a", "out/b")
    with pytest.raises(UsageError, match=r"in/a/1\.jpg and in/b/1\.jpg would both become"):
        plan_targets(["in"], "out")


def test_links_to_one_picture_become_two(folder):
    save("in/a.jpg")
    os.symlink("a.jpg", "in/b.jpg")
    assert sorted(map(str, plan_targets(["in"], "out").values())) == ["out/a.jpg", "out/b.jpg"]


def test_picture_is_no_folder_of_others(folder):
    save("x/a.jpg")
    save("y/a.jpg/b.jpg")
    with pytest.raises(UsageError, match=r"y/a\.jpg/b\.jpg needs a folder at .*, where x/a\.jpg goes"):
        plan_targets(["x", "y"], "out")


def test_target_that_is_there_is_kept_unless_told(folder):
    save("in/a.jpg")
    os.makedirs("out")
    os.symlink("nowhere", "out/a.jpg")
    with pytest.raises(UsageError, match=r"out/a\.jpg is there already"):
        plan_targets(["in"], "out")
    assert len(plan_targets(["in"], "out", overwrite=True)) == 1


@pytest.mark.parametrize("output", ["in", "in/../in", "alias"])
@pytest.mark.parametrize("paths", [["in"], ["in/a.jpg"]])
def test_originals_are_no_targets(folder, paths, output):
    save("in/a.jpg")
    os.symlink("in", "alias")
    with pytest.raises(UsageError, match="is itself an input"):
        plan_targets(paths, output, overwrite=True)


def test_link_to_an_original_is_no_target(folder):
    save("in/a.jpg")
    os.makedirs("out")
    os.symlink("../in/a.jpg", "out/a.jpg")
    with pytest.raises(UsageError, match="is itself an input"):
        plan_targets(["in"], "out", overwrite=True)


def test_results_among_the_inputs_are_not_corrected_again(folder, compass):
    save("in/a.jpg")
    for _ in range(2):
        targets = plan_targets(["in"], "in/straight", overwrite=True)
        assert [str(source) for source in targets] == ["in/a.jpg"]
        assert [result.action for result in correct_planned(targets, compass, overwrite=True)] == ["turned"]


def test_output_above_the_input_is_fine(folder):
    save("in/sub/a.jpg")
    assert [str(target) for target in plan_targets(["in/sub"], "in").values()] == ["in/a.jpg"]


@pytest.mark.parametrize("output", ["file", "file/below", "file/far/below", "/dev/null/below"])
def test_output_that_can_be_no_folder_is_refused_before_any_work(folder, output):
    save("in/a.jpg")
    Path("file").touch()
    with pytest.raises(OutputError, match=r"(file|/dev/null) is not a folder"):
        plan_targets(["in"], output)


def test_output_that_may_not_be_written_is_refused_before_any_work(folder, monkeypatch):
    save("in/a.jpg")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(OutputError, match=r"out cannot be written: \. is read-only"):
        plan_targets(["in"], "out")


@pytest.mark.parametrize("paths", [[], ["empty"]])
def test_no_pictures_are_an_error(folder, paths):
    os.makedirs("empty")
    with pytest.raises(UsageError, match="no pictures to correct"):
        plan_targets(paths, "out")


def test_folder_in_the_place_of_a_target_is_refused(folder):
    save("in/a.png")
    os.makedirs("out/a.png")
    with pytest.raises(UsageError, match=r"out/a\.png is a folder, in the place of a picture"):
        plan_targets(["in"], "out", overwrite=True)


def test_every_folder_of_a_target_is_looked_at(folder):
    save("in/sub/a.jpg")
    os.makedirs("out")
    Path("out/sub").touch()
    with pytest.raises(OutputError, match="out/sub is not a folder"):
        plan_targets(["in"], "out")


def test_targets_of_an_interrupted_run_may_be_there(folder):
    save("in/a.jpg")
    save("in/b.jpg")
    save("out/a.jpg")
    assert len(plan_targets(["in"], "out", finished=[os.path.abspath("in/a.jpg")])) == 2
    with pytest.raises(UsageError, match=r"out/a\.jpg is there already"):
        plan_targets(["in"], "out", finished=[os.path.abspath("in/b.jpg")])


@pytest.mark.parametrize(("output", "nested"), [("in/out", True), ("in", False), ("out", False), (".", False)])
def test_nested_results_are_known(folder, output, nested):
    os.mkdir("in")
    assert is_nested(output, "in") == nested


# In place -------------------------------------------------------------------------------------------------------------


def test_picture_that_several_paths_lead_to_is_planned_once(folder):
    save("in/a.jpg")
    os.symlink("a.jpg", "in/0.jpg")
    os.symlink("in", "alias")
    assert plan_in_place(["in", "alias", "in/a.jpg", "alias/0.jpg"]) == {Path("in/a.jpg"): Path("in/a.jpg")}


def test_link_to_what_was_not_named_is_refused(folder):
    save("in/a.jpg")
    save("archive/b.jpg")
    os.symlink("../archive/b.jpg", "in/b.jpg")
    with pytest.raises(UsageError, match=r"in/b\.jpg leads to .*archive/b\.jpg, which would be changed"):
        plan_in_place(["in"])
    assert len(plan_in_place(["in", "archive"])) == 2


def test_broken_links_are_planned_so_that_they_are_told(folder):
    save("in/a.jpg")
    os.symlink("nowhere", "in/b.jpg")
    assert len(plan_in_place(["in"])) == 2


def test_backup_that_is_there_is_kept(folder):
    save("in/a.jpg")
    Path("in/a.jpg.orig").touch()
    assert len(plan_in_place(["in"])) == 1
    with pytest.raises(UsageError, match=r"in/a\.jpg\.orig is there already"):
        plan_in_place(["in"], backup=".orig")
    assert len(plan_in_place(["in"], backup=".orig", finished=[os.path.abspath("in/a.jpg")])) == 1


# Room -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def free(monkeypatch):
    """Sets how many bytes the disk has left."""

    def leave(free):
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=free))

    return leave


def test_too_little_room_is_told_before_any_work(folder, free):
    save("in/a.jpg")
    save("in/b.jpg", 10.0)
    sizes = [os.stat(path).st_size for path in ("in/a.jpg", "in/b.jpg")]
    free(sum(sizes))
    assert len(plan_targets(["in"], "out")) == 2
    free(sum(sizes) - 1)
    with pytest.raises(OutputError, match=r"has room for 0\.0 MB, and the pictures may need 0\.0 MB; make room"):
        plan_targets(["in"], "out")
    assert len(plan_targets(["in"], "out", finished=[os.path.abspath("in/a.jpg")])) == 2
    free(max(sizes))
    assert len(plan_in_place(["in"])) == 2, "one at a time"
    with pytest.raises(OutputError, match="make room"):
        plan_in_place(["in"], backup=".orig")
    free(max(sizes) - 1)
    with pytest.raises(OutputError, match="make room"):
        plan_in_place(["in"])


def test_results_that_are_replaced_give_their_room(folder, free):
    save("in/a.jpg")
    shutil.copytree("in", "out")
    free(os.stat("in/a.jpg").st_size)
    assert len(plan_targets(["in"], "out", overwrite=True)) == 1


# Any names ------------------------------------------------------------------------------------------------------------

NAMES = st.binary(min_size=1, max_size=24).map(lambda name: name.replace(b"/", b"-").replace(b"\0", b"-"))
NAMES = NAMES.filter(lambda name: name not in (b".", b"..") and not name.startswith(b"."))
TREES = st.lists(st.lists(NAMES, min_size=1, max_size=3), min_size=1, max_size=6)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREES)
def test_any_tree_is_mirrored(tmp_path, tree):
    root = os.fsencode(tmp_path / "tree")
    shutil.rmtree(root, ignore_errors=True)
    made = set()
    for parts in tree:
        path = os.path.join(root, b"in", *parts) + b".png"
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            Path(os.fsdecode(path)).touch(exist_ok=False)
        except OSError:  # a file where a folder is to be, or the other way round
            continue
        made.add(path)
    source, output = (os.path.join(os.fsdecode(root), name) for name in ("in", "out"))
    if not made:
        return
    targets = plan_targets([source], output)
    assert {os.fsencode(path) for path in targets} == made
    for path, target in targets.items():
        assert os.path.relpath(path, source) == os.path.relpath(target, output)
    assert len(set(targets.values())) == len(targets)
    assert set(plan_in_place([source])) == set(targets)
    assert not os.path.exists(output)
