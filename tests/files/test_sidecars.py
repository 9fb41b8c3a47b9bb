"""Sidecars go where their pictures go, tell the truth of them, and can tell a turn in the place of pixels."""

import errno
import io
import logging
import os
import shutil
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from compass import crooked
from pictures import encoded
from PIL import Image
from runs import correct_planned
from trees import everything, raw, save, save_flat

from rotnet.errors import OutputError, UsageError
from rotnet.files import Journal, plan_in_place, plan_targets, sidecars
from rotnet.files import journal as journal_module
from rotnet.files.correct import Turning
from rotnet.files.sidecars import sidecars_of
from rotnet.files.turned_before import REASON, TurnedBefore
from rotnet.geometry.regions import Move, move_rectangle
from rotnet.images.formats.xmp_properties import EMPTY, properties, with_properties
from rotnet.images.formats.xmp_tree import parse
from rotnet.images.orientation import apply_orientation
from rotnet.images.raw import preview_of
from rotnet.images.sidecar import has_turn, with_turn

TIFF, CRS, XMP = (
    "http://ns.adobe.com/tiff/1.0/",
    "http://ns.adobe.com/camera-raw-settings/1.0/",
    "http://ns.adobe.com/xap/1.0/",
)
PREFIXES = {TIFF: "tiff", CRS: "crs", XMP: "xmp"}
RATED = with_properties(EMPTY, {(XMP, "Rating"): "4"}, PREFIXES)
REGION = b"""<rdf:Description rdf:about="" xmlns:MP="http://ns.microsoft.com/photo/1.2/"
 xmlns:MPRI="http://ns.microsoft.com/photo/1.2/t/RegionInfo#" xmlns:MPReg="http://ns.microsoft.com/photo/1.2/t/Region#">
 <MP:RegionInfo rdf:parseType="Resource"><MPRI:Regions><rdf:Bag>
 <rdf:li MPReg:Rectangle="0.4, 0.4, 0.1, 0.2"/></rdf:Bag></MPRI:Regions></MP:RegionInfo></rdf:Description>"""
FACE = RATED.replace(b"</rdf:RDF>", REGION + b"</rdf:RDF>")


def told(path, space=TIFF, name="Orientation"):
    return properties(Path(path).read_bytes()).get((space, name))


def size_of(path):
    with Image.open(path) as picture:
        return picture.size


def rectangle(path):
    leaves = [leaf for one in parse(Path(path).read_bytes()).all() for leaf in one.attributes.values()]
    return [float(one) for leaf in leaves if leaf.text.count(",") == 3 for one in leaf.text.split(",")]


def copies(compass, *, overwrite=False, **options):
    targets = plan_targets(["in"], "out", overwrite=overwrite, raw=options.get("sidecar", False))
    return list(correct_planned(targets, compass, overwrite=overwrite, **options))


# Carried along --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jpg.xmp", "a.xmp"])
def test_a_sidecar_goes_along_and_its_face_stays_framed(folder, compass, name):
    save("in/a.jpg", 30.0)
    Path("in", name).write_bytes(FACE)
    (result,) = copies(compass)
    assert result.method == "resampled"
    before, after = size_of("in/a.jpg"), size_of("out/a.jpg")
    left, top, right, bottom = move_rectangle(
        Move.oriented(before, 1).turned_back(result.angle, after), (0.4, 0.4, 0.5, 0.6)
    )
    np.testing.assert_allclose(rectangle(f"out/{name}"), [left, top, right - left, bottom - top], atol=1e-5)
    assert told(f"out/{name}", XMP, "Rating") == "4" and Path("in", name).read_bytes() == FACE


def test_by_the_tag_the_face_stays_and_the_orientation_is_true(folder, compass):
    save("in/a.jpg", 90.0)
    Path("in/a.jpg.xmp").write_bytes(with_properties(FACE, {(TIFF, "Orientation"): "1"}, PREFIXES))
    (result,) = copies(compass)
    assert result.method == "exif" and told("out/a.jpg.xmp") == "6"
    assert rectangle("out/a.jpg.xmp") == [0.4, 0.4, 0.1, 0.2]


def test_what_is_left_keeps_its_sidecar_byte_for_byte(folder, compass):
    save_flat("in/a.png")
    Path("in/a.png.xmp").write_bytes(b"no XML, and nobody's business")
    copies(compass)
    assert Path("out/a.png.xmp").read_bytes() == b"no XML, and nobody's business"


def test_a_damaged_sidecar_is_carried_and_told(folder, compass, caplog):
    save("in/a.jpg")
    Path("in/a.jpg.xmp").write_bytes(FACE.replace(b"</rdf:li>", b"").replace(b"</rdf:Bag>", b""))
    with caplog.at_level(logging.WARNING, "rotnet"):
        (result,) = copies(compass)
    assert result.action == "turned" and "in/a.jpg.xmp: faces and regions are left" in caplog.text
    assert Path("out/a.jpg.xmp").read_bytes() == Path("in/a.jpg.xmp").read_bytes()


def test_edits_that_do_not_fit_any_more_are_told(folder, compass, caplog):
    save("in/a.jpg")
    Path("in/a.jpg.xmp").write_bytes(RATED.replace(b"<rdf:RDF ", b'<rdf:RDF xmlns:darktable="darktable:history" '))
    with caplog.at_level(logging.WARNING, "rotnet"):
        copies(compass)
    assert "they do not fit it any more" in caplog.text


def test_a_sidecar_that_is_there_is_kept_unless_told(folder, compass, caplog):
    save("in/a.jpg")
    Path("in/a.jpg.xmp").write_bytes(RATED)
    os.mkdir("out")
    Path("out/a.jpg.xmp").write_bytes(b"of another program")
    with caplog.at_level(logging.WARNING, "rotnet"):
        copies(compass)
    assert Path("out/a.jpg.xmp").read_bytes() == b"of another program" and "stays as it is" in caplog.text
    copies(compass, overwrite=True)
    assert told("out/a.jpg.xmp", XMP, "Rating") == "4"


@pytest.mark.parametrize("other", ["a.CR2", "a.png"])
def test_a_sidecar_that_another_file_may_own_is_left_alone(folder, other):
    save("in/a.jpg")
    Path("in/a.xmp").write_bytes(RATED)
    assert sidecars_of(Path("in/a.jpg")) == [Path("in/a.xmp")]
    Path("in", other).touch()
    assert sidecars_of(Path("in/a.jpg")) == []
    assert sidecars_of(Path("in/a.CR2")) == [Path("in/a.xmp")]


@pytest.mark.parametrize("sidecar", [False, True])
def test_a_sidecar_of_another_file_among_the_results_is_never_replaced(folder, compass, caplog, sidecar):
    save("in/a.jpg", 30.0)
    Path("in/a.xmp").write_bytes(RATED)
    os.mkdir("out")
    Path("out/a.CR2").touch()
    Path("out/a.xmp").write_bytes(b"edits of a.CR2")
    with caplog.at_level(logging.WARNING, "rotnet"):
        (result,) = copies(compass, overwrite=True, sidecar=sidecar)
    assert result.action == "turned" and Path("out/a.xmp").read_bytes() == b"edits of a.CR2"
    if sidecar:
        assert told("out/a.jpg.xmp", XMP, "Rating") == "4" and told("out/a.jpg.xmp", CRS, "HasCrop") == "True"
    else:
        assert "that of another picture there" in caplog.text


@pytest.mark.parametrize("backup", [None, ".orig"])
def test_in_place_too(folder, compass, backup):
    save("in/a.jpg", 180.0)
    xmp = with_properties(FACE, {(TIFF, "Orientation"): "1"}, PREFIXES)
    Path("in/a.jpg.xmp").write_bytes(xmp)
    list(correct_planned(plan_in_place(["in"]), compass, quarter_turns="pixels", backup=backup))
    np.testing.assert_allclose(rectangle("in/a.jpg.xmp"), [0.5, 0.4, 0.1, 0.2])
    names = {"a.jpg", "a.jpg.xmp", *(f"{name}{backup}" for name in ("a.jpg", "a.jpg.xmp") if backup)}
    assert set(os.listdir("in")) == names
    assert not backup or Path("in/a.jpg.xmp.orig").read_bytes() == xmp


def test_a_run_that_is_killed_as_soon_as_a_picture_is_done_loses_no_sidecar(folder, compass, monkeypatch):
    save("in/a.jpg", 30.0)
    save_flat("in/b.png")
    for name in ("a.jpg", "b.png"):
        Path(f"in/{name}.xmp").write_bytes(FACE)
    for resume in (False, True, True):
        with suppress(SystemExit), monkeypatch.context() as patched, Journal("journal", resume=resume) as journal:
            targets = plan_targets(["in"], "out", finished=journal.touched)
            journal.begin({})
            writing = journal.writing

            @contextmanager
            def killed(*arguments, writing=writing, **keywords):
                with writing(*arguments, **keywords) as file:
                    yield file
                sys.exit(9)

            patched.setattr(journal, "writing", killed)
            list(correct_planned(targets, compass, journal=journal, jobs=1))
    assert sorted(os.listdir("out")) == ["a.jpg", "a.jpg.xmp", "b.png", "b.png.xmp"]


def test_a_disk_too_full_for_a_sidecar_ends_the_run_before_the_picture_is_done(folder, compass, monkeypatch):
    save("in/a.jpg", 30.0)
    Path("in/a.jpg.xmp").write_bytes(FACE)
    move_new = sidecars.writing.move_new

    def full(temporary, place):
        if place.suffix != ".xmp":
            return move_new(temporary, place)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched, pytest.raises(OutputError, match="go on with --resume"):
        patched.setattr(sidecars.writing, "move_new", full)
        copies(compass)
    assert os.listdir("out") == []
    copies(compass)
    assert sorted(os.listdir("out")) == ["a.jpg", "a.jpg.xmp"]


def test_a_sidecar_that_is_being_written_when_a_run_is_killed_is_tidied_up(folder, compass, monkeypatch):
    save("in/a.jpg", 30.0)
    Path("in/a.jpg.xmp").write_bytes(FACE)
    left = []

    def keep(path):
        path.rename(f"kept{len(left)}")
        left.append(path)

    for resume in (False, True):
        with monkeypatch.context() as patched, Journal("journal", resume=resume) as journal:
            if not resume:  # as if neither were removed
                patched.setattr(Path, "unlink", keep)
                patched.setattr(journal_module, "_remove", lambda path: None)
                patched.setattr(sidecars.writing, "move_new", lambda *_: sys.exit(9))
            journal.begin({})
            with suppress(SystemExit):
                list(correct_planned(plan_targets(["in"], "out"), compass, journal=journal))
        if not resume:
            assert len(left) == 2
            for number, path in enumerate(left):
                os.rename(f"kept{number}", path)
    assert sorted(os.listdir("out")) == ["a.jpg", "a.jpg.xmp"]


# In the place of pixels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("angle, orientation, crop", [(90.0, "6", None), (180.0, "3", None), (30.0, "1", "True")])
def test_a_turn_is_told_and_no_pixel_changes(folder, compass, in_place, angle, orientation, crop):
    save("in/a.jpg", angle)
    before = Path("in/a.jpg").read_bytes()
    if in_place:
        results = list(correct_planned(plan_in_place(["in"]), compass, sidecar=True))
    else:
        results = copies(compass, sidecar=True)
    place = "in" if in_place else "out"
    assert [(one.action, one.method) for one in results] == [("turned", "sidecar")]
    assert Path(place, "a.jpg").read_bytes() == before == Path("in/a.jpg").read_bytes()
    sidecar = f"{place}/a.jpg.xmp"
    assert told(sidecar) == orientation and told(sidecar, CRS, "HasCrop") == crop
    after = everything(place)
    if in_place:
        (again,) = correct_planned(plan_in_place(["in"]), compass, sidecar=True)
        assert again.action == "unsure" and "a.jpg.xmp tells already" in again.reason
        assert everything(place) == after


def test_what_a_sidecar_says_otherwise_stays(folder, compass):
    save("in/a.jpg", 90.0)
    Path("in/a.xmp").write_bytes(RATED)
    list(correct_planned(plan_in_place(["in"]), compass, sidecar=True))
    assert told("in/a.xmp", XMP, "Rating") == "4" and told("in/a.xmp") == "6"
    assert Path("in/a.xmp").read_bytes().startswith(RATED[:60])


@pytest.mark.parametrize(
    "content", [with_properties(RATED, {(TIFF, "Orientation"): "8"}, PREFIXES), b"<damaged"], ids=["decided", "damaged"]
)
def test_a_sidecar_that_tells_a_turn_or_is_damaged_stays(folder, compass, content):
    save("in/a.jpg", 90.0)
    Path("in/a.jpg.xmp").write_bytes(content)
    (result,) = correct_planned(plan_in_place(["in"]), compass, sidecar=True)
    assert result.action == ("failed" if content == b"<damaged" else "unsure")
    assert Path("in/a.jpg.xmp").read_bytes() == content


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("angle", [20.0, 250.0])
def test_the_crop_shows_the_upright_picture(orientation, angle):
    """Heeding the sidecar as Lightroom does gives a picture that is bright above."""
    shown = crooked(angle, 300, 400)
    inverse = {6: 8, 8: 6}.get(orientation, orientation)
    stored = np.ascontiguousarray(apply_orientation(shown, inverse))
    height, width = stored.shape[:2]
    values = properties(with_turn(EMPTY, (width, height), orientation, angle))
    left, top, right, bottom, turn = (
        float(values[CRS, f"Crop{side}"]) for side in ("Left", "Top", "Right", "Bottom", "Angle")
    )
    assert abs(turn) <= 45.0
    # the rectangle from its corners, sampled along its sides, then the orientation
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    across, down = (right - left) * width / 2, (bottom - top) * height / 2
    half_width, half_height = cos * across + sin * down, -sin * across + cos * down
    y, x = np.mgrid[-1:1:60j, -1:1:60j] * 0.999
    x, y = x * half_width, y * half_height
    columns = np.floor(cos * x - sin * y + width / 2).astype(int)
    rows = np.floor(sin * x + cos * y + height / 2).astype(int)
    assert rows.min() >= 0 and columns.min() >= 0 and rows.max() < height and columns.max() < width
    upright = apply_orientation(stored[rows, columns], int(values[TIFF, "Orientation"]))[:, :, 0].astype(float)
    downwards, sideways = np.diff(upright.mean(1)).mean(), np.diff(upright.mean(0)).mean()
    assert downwards < 0 and abs(sideways) < 0.02 * abs(downwards)


def test_a_crop_is_a_turn_and_a_rating_is_none():
    assert not has_turn(RATED, 1) and not has_turn(with_properties(RATED, {(TIFF, "Orientation"): "6"}, PREFIXES), 6)
    assert has_turn(with_properties(RATED, {(CRS, "HasCrop"): "True"}, PREFIXES), 1)


@pytest.mark.parametrize("options", [{"crop": "keep"}, {"max_loss": 0.1}, {"max_loss": 0.1, "beyond": "leave"}])
def test_a_sidecar_crops_one_way_and_keeps_nothing_whole(folder, compass, options):
    save("in/a.jpg", 30.0)
    (result,) = copies(compass, sidecar=True, **options)
    assert result.crop == "fit" and result.lost > 0.25
    assert result.action == ("left" if "max_loss" in options else "turned")
    assert os.path.exists("out/a.jpg.xmp") == (result.action == "turned")


def test_what_was_turned_before_gets_no_sidecar_either(folder, compass):
    save("in/a.jpg", 30.0)
    before = TurnedBefore()
    before.add(Path("in/a.jpg").read_bytes())
    before.close()
    (result,) = copies(compass, sidecar=True)
    assert (result.action, result.reason, result.crop, result.lost) == ("unsure", REASON, None, None)
    assert os.listdir("out") == ["a.jpg"]


def test_a_run_that_was_killed_between_sidecar_and_picture_goes_on(folder, compass, monkeypatch):
    save("in/a.jpg", 30.0)
    for resume in (False, True):
        with suppress(SystemExit), monkeypatch.context() as patched, Journal("journal", resume=resume) as journal:
            if not resume:
                patched.setattr(journal, "writing", lambda *_, **__: sys.exit(9))
            journal.begin({})
            results = list(correct_planned(plan_targets(["in"], "out"), compass, journal=journal, sidecar=True))
        assert sorted(os.listdir("out")) == ["a.jpg", "a.jpg.xmp"][not resume :]
    assert [(one.action, one.method) for one in results] == [("turned", "sidecar")]


# Raw photographs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", [1, 6, 3])
def test_the_preview_in_a_raw_photograph_is_looked_at(orientation):
    preview = Image.open(io.BytesIO(preview_of(raw(0.0, orientation), "a.cr2")))
    assert preview.getexif().get(0x0112, 1) == orientation and max(preview.size) == 320


@pytest.mark.parametrize("start", [b"", b"FUJIFILMCCD-RAW "], ids=["TIFF", "other"])
def test_a_raw_photograph_is_turned_by_any_angle(folder, compass, start):
    os.mkdir("in")
    Path("in/a.raf").write_bytes(start + raw(30.0))
    (result,) = copies(compass, sidecar=True)
    assert (result.action, result.crop) == ("turned", "fit") and told("out/a.xmp", CRS, "HasCrop") == "True"
    np.testing.assert_allclose(float(told("out/a.xmp", CRS, "CropAngle")), -30.0, atol=1.0)


def test_the_pixels_of_a_raw_photograph_are_never_turned(folder, compass):
    data = encoded(Image.fromarray(crooked(30.0)), "TIFF")
    Path("a.iiq").write_bytes(data)
    (result,) = correct_planned(plan_in_place(["a.iiq"]), compass)
    assert result.action == "failed" and "--sidecar" in result.error
    assert Path("a.iiq").read_bytes() == data
    (result,) = correct_planned(plan_in_place(["a.iiq"]), compass, sidecar=True)
    assert (result.action, result.method) == ("turned", "sidecar") and Path("a.iiq").read_bytes() == data


def test_two_raw_photographs_share_no_sidecar(folder, compass):
    os.mkdir("in")
    for name in ("a.cr2", "a.NEF", "b.cr2"):
        Path("in", name).write_bytes(raw(90.0))
    results = copies(compass, sidecar=True)
    assert {one.path.name: one.action for one in results} == {"a.cr2": "unsure", "a.NEF": "unsure", "b.cr2": "turned"}
    assert sorted(os.listdir("out")) == ["a.NEF", "a.cr2", "b.cr2", "b.xmp"]


@pytest.mark.parametrize("in_place", [False, True])
def test_raw_photographs_get_a_sidecar_that_adobe_reads(folder, compass, in_place):
    os.mkdir("in")
    Path("in/a.CR2").write_bytes(raw(90.0))
    Path("in/b.nef").write_bytes(b"nothing in it")
    Path("in/c.dng").write_bytes(b"II*\0 no tags")
    before = everything("in")
    if in_place:
        results = list(correct_planned(plan_in_place(["in"], raw=True), compass, sidecar=True))
    else:
        results = copies(compass, sidecar=True)
    assert [one.action for one in results] == ["turned", "failed", "failed"]
    assert "in/b.nef is a raw photograph in which no preview" in results[1].error
    assert results[2].error.startswith("in/c.dng ")
    assert told("in/a.xmp" if in_place else "out/a.xmp") == "6"
    assert before.items() <= everything("in").items()
    assert in_place or Path("out/a.CR2").read_bytes() == Path("in/a.CR2").read_bytes()


def test_without_the_option_raw_photographs_are_no_pictures(folder):
    os.mkdir("in")
    Path("in/a.CR2").write_bytes(raw(90.0))
    with pytest.raises(UsageError, match="no pictures"):
        plan_targets(["in"], "out")


def test_with_a_journal_nothing_is_written_twice(folder, compass):
    save("in/a.jpg", 90.0)
    for resume in (False, True):
        with Journal("journal", resume=resume) as journal:
            targets = plan_in_place(["in"], finished=journal.touched)
            journal.begin({})
            (result,) = correct_planned(targets, compass, journal=journal, sidecar=True)
            assert (result.action, result.method) == ("turned", "sidecar")
        shutil.copy("in/a.jpg.xmp", "first")
        assert Path("first").read_bytes() == Path("in/a.jpg.xmp").read_bytes()


def test_the_option_is_checked():
    with pytest.raises(UsageError, match="sidecar must be"):
        Turning(sidecar="yes")
