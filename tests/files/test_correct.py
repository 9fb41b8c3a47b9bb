"""Trees of files: every picture gets its successor or a reason, and no original is ever touched."""

import errno
import math
import os
import re
import stat
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from compass import crooked
from pictures import exif_with
from PIL import Image, ImageCms, ImageOps
from runs import correct_planned
from trees import everything, make_traps, save, save_flat

from rotnet import angle_difference, correct_files, predict_angle
from rotnet.errors import OutputError, UsageError
from rotnet.files import (
    FilePrediction,
    Turning,
    decide_files,
    plan_in_place,
    plan_targets,
    predict_files,
    with_digests,
)
from rotnet.geometry.cropping import share_lost
from rotnet.images import turn_file

# Predict --------------------------------------------------------------------------------------------------------------


def test_predictions_come_in_order_and_name_their_files(folder, compass):
    for number in range(40):
        save(f"in/{number:02}.png", angle=9.0 * number)
    results = list(predict_files(["in"], model=compass))
    assert [result.path.name for result in results] == [f"{number:02}.png" for number in range(40)]
    found = [result.angle for result in results]
    assert np.max(angle_difference(found, 9.0 * np.arange(40))) < 0.5
    assert [predict_angle(result.path, model=compass).angle for result in results] == pytest.approx(found, abs=1e-3)


def test_traps_are_reported_and_the_others_go_on(folder, compass):
    traps = make_traps("in")
    results = {result.path.name: result for result in predict_files(["in"], model=compass)}
    assert set(results) == traps | {"whole.jpg", "inner.png"}
    for name, result in results.items():
        assert (result.error is not None) == (name in traps)
        assert result.error is None or (f"in/{name}" in result.error and "\n" not in result.error)
        assert set(result.as_dict()) == (
            {"path", "error"} if name in traps else {"path", "angle", "confidence", "action", "reason"}
        )


@pytest.mark.parametrize("error", [MemoryError(), ZeroDivisionError("a bug"), RecursionError("deep")])
def test_whatever_a_file_does_the_others_go_on(folder, compass, monkeypatch, error):
    for name in ("a", "b", "c"):
        save(f"{name}.png")
    view = compass.view

    def breaking(path, **options):
        if path.name == "b.png":
            raise error
        return view(path, **options)

    monkeypatch.setattr(compass, "view", breaking)
    results = list(predict_files(["a.png", "b.png", "c.png"], model=compass))
    assert [result.error is None for result in results] == [True, False, True]
    assert results[1].error.startswith(f"b.png failed: {type(error).__name__}")


def test_nothing_gives_nothing(folder, compass):
    assert list(predict_files([], model=compass)) == []


def test_stopping_early_leaves_no_work_behind(folder, compass, monkeypatch):
    for number in range(60):
        save(f"in/{number:02}.png")
    seen = []
    view = compass.view
    monkeypatch.setattr(compass, "view", lambda path, **options: seen.append(path) or view(path, **options))
    results = predict_files(["in"], model=compass)
    next(results)
    results.close()
    assert len(seen) <= 48, "what is decoded ahead, and not all 60"
    for thread in threading.enumerate():
        if "ThreadPool" in thread.name:
            thread.join(10)
            assert not thread.is_alive()


@pytest.mark.parametrize(("angle", "written"), [(359.9997, 0.0), (359.9994, 359.999), (0.0, 0.0)])
def test_written_angle_stays_below_a_full_turn(angle, written):
    assert FilePrediction("a", angle, 0.5).as_dict() == {"path": "a", "angle": written, "confidence": 0.5}


# Correct --------------------------------------------------------------------------------------------------------------


def correct(paths, compass, output="out", **options):
    return {str(result.path): result for result in correct_planned(plan_targets(paths, output), compass, **options)}


def test_crooked_is_turned_and_the_rest_copied_byte_for_byte(folder, compass):
    save("in/crooked.jpg", 30.0)
    save("in/sub/upright.jpg", 0.0)
    save_flat("in/unsure.png")
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
    assert list(row) == ["path", "target", "action", "angle", "confidence", "reason", "method", "crop", "lost"]
    assert (row["path"], row["target"], row["action"]) == ("in/crooked.jpg", "out/crooked.jpg", "turned")


@pytest.mark.parametrize(
    ("crop", "size"), [("fit", (47, 27)), ("keep", (80, 74)), ("same", (64, 48)), ("aspect", (41, 31))]
)
def test_crop_is_as_for_one_picture(folder, compass, crop, size):
    save("a.png", 30.25)
    correct(["a.png"], compass, crop=crop)
    with Image.open("out/a.png") as turned:
        assert turned.size == size


@pytest.mark.parametrize("options", [{"max_loss": 0.5}, {"max_loss": 0.5, "beyond": "leave"}, {"max_loss": 0.6}])
def test_what_a_crop_may_lose(folder, compass, options):
    save("in/a.png", 30.25)
    save("in/quarter.png", 90.0)
    save("in/upright.png", 0.0)
    before = everything("in")
    results = correct(["in"], compass, **options)
    result, quarter = results["in/a.png"], results["in/quarter.png"]
    with Image.open("out/a.png") as turned:
        if options["max_loss"] == 0.6:
            assert (result.action, result.crop, turned.size) == ("turned", "fit", (47, 27))
            assert result.lost == pytest.approx(share_lost(64, 48, math.radians(result.angle), "fit"), abs=1e-4)
            assert abs(result.lost - (1 - 47 * 27 / (64 * 48))) < (47 + 27 + 1) / (64 * 48)
        elif "beyond" in options:
            assert (result.action, result.crop, turned.size) == ("left", "fit", (64, 48))
            assert everything("out")["out/a.png"] == before["in/a.png"]
            assert re.fullmatch(r"turned by 30\.\d°, but left: fit would lose 57% of its area", result.reason)
        else:
            assert (result.action, result.crop, result.lost, turned.size) == ("turned", "keep", 0.0, (80, 74))
            assert re.fullmatch(r"turned by 30\.\d°, kept whole: fit would lose 57% of its area", result.reason)
    assert (quarter.action, quarter.crop, quarter.lost) == ("turned", None, 0.0)
    assert results["in/upright.png"].lost is None


@pytest.mark.parametrize("quarter_turns", ["auto", "pixels", "off"])
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_quarter_turn_is_whole_whatever_the_crop(folder, compass, quarter_turns, name):
    save(name, 90.0)
    (result,) = correct([name], compass, crop="same", quarter_turns=quarter_turns).values()
    if result.angle == 90.0:
        with Image.open(f"out/{name}") as turned:
            assert ImageOps.exif_transpose(turned).size == (48, 64) and result.lost == 0.0


def test_older_names_of_crops_are_the_same(folder, compass):
    save("a.png", 30.0)
    for older, today in (("inscribed", "fit"), ("expand", "keep")):
        assert Turning(crop=older) == Turning(crop=today)
        for name in (older, today):
            correct(["a.png"], compass, output=name, crop=name)
        assert everything(older)[f"{older}/a.png"] == everything(today)[f"{today}/a.png"]


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
    save_flat("b.png")
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
    assert result.action == "failed" and result.error.startswith(name)
    assert everything("out") == {}
    assert correct([name], compass, "copies", min_confidence=1.0)[name].action == "unsure"
    assert everything("copies")[f"copies/{name}"] == everything(".")[f"./{name}"]


def test_phone_picture_with_a_map_of_its_light_is_turned(folder, compass):
    first, second = frames()
    first.save("phone.jpg", "MPO", save_all=True, append_images=[second])
    assert correct(["phone.jpg"], compass)["phone.jpg"].action == "turned"


def test_originals_that_vanish_fail_alone(folder, compass):
    save("in/a.png")
    save("in/b.png")
    targets = plan_targets(["in"], "out")
    os.unlink("in/a.png")
    assert [result.action for result in correct_planned(targets, compass)] == ["failed", "turned"]


@pytest.mark.parametrize("in_place", [False, True])
def test_file_keeps_its_permissions_times_and_place(folder, compass, in_place):
    save("in/a.png")
    os.chmod("in/a.png", 0o640)
    os.utime("in/a.png", ns=(10**18, 12 * 10**17 + 345))
    targets = plan_in_place(["in"]) if in_place else plan_targets(["in"], "out")
    (result,) = correct_planned(targets, compass)
    status = os.stat(result.target)
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o640, 12 * 10**17 + 345)


@pytest.mark.parametrize(("quarter_turns", "method"), [("auto", "exif"), ("pixels", "pixels"), ("off", "resampled")])
def test_quarter_turns_are_passed_on(folder, compass, quarter_turns, method):
    save("a.jpg", 90.4)
    assert correct(["a.jpg"], compass, quarter_turns=quarter_turns)["a.jpg"].method == method


def test_limit_of_pixels_is_for_one_file(folder, compass):
    save("in/a.png")
    Image.new("RGB", (100, 100)).save("in/b.png")
    results = correct(["in"], compass, max_pixels=64 * 48)
    assert results["in/a.png"].action == "turned"
    assert "more than" in results["in/b.png"].error


@pytest.mark.parametrize(
    "options",
    [
        {"crop": "tight"},
        {"quarter_turns": "some"},
        {"fill": "reddish"},
        {"fill": 256},
        {"fill": (0, 0, -1)},
        {"fill": (1, 2, 3, 4, 5)},
        {"backup": "../x"},
        {"backup": ""},
        {"backup": ".jpg"},
        {"backup": "~.XMP"},  # which would be taken for sidecars
        {"backup": ".nef"},
        {"max_loss": 2},
        {"beyond": "crop"},
    ],
)
def test_turning_is_checked_before_any_file(options):
    with pytest.raises(UsageError):
        Turning(**options)


def test_folders_may_lie_deeper_than_calls(folder, compass):
    save("in/a.png")
    os.chdir("in")
    for _ in range(1100):
        os.mkdir("d")
        os.chdir("d")
    save("b.png")
    os.chdir(folder)
    results = correct(["in"], compass)
    for tree in ("in", "out"):  # which pytest could not
        subprocess.run(["rm", "-rf", tree], check=True)
    assert [result.action for result in results.values()] == ["turned", "turned"]


# In place -------------------------------------------------------------------------------------------------------------


def in_place(paths, compass, backup=None, **options):
    targets = plan_in_place(paths, backup=backup)
    return {str(result.path): result for result in correct_planned(targets, compass, backup=backup, **options)}


@pytest.mark.parametrize("backup", [None, ".orig"])
def test_in_place_changes_what_it_turns_and_nothing_else(folder, compass, backup):
    save("in/crooked.jpg")
    save("in/upright.jpg", 0.0)
    save_flat("in/sub/unsure.png")
    traps = make_traps("in/traps")
    before = everything("in")
    inodes = {path: os.stat(path).st_ino for path in before}
    results = in_place(["in"], compass, backup)
    assert {os.path.basename(path) for path, result in results.items() if result.action == "failed"} == traps
    turned = {path for path, result in results.items() if result.action == "turned"}
    assert turned == {"in/crooked.jpg", "in/traps/whole.jpg", "in/traps/folder.jpg/inner.png"}
    after = everything("in")
    assert {path: after[path] for path in before.keys() - turned} == {
        path: before[path] for path in before.keys() - turned
    }
    assert all(os.stat(path).st_ino == inodes[path] for path in before.keys() - turned), "not even written anew"
    assert after.keys() - before.keys() == ({path + backup for path in turned} if backup else set())
    if backup:
        assert all(after[path + backup] == before[path] for path in turned)
    assert all(angle_difference(predict_angle(path, model=compass).angle, 0.0) < 1 for path in turned)


def test_backup_where_there_are_no_hard_links(folder, compass, monkeypatch):
    save("a.png")
    before = everything(".")["./a.png"]

    def refuse(*_args, **_options):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert in_place(["a.png"], compass, ".orig")["a.png"].action == "turned"
    assert everything(".")["./a.png.orig"] == before != everything(".")["./a.png"]


def test_what_another_run_has_turned_meanwhile_is_not_turned_again(folder, compass, monkeypatch):
    save("in/a.png", 30.0)
    turned = []

    def turn_too_late(*given, real=turn_file.turn_bytes, **options):
        if not turned:
            turned.append(None)
            turned.extend(correct_planned(plan_in_place(["in"]), compass))
        return real(*given, **options)

    monkeypatch.setattr(turn_file, "turn_bytes", turn_too_late)
    (late,) = correct_planned(plan_in_place(["in"]), compass)
    assert turned[1].action == "turned" and late.action == "failed"
    assert late.error == "in/a.png has changed since it was looked at; look at it anew with rotnet correct"
    assert angle_difference(predict_angle("in/a.png", model=compass).angle, 0.0) < 5


@pytest.mark.parametrize("links", [True, False])
def test_copy_that_appears_meanwhile_is_not_replaced(folder, compass, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no hard links")))
    save("in/a.png", 30.0)
    save("in/b.png", 30.0)
    targets = plan_targets(["in"], "out")
    Path("out").mkdir()
    Path("out/a.png").write_text("of another run")
    first, second = correct_planned(targets, compass)
    assert first.error == "out/a.png has come there meanwhile and stays; choose another folder, or --overwrite"
    assert second.action == "turned" and sorted(os.listdir("out")) == ["a.png", "b.png"]
    assert Path("out/a.png").read_text() == "of another run"
    assert [one.action for one in correct_planned(targets, compass, overwrite=True)] == ["turned", "turned"]


def test_copies_of_a_private_folder_are_as_private(folder, compass):
    save("in/private/a.png", 30.0)
    os.chmod("in/private", 0o700)
    os.chmod("in", 0o755)
    assert [one.action for one in correct_planned(plan_targets(["in"], "out"), compass)] == ["turned"]
    assert stat.S_IMODE(os.stat("out/private").st_mode) == 0o700


@pytest.mark.parametrize("same", [True, False])
def test_backup_that_appears_meanwhile_is_not_replaced(folder, compass, same):
    save("a.png")
    targets = plan_in_place(["a.png"], backup=".orig")
    before = Path("a.png").read_bytes()
    Path("a.png.orig").write_bytes(before if same else b"something else")
    (result,) = correct_planned(targets, compass, backup=".orig")
    assert result.action == ("turned" if same else "failed")
    assert (Path("a.png").read_bytes() == before) != same
    assert Path("a.png.orig").read_bytes() == (before if same else b"something else")


def test_original_that_is_read_only_stays(folder, compass, monkeypatch):
    save("a.png")
    before = everything(".")
    targets = plan_in_place(["a.png"])
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    (result,) = correct_planned(targets, compass)
    assert result.error.startswith("a.png is read-only; make it writable")
    assert everything(".") == before


def test_hard_links_are_turned_once_each(folder, compass):
    save("in/a.png")
    os.link("in/a.png", "in/b.png")
    assert [result.action for result in in_place(["in"], compass).values()] == ["turned", "turned"]
    assert len(set(everything("in").values())) == 1


# Threads and disks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 3, 40])
def test_jobs_make_no_difference(folder, compass, jobs):
    for number in range(70):
        save(f"in/{number:02}.png", 5.0 * number)
    results = correct(["in"], compass, jobs=jobs)
    assert list(results) == [f"in/{number:02}.png" for number in range(70)]
    correct(["in"], compass, "reference")
    assert sorted(everything("out").values()) == sorted(everything("reference").values())


def test_pictures_are_turned_while_others_are_decoded(folder, compass, monkeypatch):
    for number in range(40):
        save(f"in/{number:02}.png")
    both = threading.Barrier(2, timeout=20)  # passed only if a picture is turned while another is decoded
    view, turn = compass.view, turn_file.turn_bytes
    seen = []

    def late_view(path, **options):
        seen.append(path)
        if len(seen) == 36:  # by then, the first are decided
            both.wait()
        return view(path, **options)

    def slow_turn(data, angle, *, name, **options):
        if name == "in/00.png":
            both.wait()
        return turn(data, angle, name=name, **options)

    monkeypatch.setattr(compass, "view", late_view)
    monkeypatch.setattr(turn_file, "turn_bytes", slow_turn)
    assert len(correct(["in"], compass)) == 40


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_full_disk_ends_the_run_and_leaves_nothing_half(folder, compass, monkeypatch, code):
    for number in range(5):
        save(f"in/{number}.png")
    targets = plan_targets(["in"], "out")
    before = everything("in")

    def fail(_file):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="go on with --resume"):
        list(correct_planned(targets, compass, jobs=1))
    assert everything("in") == before and everything("out") == {}


def test_slow_picture_does_not_hold_up_whoever_stops(folder, compass, monkeypatch):
    save("a.png")
    save("b.png")
    begun, leave = threading.Event(), threading.Event()
    turn = turn_file.turn_bytes

    def slow(data, angle, *, name, **options):
        if name == "b.png":
            begun.set()
            leave.wait(30)
        return turn(data, angle, name=name, **options)

    monkeypatch.setattr(turn_file, "turn_bytes", slow)
    results = correct_planned(plan_targets(["a.png", "b.png"], "out"), compass, jobs=2)
    next(results)
    begun.wait(10)
    started = time.monotonic()
    results.close()
    assert time.monotonic() - started < 10, "half a second; the picture takes thirty"
    leave.set()


@pytest.mark.parametrize("angle", [30.0, 90.0])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [("a.gif", "an animation, which rotnet does not turn"), ("a.jp2", "is JPEG 2000"), ("a.tif", "several pages")],
)
def test_a_plan_promises_no_turn_that_the_run_refuses(folder, compass, name, sentence, angle):
    frames = [Image.fromarray(crooked(angle)), Image.fromarray(crooked(0.0))]
    frames[0].save(name, **({} if name == "a.jp2" else {"save_all": True, "append_images": frames[1:]}))
    targets = plan_targets([name], "out")
    (planned,) = with_digests(decide_files(targets, compass))
    (done,) = correct_planned(targets, compass)
    assert planned.action == done.action == "failed" and planned.error == done.error and sentence in done.error
    if name == "a.tif":  # whose pixels a sidecar leaves alone
        how = Turning(sidecar=True)
        assert next(with_digests(decide_files(targets, compass, how=how), how)).action == "turned"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"output": "out"}, r"out/a\.png is there already\. Give overwrite=True, or another folder\."),
        ({"in_place": True, "backup": ".orig"}, r"a\.png\.orig is there already\. Move it, or give another backup\."),
    ],
)
def test_what_is_there_already_is_told_to_programs_without_flags(folder, compass, options, sentence):
    for name in "in/a.png", "out/a.png":
        save(name)
    Path("in/a.png.orig").touch()
    with pytest.raises(UsageError, match=f"{sentence}$"):
        correct_files("in", model=compass, **options)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"output": "out", "backup": ".orig"}, "backup is for in_place=True"),
        ({"in_place": True, "overwrite": True}, "overwrite is for results in a folder"),
        ({"output": "out", "beyond": "leave"}, "max_loss: give it as well"),
        ({"output": "out", "jobs": 0}, "jobs must be a whole number, at least 1"),
        ({}, "needs either output"),
    ],
)
def test_options_that_would_do_nothing_are_refused_before_any_work(folder, compass, options, sentence):
    save("in/a.png")
    before = everything(".")
    with pytest.raises(UsageError, match=sentence):
        correct_files("in", model=compass, **options)
    assert everything(".") == before
