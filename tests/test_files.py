"""Trees of files: every picture gets its successor or a reason, and no original is ever touched."""

import hashlib
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from compass import compass_onnx, crooked
from pictures import encoded, exif_with
from PIL import Image, ImageCms

from rotnet import Predictor, angle_difference, predict_angle
from rotnet.errors import OutputError, UsageError
from rotnet.files import FilePrediction, correct_files, plan_targets, predict_files


@pytest.fixture(scope="module")
def compass(tmp_path_factory):
    return Predictor(compass_onnx(tmp_path_factory.mktemp("models") / "compass.onnx"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, named relatively as people do."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(path, angle=30.0):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = crooked(angle)
    path.write_bytes(encoded(picture, "JPEG", quality=95) if path.suffix.lower() == ".jpg" else encoded(picture))


def everything(folder):
    """Digest by path of all regular files below a folder."""
    files = (os.path.join(root, name) for root, _, names in os.walk(folder) for name in names)
    return {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in files if os.path.isfile(path)}


def make_traps(folder):
    """Files of a picture's name that are none."""
    os.makedirs(folder, exist_ok=True)
    save(f"{folder}/whole.jpg")
    data = Path(folder, "whole.jpg").read_bytes()
    Path(folder, "cut.jpg").write_bytes(data[: len(data) // 2])
    Path(folder, "empty.jpg").touch()
    Path(folder, "text.jpg").write_text("Dear diary")
    os.symlink("nowhere", f"{folder}/link.jpg")
    os.symlink("circle.jpg", f"{folder}/circle.jpg")
    os.mkfifo(f"{folder}/pipe.jpg")
    save(f"{folder}/folder.jpg/inner.png")
    return {"cut.jpg", "empty.jpg", "text.jpg", "link.jpg", "circle.jpg", "pipe.jpg"}


# Predict --------------------------------------------------------------------------------------------------------------


def test_predictions_come_in_order_and_name_their_files(folder, compass):
    for number in range(40):
        save(f"in/{number:02}.png", angle=9.0 * number)
    results = list(predict_files(["in"], compass))
    assert [result.path.name for result in results] == [f"{number:02}.png" for number in range(40)]
    found = [result.angle for result in results]
    assert np.max(angle_difference(found, 9.0 * np.arange(40))) < 0.5
    assert [predict_angle(result.path, model=compass).angle for result in results] == pytest.approx(found, abs=1e-3)


def test_traps_are_reported_and_the_others_go_on(folder, compass):
    traps = make_traps("in")
    results = {result.path.name: result for result in predict_files(["in"], compass)}
    assert set(results) == traps | {"whole.jpg", "inner.png"}
    for name, result in results.items():
        assert (result.error is not None) == (name in traps)
        assert result.error is None or (f"in/{name}" in result.error and "\n" not in result.error)
        assert set(result.as_dict()) == ({"path", "error"} if name in traps else {"path", "angle", "confidence"})


@pytest.mark.parametrize("error", [MemoryError(), ZeroDivisionError("a bug"), RecursionError("deep")])
def test_whatever_a_file_does_the_others_go_on(folder, compass, monkeypatch, error):
    for name in ("a", "b", "c"):
        save(f"{name}.png")
    view = compass.view

    def breaking(path):
        if path.name == "b.png":
            raise error
        return view(path)

    monkeypatch.setattr(compass, "view", breaking)
    results = list(predict_files(["a.png", "b.png", "c.png"], compass))
    assert [result.error is None for result in results] == [True, False, True]
    assert results[1].error.startswith(f"b.png failed: {type(error).__name__}")


def test_nothing_gives_nothing(folder, compass):
    assert list(predict_files([], compass)) == []


def test_stopping_early_leaves_no_work_behind(folder, compass, monkeypatch):
    for number in range(60):
        save(f"in/{number:02}.png")
    seen = []
    view = compass.view
    monkeypatch.setattr(compass, "view", lambda path: seen.append(path) or view(path))
    results = predict_files(["in"], compass)
    next(results)
    results.close()
    assert len(seen) <= 32
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]


@pytest.mark.parametrize(("angle", "written"), [(359.9997, 0.0), (359.9994, 359.999), (0.0, 0.0)])
def test_written_angle_stays_below_a_full_turn(angle, written):
    assert FilePrediction("a", angle, 0.5).as_dict() == {"path": "a", "angle": written, "confidence": 0.5}


# Plan -----------------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("names", [("x/a.jpg", "y/a.jpg"), ("x/a.jpg", "y/A.JPG")])
def test_two_inputs_never_share_a_target(folder, names):
    for name in names:
        save(name)
    with pytest.raises(UsageError, match=r"x/a\.jpg and y/.*would both become"):
        plan_targets(names, "out")
    with pytest.raises(UsageError, match="would both become"):
        plan_targets(["x", "y"], "out", overwrite=True)


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
        assert [result.action for result in correct_files(targets, compass)] == ["turned"]


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


# Correct --------------------------------------------------------------------------------------------------------------


def correct(paths, compass, output="out", **options):
    return {str(result.path): result for result in correct_files(plan_targets(paths, output), compass, **options)}


def test_crooked_is_turned_and_the_rest_copied_byte_for_byte(folder, compass):
    save("in/crooked.jpg", 30.0)
    save("in/sub/upright.jpg", 0.0)
    Image.new("RGB", (30, 20), "gray").save("in/unsure.png")
    before = everything("in")
    results = correct(["in"], compass)
    actions = {path: result.action for path, result in results.items()}
    assert actions == {"in/crooked.jpg": "turned", "in/sub/upright.jpg": "upright", "in/unsure.png": "unsure"}
    assert everything("in") == before
    after = everything("out")
    assert after["out/sub/upright.jpg"] == before["in/sub/upright.jpg"]
    assert after["out/unsure.png"] == before["in/unsure.png"]
    assert angle_difference(predict_angle("out/crooked.jpg", model=compass).angle, 0.0) < 1
    row = results["in/crooked.jpg"].as_dict()
    assert list(row) == ["path", "target", "action", "angle", "confidence"]
    assert (row["path"], row["target"], row["action"]) == ("in/crooked.jpg", "out/crooked.jpg", "turned")


@pytest.mark.parametrize(("crop", "size"), [("inscribed", (47, 27)), ("expand", (80, 74)), ("same", (64, 48))])
def test_crop_is_as_for_one_picture(folder, compass, crop, size):
    save("a.png", 30.25)
    correct(["a.png"], compass, crop=crop)
    with Image.open("out/a.png") as turned:
        assert turned.size == size


def test_metadata_and_time_survive_the_turn(folder, compass):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = Image.fromarray(np.rot90(crooked(30.0)))  # the camera lay on its side, and its tag says so
    picture.save("a.jpg", exif=exif_with(orientation=6, make="Maker"), icc_profile=profile, dpi=(300, 300), quality=95)
    os.utime("a.jpg", (1_000_000_000, 1_234_567_890))
    assert correct(["a.jpg"], compass)["a.jpg"].action == "turned"
    with Image.open("out/a.jpg") as turned:
        assert turned.getexif()[0x010F] == "Maker"
        assert turned.getexif().get(0x0112, 1) == 1
        assert turned.info["icc_profile"] == profile
        assert turned.info["dpi"] == (300, 300)
    assert os.stat("out/a.jpg").st_mtime == 1_234_567_890
    assert angle_difference(predict_angle("out/a.jpg", model=compass).angle, 0.0) < 2


def test_copy_keeps_the_orientation_tag_that_it_needs(folder, compass):
    Image.fromarray(np.rot90(crooked(0.0))).save("a.jpg", exif=exif_with(orientation=6), quality=95)
    assert correct(["a.jpg"], compass)["a.jpg"].action == "upright"
    assert everything("out")["out/a.jpg"] == everything(".")["./a.jpg"]


def test_min_confidence_decides(folder, compass):
    save("a.png")
    Image.new("RGB", (30, 20), "gray").save("b.png")
    assert correct(["a.png"], compass, "one", min_confidence=1.0)["a.png"].action == "unsure"
    assert correct(["b.png"], compass, "two", min_confidence=0.0)["b.png"].action in ("turned", "upright")


def test_traps_fail_alone_and_leave_nothing(folder, compass):
    traps = make_traps("in")
    before = everything("in")
    results = {os.path.basename(path): result for path, result in correct(["in"], compass).items()}
    assert {name for name, result in results.items() if result.action == "failed"} == traps
    assert all(results[name].target is None and results[name].as_dict()["error"] for name in traps)
    assert everything("in") == before
    assert set(everything("out")) == {"out/whole.jpg", "out/folder.jpg/inner.png"}


@pytest.mark.parametrize("name", ["new\nline.png", "-dash.png", b"not-\xff-text.png", "\u00fcml\u00e4ut \u65e5.png"])
def test_odd_names_are_kept(folder, compass, name):
    name = os.fsdecode(name)
    save(os.path.join("in", name))
    assert [result.action for result in correct(["in"], compass).values()] == ["turned"]
    assert os.listdir("out") == [name]


def frames():
    return [Image.fromarray(crooked(30.0)), Image.fromarray(crooked(60.0)).resize((64, 48))]


@pytest.mark.parametrize("name", ["film.gif", "pages.tif", "film.webp", "film.png"])
def test_what_holds_several_pictures_is_not_cut_to_its_first(folder, compass, name):
    first, second = frames()
    first.save(name, save_all=True, append_images=[second])
    result = correct([name], compass)[name]
    assert result.action == "failed" and "holds 2 pictures" in result.error
    assert everything("out") == {}
    assert correct([name], compass, "copies", min_confidence=1.0)[name].action == "unsure"
    assert everything("copies")[f"copies/{name}"] == everything(".")[f"./{name}"]


def test_phone_picture_with_a_map_of_its_light_is_turned(folder, compass):
    first, second = frames()
    first.save("phone.jpg", "MPO", save_all=True, append_images=[second])
    assert correct(["phone.jpg"], compass)["phone.jpg"].action == "turned"


def test_format_that_cannot_be_written_fails_clearly_or_is_copied(folder, compass):
    first, second = frames()
    first.save("a.mpo", "MPO", save_all=True, append_images=[second])
    result = correct(["a.mpo"], compass)["a.mpo"]
    assert result.action == "failed" and "must end in one of" in result.error
    assert correct(["a.mpo"], compass, "copies", min_confidence=1.0)["a.mpo"].action == "unsure"
    assert list(everything("copies").values()) == [everything(".")["./a.mpo"]]


def test_folder_in_the_place_of_a_target_fails_alone(folder, compass):
    save("in/a.png")
    save("in/b.png")
    os.makedirs("out/a.png")
    targets = plan_targets(["in"], "out", overwrite=True)
    results = list(correct_files(targets, compass))
    assert [result.action for result in results] == ["failed", "turned"]
    assert sorted(os.listdir("out")) == ["a.png", "b.png"]


def test_originals_that_vanish_fail_alone(folder, compass):
    save("in/a.png")
    save("in/b.png")
    targets = plan_targets(["in"], "out")
    os.unlink("in/a.png")
    assert [result.action for result in correct_files(targets, compass)] == ["failed", "turned"]
