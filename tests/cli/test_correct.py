"""`rotnet correct` and `rotnet apply` as people and scripts use them: what they write and print, and how they end."""

import csv
import errno
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from compass import compass_onnx
from pictures import encoded
from PIL import Image, PngImagePlugin
from trees import everything, make_traps, save, save_flat, start

from rotnet import angle_difference, predict_angle
from rotnet.cli.main import main
from rotnet.geometry.angles import shown_angle
from rotnet.geometry.cropping import share_lost
from rotnet.images import turn_file

COMMAND = [sys.executable, "-m", "rotnet"]
LOSSES = re.compile(
    r"(\d+) of the turned lose more than 25% of their area to the crop, (\d+)% at the most \((.*)\): .*\n"
)
SUMMARY = re.compile(r"(\d+) turned, (\d+) upright, 0 with a slight tilt, (\d+) unsure, (\d+) failed in [\d.]+ s\n")
AGAIN = re.compile(SUMMARY.pattern[:-2] + r" \((\d+) more were done by an earlier run\)\n")


@pytest.fixture
def folder(folder):
    """A folder to work in, with pictures `in/a.png` and `in/b.png` turned by 30 and 200 degrees beside a text."""
    save("in/a.png")
    save("in/b.png", 200.0)
    Path("notes.txt").write_text("no picture, and not asked for")
    return folder


@pytest.fixture
def rotnet(model, capsys):
    """The command with the test's model: exit status, standard output and error, less the sentence about crops."""

    def call(command, *arguments):
        given = ["--model", model] if command == "correct" and "--model" not in arguments else []
        status = main([command, *given, *arguments])
        out, err = capsys.readouterr()
        return status, out, LOSSES.sub("", err)

    return call


def rows_of(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


# Copies ---------------------------------------------------------------------------------------------------------------


def test_upright_copies_a_summary_and_a_report(folder, rotnet, model):
    Path("in/bad.jpg").write_text("no picture")
    save_flat("in/flat.png")
    save("in/upright.png", 0.0)
    before = everything("in")
    status, out, err = rotnet("correct", "in", "-o", "out", "--report", "logs/report.jsonl", "--crop", "same")
    assert status == 1
    assert SUMMARY.fullmatch(out).groups() == ("2", "1", "1", "1")
    complaint, advice, missing = err.splitlines()
    assert complaint.startswith("rotnet: in/bad.jpg is not a picture of a known format")
    assert advice == "1 unsure are left as they are: --list-unsure names them"
    assert everything("in") == before
    assert sorted(os.listdir("out")) == ["a.png", "b.png", "flat.png", "upright.png"]
    assert angle_difference(predict_angle("out/b.png", model=model).angle, 0.0) < 15, "dark corners included"
    with Image.open("out/b.png") as turned:
        assert turned.size == (64, 48)
    rows = rows_of("logs/report.jsonl")
    assert [row["action"] for row in rows] == ["turned", "turned", "failed", "unsure", "upright"]
    assert rows[0].pop("reason") == f"turned by {shown_angle(rows[0]['angle'])}"
    assert rows[0] | {"angle": 0, "confidence": 0} == {
        "schema": 2,
        "path": "in/a.png",
        "target": "out/a.png",
        "action": "turned",
        "angle": 0,
        "confidence": 0,
        "method": "resampled",
        "crop": "same",
        "lost": pytest.approx(share_lost(64, 48, math.radians(rows[0]["angle"]), "same"), abs=1e-4),
    }


def test_report_is_a_table_where_its_name_says_so(folder, rotnet):
    make_traps("in/traps")
    status, _, _ = rotnet("correct", "in", "-o", "out", "--report", "report.CSV")
    with open("report.CSV", newline="") as file:
        rows = list(csv.DictReader(file))
    assert status == 1 and len(rows) == 10
    assert {row["action"] for row in rows} == {"turned", "failed"}
    assert all(bool(row["error"]) == (row["action"] == "failed") for row in rows)


def test_a_plan_has_no_line_for_what_would_fail(folder, rotnet):
    save("a.jpg")
    os.rename("a.jpg", "a.dng")
    status, out, err = rotnet("correct", "a.dng", "-o", "out", "--dry-run")
    assert (status, out) == (1, "") and err.startswith("rotnet: a.dng is a raw photograph: ")


def test_unsure_pictures_are_listed(folder, rotnet):
    save_flat("in/flat\n.png")
    status, out, err = rotnet("correct", "in", "-o", "out", "--list-unsure")
    assert (status, out) == (0, "in/flat\\n.png  (not sure which way: 30.0° is the best of many)\n")
    assert SUMMARY.fullmatch(err).groups() == ("2", "0", "1", "0")
    assert rotnet("correct", "in", "-o", "out", "--list-unsure")[1] == out, "once all is done as well"


@pytest.mark.parametrize("look", [[], ["--dry-run"]])
def test_what_the_crop_takes_away_is_told(folder, model, capsys, look):
    save("in/quarter.png", 90.0)
    assert main(["correct", "in", "-o", "out", "--model", model, *look]) == 0
    out, err = capsys.readouterr()
    assert LOSSES.search(err).groups() == ("2", "57", "in/a.png")
    assert not look or [line.rpartition(", ")[2] for line in out.splitlines()][:2] == ["57% cut off)", "44% cut off)"]
    assert main(["correct", "in", "-o", "told", "--sidecar", "--model", model, *look]) == 0
    assert not LOSSES.search(capsys.readouterr().err)  # which cut nothing off
    for options in (["--crop", "keep"], ["--max-loss", "0.3"], ["--max-loss", "0.3", "--beyond", "leave"]):
        assert main(["correct", "in", "-o", "out", "--overwrite", "--model", model, *look, *options]) == 0
        out, err = capsys.readouterr()
        assert not LOSSES.search(err)
        assert ("1 turned, " in out + err and "2 left for what their crop would lose, " in out + err) == (
            len(options) == 4
        )


def test_crops_limits_and_fills(folder, rotnet):
    save("in/quarter.png", 90.0)
    run = ["correct", "in", "-o", "out", "--overwrite", "--report", "report.jsonl"]

    def found(*options):
        assert rotnet(*run, *options)[0] == 0
        with Image.open("out/a.png") as turned:
            return rows_of("report.jsonl")[0], turned.size, turned.convert("RGB").getpixel((0, 0))

    assert found()[:2] == found("--crop", "inscribed")[:2] and found()[0]["crop"] == "fit"
    assert found("--crop", "keep")[1:] == found("--crop", "expand")[1:] == ((80, 74), (0, 0, 0))
    row, (width, height), _ = found("--crop", "aspect")
    assert row["crop"] == "aspect" and abs(width - height * 4 / 3) <= 2
    row, size, corner = found("--max-loss", "0.5", "--fill", "white")
    assert (row["crop"], row["lost"], size, corner) == ("keep", 0.0, (80, 74), (255, 255, 255))
    assert "kept whole: fit would lose 57% of its area" in row["reason"]
    assert found("--crop", "keep", "--fill", "#102030")[2] == (16, 32, 48)
    for fill in ("mirror", "blur"):
        assert min(found("--crop", "keep", "--fill", fill)[2]) > 30
    row, size, _ = found("--max-loss", "0.5", "--beyond", "leave")
    assert (row["action"], row["crop"], size) == ("left", "fit", (64, 48)) and row["lost"] > 0.5
    assert [row.get("lost") for row in rows_of("report.jsonl")] == [row["lost"], pytest.approx(0.44, abs=0.01), 0.0]


@pytest.mark.parametrize("look", [[], ["--dry-run"]])
def test_tilts_that_are_left_come_with_advice(folder, rotnet, look):
    save("tilted/a.png", 12.0)
    cautious = str(compass_onnx("cautious.onnx", card={"min_confidence": 0.0, "max_upright": 0.0}))
    run = ["correct", "tilted", "-o", "out", "--model", cautious, *look]
    status, _, err = rotnet(*run)
    advice = "1 with a slight tilt are left as they are: --level corrects them\n"
    assert status == 0 and err.endswith(advice)
    status, out, err = rotnet(*run, "--no-level", "--overwrite")
    assert status == 0 and "1 with a slight tilt" in out + err and "--level" not in err, "which they know"
    assert "--level" not in rotnet(*run, "--level", "--overwrite")[2]
    assert look or Path("out/a.png").read_bytes() != Path("tilted/a.png").read_bytes()


def test_overwrites_only_when_told(folder, rotnet):
    assert rotnet("correct", "in", "-o", "out")[0] == 0
    status, _, err = rotnet("correct", "in", "-o", "out", "--level")
    assert status == 2 and "out/a.png is there already" in err
    assert rotnet("correct", "in", "-o", "out", "--overwrite", "--min-confidence", "1")[0] == 0
    assert Path("out/a.png").read_bytes() == Path("in/a.png").read_bytes()


@pytest.mark.parametrize("links", [True, False])
def test_a_file_of_somebody_else_that_came_meanwhile_is_no_result(folder, rotnet, monkeypatch, links):
    def turn(*given, real=turn_file.turn_bytes, **options):
        os.makedirs("out", exist_ok=True)
        Path("out/a.png").write_text("precious")
        return real(*given, **options)

    with monkeypatch.context() as patched:
        patched.setattr(turn_file, "turn_bytes", turn)
        if not links:
            patched.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no hard links")))
        status, _, err = rotnet("correct", "in", "-o", "out")
    assert status == 1 and "out/a.png has come there meanwhile and stays" in err
    for more in ([], ["--resume"]):
        status, _, err = rotnet("correct", "in", "-o", "out", *more)
        assert status == 2 and "out/a.png is there already. Move it, choose another folder" in err
        assert Path("out/a.png").read_text() == "precious"
    os.rename("out/a.png", "mine")
    status, out, _ = rotnet("correct", "in", "-o", "out", "--resume")
    assert status == 0 and out.startswith("2 turned") and sorted(os.listdir("out")) == ["a.png", "b.png"]


def test_another_model_of_the_same_name_is_another_run(folder, rotnet):
    compass_onnx("m.onnx")
    run = ("correct", "in", "-o", "out", "--model", "m.onnx")
    assert rotnet(*run)[0] == 0
    assert AGAIN.fullmatch(rotnet(*run)[1]).group(5) == "2"
    compass_onnx("m.onnx", softmax=False)
    status, _, err = rotnet(*run)
    assert status == 2 and "out/a.png is there already" in err


def test_only_what_is_new_is_previewed_after_a_run(folder, rotnet):
    assert rotnet("correct", "in", "-o", "out")[0] == 0
    save("in/c.png", 60.0)
    look = ("correct", "in", "-o", "out", "--dry-run", "--report", "plan.jsonl")
    status, out, err = rotnet(*look)
    assert status == 0 and "in/c.png" in out and "in/a.png" not in out
    assert "2 more were done by an earlier run, and are left out" in err
    assert [row["path"] for row in rows_of("plan.jsonl")] == ["in/c.png"]
    assert rotnet("apply", "plan.jsonl")[0] == 0 and Path("out/c.png").exists()
    status, _, err = rotnet(*look, "--level")  # another run, whose results would replace those
    assert status == 2 and "out/a.png is there already" in err


def test_what_is_no_picture_by_its_name_is_told(folder, rotnet):
    for name in "a.CR2 b.cr2 notes a.png.xmp".split():
        Path("in", name).touch()
    for options in (["-o", "out"], ["-o", "out2", "--dry-run"]):
        status, _, err = rotnet("correct", "in", *options)
        assert status == 0
        assert err.endswith("rotnet: skipped, unsupported extension: 2 .cr2, 1 without extension\n")


def test_links_to_folders_are_told(folder, rotnet):
    os.mkdir("albums")
    os.symlink("../in", "albums/first")
    for where in (["-o", "out"], ["--in-place"]):
        status, _, err = rotnet("correct", "albums", *where)
        assert status == 2 and "no pictures to correct" in err and "Not followed: 1 link to a folder" in err
    os.symlink("../in", "albums/second")
    Path("albums/a.cr2").touch()
    status, _, err = rotnet("correct", "in", "albums", "-o", "out")
    assert status == 0
    assert err == "rotnet: skipped, unsupported extension: 1 .cr2; not followed: 2 links to folders\n"


def test_what_failed_is_said_to_be_no_copy(folder, rotnet):
    Path("in/c.jpg").write_text("no picture")
    run = ("correct", "in", "-o", "straight/")
    for _ in range(2):
        status, _, err = rotnet(*run)
        assert status == 1 and err.endswith("\n1 that failed is not in straight/\n")
    for other in ([*run, "--dry-run"], ["correct", "in", "--in-place"]):
        assert "that failed" not in rotnet(*other)[2]


def test_results_among_the_inputs_are_told(folder, rotnet):
    for _ in range(2):
        status, _, err = rotnet("correct", "in", "-o", "in/out", "--overwrite")
        assert status == 0 and err.startswith("rotnet: in/out lies in in: ")
    assert sorted(os.listdir("in/out")) == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("options", "method", "size"),
    [
        (["--quarter-turns", "pixels"], "pixels", (48, 64)),
        (["--quarter-turns", "off", "--crop", "expand", "--fill", "255,0,0"], "resampled", None),
        (["--quarter-turns", "exif"], "exif", (64, 48)),
    ],
)
def test_options_of_turning_are_passed_on(folder, rotnet, options, method, size):
    save("quarter/a.jpg", 90.3)
    assert rotnet("correct", "quarter", "-o", "out", "--report", "report.jsonl", *options)[0] == 0
    assert rows_of("report.jsonl")[0]["method"] == method
    with Image.open("out/a.jpg") as turned:
        assert size is None or turned.size == size


def test_limit_of_pixels(folder, rotnet):
    status, _, err = rotnet("correct", "in", "-o", "out", "--max-pixels", "100")
    assert status == 1 and err.count("more than") == 2 and err.count("\n") == 3


@pytest.mark.parametrize("report", ["in/a.png", "out/a.png", "other.JPG"])
@pytest.mark.parametrize("option", ["--report", "--preview"])
def test_report_never_replaces_a_picture(folder, rotnet, option, report):
    before = everything(".")
    status, _, err = rotnet("correct", "in", "-o", "out", option, report)
    assert status == 2 and "would replace a picture" in err
    assert everything(".") == before


@pytest.mark.parametrize("look", [[], ["--dry-run"]])
def test_wrong_angles_are_refused_before_the_last_report_is_emptied(folder, rotnet, look):
    run = ["correct", "in", "-o", "out", "--overwrite", "--report", "report.jsonl", "--journal", "journal"]
    rotnet(*run)
    before = everything(".")
    if look:
        run = run[:-2]
    status, _, err = rotnet(*run, *look, "--angle-range", "15", "-15")
    assert status == 2 and "LOW below HIGH" in err and err.count("\n") == 1
    assert everything(".") == before


@pytest.mark.parametrize("option", ["--report", "--preview", "--journal"])
def test_report_that_cannot_be_written_is_an_error_before_any_work(folder, rotnet, option):
    before = everything(".")
    status, _, err = rotnet("correct", "in", "-o", "out", option, "notes.txt/name")
    assert status == 1 and "notes.txt" in err and " cannot be " in err and err.count("\n") == 1
    assert everything(".") == before


def test_every_bad_file_is_one_line(folder, rotnet):
    os.mkdir("traps")
    traps = make_traps("traps/\n")
    os.chdir("traps")
    save("-dash.png")
    save(os.fsdecode(b"not-\xff-text.png"))
    save("/".join(["d" * 200] * 10 + ["deep.png"]))
    status, out, err = rotnet("correct", "-o", "../out", "--report", "../report.jsonl", "--", ".")
    assert status == 1
    assert SUMMARY.fullmatch(out).groups() == ("5", "0", "0", str(len(traps)))
    *complaints, missing = err.splitlines()
    assert len(complaints) == len(traps) and all(line.startswith("rotnet: ") for line in complaints)
    assert missing == f"{len(traps)} that failed are not in ../out"
    paths = {row["path"] for row in rows_of("../report.jsonl") if row["action"] == "turned"}
    assert all(os.path.exists(path) and os.path.exists(os.path.join("../out", path)) for path in paths)


# In place, and again --------------------------------------------------------------------------------------------------


def test_in_place_with_a_backup(folder, rotnet):
    before = everything("in")
    assert rotnet("correct", "in", "--in-place", "--backup", ".orig")[0] == 0
    after = everything("in")
    assert after["in/a.png.orig"] == before["in/a.png"] != after["in/a.png"]
    assert rotnet("correct", "in", "--in-place", "--backup", ".orig")[0] == 0
    assert everything("in") == after
    for more in (["--resume"], ["--journal", "another"], ["--level"], ["--preview", "page.html"]):
        assert rotnet("correct", "in", "--in-place", "--backup", ".orig", *more)[0] == 0, more
        assert everything("in") == after
    save("in/a.png", 60.0)  # which has no backup
    status, _, err = rotnet("correct", "in", "--in-place", "--backup", ".orig", "--no-level")
    assert status == 2
    assert err == "rotnet: in/a.png.orig is there already. Move it, or choose another suffix for the backups.\n"


def test_an_interrupted_run_alone_is_said_to_be_taken_up(folder, rotnet):
    run = ("correct", "in", "-o", "out", "--journal", "journal")
    assert rotnet(*run)[0] == 0
    told = "rotnet: out/a.png is there already. "
    assert rotnet(*run, "--level")[2] == f"{told}Move it, choose another folder, or --overwrite it.\n"
    lines = Path("journal").read_text().splitlines(keepends=True)
    Path("journal").write_text("".join(lines[:-1]))
    assert rotnet(*run)[2].startswith(f"{told}Take the interrupted run up with --resume, move it, ")


@pytest.mark.parametrize("places", [["-o", "out"], ["--in-place"], ["--in-place", "--backup", ".orig"]])
def test_the_same_command_does_only_what_is_new(folder, rotnet, places):
    assert rotnet("correct", "in", *places)[0] == 0
    before = everything(".")
    save("in/later.png", 200.0)
    status, out, err = rotnet("correct", "in", *places, "--report", "report.jsonl")
    assert status == 0 and ("--backup" in places or not err)
    assert AGAIN.fullmatch(out).groups() == ("1", "0", "0", "0", "2")
    assert before.items() <= everything(".").items()
    assert [row["action"] for row in rows_of("report.jsonl")] == ["turned"] * 3
    status, out, _ = rotnet("correct", "in", *places)
    assert status == 0 and AGAIN.fullmatch(out).groups() == ("0", "0", "0", "0", "3")


def test_an_original_that_changed_does_not_replace_its_successor_unasked(folder, rotnet):
    assert rotnet("correct", "in", "-o", "out")[0] == 0
    before = everything("out")
    save("in/a.png", 200.0)
    os.utime("in/a.png", (1e9, 1e9))
    status, _, err = rotnet("correct", "in", "-o", "out")
    assert status == 2 and "out/a.png is there already" in err and everything("out") == before


def test_a_picture_turned_by_hand_after_the_run_is_looked_at_anew(folder, rotnet):
    assert rotnet("correct", "in", "--in-place", "--backup", ".orig")[0] == 0
    os.unlink("in/a.png.orig")
    Image.open("in/a.png").transpose(Image.Transpose.ROTATE_90).save("in/a.png")
    os.utime("in/a.png", (1e9, 1e9))
    status, out, _ = rotnet("correct", "in", "--in-place", "--backup", ".orig")
    assert status == 0 and AGAIN.fullmatch(out).groups() == ("1", "0", "0", "0", "1")


def test_nothing_is_turned_twice_wherever_it_lies(folder, rotnet):
    """By a model that never finds a picture upright, so that only memory keeps it from turning its own work."""
    weights = np.zeros((16 * 16 * 3, 360), np.float32)
    weights[:, 30] = 1.0
    stubborn = str(compass_onnx("stubborn.onnx", weights=weights, card={"min_confidence": 0.0}))
    assert rotnet("correct", "in", "--in-place", "--model", stubborn)[0] == 0
    turned = Path("in/a.png").read_bytes()
    os.rename("in", "moved")
    os.rename("moved/a.png", "moved/renamed.png")
    picture = Image.open("moved/renamed.png")
    titled = PngImagePlugin.PngInfo()
    titled.add_text("Title", "and titled since")
    picture.save("moved/renamed.png", pnginfo=titled)
    Path("moved/copy.png").write_bytes(turned)
    before = everything("moved")
    run = ["correct", "moved", "--model", stubborn, "--list-unsure"]
    status, out, _ = rotnet(*run, "--in-place", "--dry-run")
    assert status == 0 and out.count("turns nothing twice") >= 1
    status, out, _ = rotnet(*run, "--in-place")
    assert status == 0 and "moved/copy.png  (rotnet has turned it before" in out
    assert everything("moved")["moved/copy.png"] == before["moved/copy.png"]
    status, out, _ = rotnet(*run, "-o", "out")
    assert status == 0 and Path("out/copy.png").read_bytes() == turned


def test_resume_of_a_finished_run_does_nothing(folder, rotnet):
    for places in (["-o", "out"], ["--in-place"]):
        first = rotnet("correct", "in", *places)
        before = everything(".")
        again = rotnet("correct", "in", *places, "--resume", "--report", "report.jsonl")
        assert SUMMARY.fullmatch(first[1]).groups() == SUMMARY.fullmatch(again[1]).groups() == ("2", "0", "0", "0")
        assert [row["action"] for row in rows_of("report.jsonl")] == ["turned", "turned"]
        os.unlink("report.jsonl")
        assert everything(".") == before


def test_journal_may_lie_elsewhere(folder, rotnet):
    assert rotnet("correct", "in", "-o", "out", "--journal", "logs/journal")[0] == 0
    assert rotnet("correct", "in", "-o", "out", "--journal", "logs/journal", "--resume")[0] == 0
    assert rotnet("correct", "in", "-o", "out", "--journal", "notes.txt", "--overwrite")[0] == 2
    assert Path("notes.txt").read_text() == "no picture, and not asked for"


def test_levels_that_fit_no_picture_are_refused_at_once(folder, rotnet):
    with pytest.raises(SystemExit) as ended:
        rotnet("correct", "in", "-o", "out", "--fill", "255,0")
    assert ended.value.code == 2 and not os.path.exists("out")


# Look first -----------------------------------------------------------------------------------------------------------


def test_dry_run_prints_the_plan_and_writes_nothing(folder, rotnet):
    save_flat("in/flat.png")
    Path("in/bad.jpg").touch()
    before = everything(".")
    status, out, err = rotnet("correct", "in", "-o", "out", "--dry-run")
    assert status == 1
    assert [line.split()[0] for line in out.splitlines()] == ["turned", "turned", "unsure"]
    first = r"turned +(29\.9|30\.0|30\.1)° +[01]\.\d\d  in/a\.png -> out/a\.png  \(turned by .*\)"
    assert re.fullmatch(first, out.splitlines()[0])
    assert "in/bad.jpg is empty" in err and err.endswith("(planned, nothing is written yet)\n")
    assert everything(".") == before and not os.path.exists("out")
    status, out, _ = rotnet("correct", "in", "--in-place", "--dry-run")
    assert "  in/a.png  (turned by " in out.splitlines()[0] and everything(".") == before


@pytest.mark.parametrize("places", [["-o", "out"], ["--in-place", "--backup", ".orig"]])
def test_rows_that_were_kept_are_applied_once(folder, rotnet, model, places):
    save_flat("in/flat.png")
    before = everything("in")
    assert rotnet("correct", "in", *places, "--preview", "sheet.html", "--report", "report.jsonl")[0] == 0
    assert everything("in") == before and sorted(os.listdir(".")) == ["in", "notes.txt", "report.jsonl", "sheet.html"]
    page = re.findall(r'data-row="([^"]*)"', Path("sheet.html").read_text())
    assert sorted(map(unescape, page)) == sorted(Path("report.jsonl").read_text().splitlines())
    Path("kept.jsonl").write_text("".join(f"{unescape(row)}\n" for row in page if "in/b.png" not in row))
    status, out, err = rotnet("apply", "kept.jsonl", "--report", "done.jsonl")
    assert (status, err) == (0, "1 unsure are left as they are: --list-unsure names them\n")
    assert SUMMARY.fullmatch(out).groups() == ("1", "0", "1", "0")
    assert [row.get("method") for row in rows_of("done.jsonl")] == [None, "resampled"]
    after = everything(".")
    assert after["./in/b.png"] == before["in/b.png"] and not os.path.exists("out/b.png")
    assert angle_difference(predict_angle(rows_of("done.jsonl")[1]["target"], model=model).angle, 0.0) < 1
    assert rotnet("apply", "kept.jsonl", "--resume")[0] == 0
    assert rotnet("apply", "kept.jsonl")[0] == (1 if "--in-place" in places else 0)  # in place it is another now
    assert rotnet("apply", "done.jsonl")[0] == 2
    assert rotnet("apply", "kept.jsonl", "--report", "kept.jsonl")[0] == 2
    assert everything(".") == after, "and not once more"


# Standard input and output --------------------------------------------------------------------------------------------


def stream(arguments, data, model):
    command = [*COMMAND, "correct", *arguments, "--model", model]
    run = subprocess.run(command, input=data, capture_output=True, timeout=60)
    return run.returncode, run.stdout, run.stderr.decode()


def test_one_picture_through_standard_input_and_output(folder, model):
    data = Path("in/a.png").read_bytes()
    status, out, err = stream(["-"], data, model)
    assert status == 0
    assert re.fullmatch(r"rotnet: turned +\d+\.\d° +[01]\.\d\d  standard input  \(turned by .*\)\n", err)
    assert angle_difference(predict_angle(io.BytesIO(out), model=model).angle, 0.0) < 1
    assert stream(["in/a.png", "-o", "-"], b"", model)[:2] == (0, out)
    assert stream(["-", "-o", "-", "--min-confidence", "1"], data, model)[:2] == (0, data)
    for bad in (b"", b"Dear diary", data[: len(data) // 2]):
        status, out, err = stream(["-"], bad, model)
        assert (status, out) == (1, b"") and err.startswith("rotnet: ") and err.count("\n") == 1


# Wrong use ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["empty", "-o", "out"], 2, "no pictures to correct"),
        (["in", "-o", "in", "--overwrite"], 2, "is itself an input"),
        (["in/a.png", "copy/a.png", "-o", "out"], 2, "would both become"),
        (["in", "-o", "in/a.png"], 1, "is not a folder"),
        (["in", "-o", "notes.txt/deep/down"], 1, "is not a folder"),
        (["in"], 2, "Say where the results go"),
        (["in", "-o", "out", "--in-place"], 2, "-o OUT and --in-place exclude each other"),
        (["in", "--in-place", "--overwrite"], 2, "--overwrite is for results in a folder"),
        (["in", "-o", "out", "--beyond", "leave"], 2, "--max-loss: say how much"),
        (["in", "--in-place", "--backup", ".xmp"], 2, "no picture's and no sidecar's"),
        (["in", "--in-place", "--backup", "/x"], 2, "no picture's and no sidecar's"),
        (["in", "-o", "out", "--backup", ".orig"], 2, "--backup is for --in-place"),
        (["in", "-o", "out", "--dry-run", "--resume"], 2, "--resume goes on with work"),
        (["in", "-o", "straight.jpg"], 2, "straight.jpg looks like a picture"),
        (["in", "-o", "out", "--report", "notes.txt"], 2, "nothing that rotnet writes"),
        (["in", "-o", "out", "--report", "package.json"], 2, "nothing that rotnet writes"),
        (["in", "-o", "out", "--preview", "album.html"], 2, "nothing that rotnet writes"),
        (["in", "-o", "out", "--preview", "empty"], 1, "empty cannot be written: it is a folder"),
        (["in", "-o", "out", "--report", "one", "--journal", "./one"], 2, "written to a file each"),
        (["-", "in", "-o", "out"], 2, "is one picture from standard input"),
        (["-", "-o", "out"], 2, "is one picture from standard input"),
        (["-", "--in-place"], 2, "leave out --in-place"),
        (["-", "--list-unsure"], 2, "leave out --list-unsure"),
        (["in/a.png", "-o", "-", "--overwrite"], 2, "leave out --overwrite"),
    ],
)
def test_errors_are_one_sentence(folder, rotnet, arguments, status, sentence):
    os.mkdir("empty")
    save("copy/a.png")
    Path("package.json").write_text('{"name": "mine"}')
    Path("album.html").write_text("<!doctype html>\n<title>my album</title>")
    before = everything(".")
    ended, out, err = rotnet("correct", *arguments)
    assert (ended, out) == (status, "")
    assert err.startswith("rotnet: ") and sentence in err and err.count("\n") == 1
    assert everything(".") == before and not os.path.exists("out")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["in", "-o", ""],
        ["in", "-o", "out", "--crop", "tight"],
        ["in", "-o", "out", "--fill", "reddish"],
        ["in", "-o", "out", "--fill", "1,2"],
        ["in", "-o", "out", "--max-loss", "30"],
        ["in", "-o", "out", "--beyond", "crop"],
        ["in", "-o", "out", "--quarter-turns", "some"],
        ["in", "-o", "out", "--min-confidence", "2"],
        ["in", "-o", "out", "--min-confidence", "nan"],
        ["in", "-o", "out", "--jobs", "0"],
        ["in", "-o", "out", "--max-pixels", "-1"],
    ],
)
def test_wrong_use_ends_with_2(folder, capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        main(["correct", *arguments])
    assert ended.value.code == 2
    assert "usage: rotnet correct" in capsys.readouterr().err


# Signals and disks ----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child process")
def test_interrupted_run_ends_soon_and_is_taken_up_again(folder, model):
    save("many/0.jpg")
    for number in range(1, 200):
        os.link("many/0.jpg", f"many/{number}.jpg")
    slowly = (
        "import sys, time\n"
        "from rotnet.cli.main import main\n"
        "from rotnet.images import turn_file\n"
        "turn = turn_file.turn_bytes\n"
        "turn_file.turn_bytes = lambda *data, **options: time.sleep(0.3) or turn(*data, **options)\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["correct", "many", "-o", "out", "--crop", "keep", "--model", model, "--report", "report.jsonl"]
    command = [sys.executable, "-c", slowly, *arguments]
    with start(command) as process:
        deadline = time.monotonic() + 60
        while not (Path("report.jsonl").exists() and Path("report.jsonl").read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r" failed in .* s \(\d+ left, go on with --resume\)\n", out)
    assert err == "rotnet: interrupted; what was finished is whole\n"
    done = everything("out")
    assert done and not any(os.path.basename(path).startswith(".") for path in done)
    for path in done:
        with Image.open(path) as picture:
            picture.load()
    assert all(rows_of("report.jsonl"))
    run = subprocess.run([*COMMAND, *arguments, "--resume"], capture_output=True, text=True, timeout=300)
    assert (run.returncode, run.stderr) == (0, "")
    assert len(set(everything("out").values())) == 1 and len(everything("out")) == 200
    assert len(rows_of("report.jsonl")) == 200


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for a child process")
def test_interrupt_does_not_wait_for_a_slow_picture(folder, model):
    script = (
        "import os, sys, time\n"
        "from rotnet.cli.main import main\n"
        "from rotnet.images import turn_file\n"
        "turn_file.turn_bytes = lambda *_, **__: os.write(1, b'slow\\n') and time.sleep(600)\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, "correct", "in", "-o", "out", "--model", model]
    with start(command) as process:
        assert process.stdout.readline() == "slow\n"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130 and not list(Path("out").glob("*"))


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a disk")
def test_disk_that_fills_up(folder, rotnet):
    os.mkdir("small")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "small"], capture_output=True).returncode:
        pytest.skip("may not mount")
    try:
        noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
        for number in range(8):
            Path(f"in/{number}.png").write_bytes(encoded(noise))
        before = everything("in")
        status, out, err = rotnet("correct", "in", "-o", "small/out", "--min-confidence", "1")
        assert (status, out) == (1, "") and "make room or choose another disk" in err
        assert os.listdir("small") == []
        # less than the plan can know of: what is turned and expanded grows
        for number in range(4, 8):
            os.unlink(f"in/{number}.png")
        options = ["--min-confidence", "0", "--crop", "expand", "--fill", "77", "--quarter-turns", "off"]
        status, out, err = rotnet("correct", "in", "-o", "small/out", *options)
        if status == 1:
            assert "No space left on device" in err and "go on with --resume" in err
        for path in everything("small"):
            with Image.open(path) as picture:
                picture.load()
        assert not any(os.path.basename(path).startswith(".") for path in everything("small"))
        assert all(everything("in")[path] == digest for path, digest in before.items() if os.path.exists(path))
    finally:
        subprocess.run(["umount", "small"], check=True)


def test_progress_is_for_terminals_alone(folder, model):
    run = subprocess.run(
        [*COMMAND, "correct", "in", "-o", "out", "--crop", "keep", "--model", model],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0 and run.stderr == "" and SUMMARY.fullmatch(run.stdout)
