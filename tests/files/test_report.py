"""Reports and the page to review: what is written is read back, whatever the names, and only what was kept is done."""

import csv
import hashlib
import json
import math
import os
import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from trees import everything, make_traps, save, save_flat

from rotnet.errors import OutputError, UsageError
from rotnet.files import FileCorrection, Turning, carry_out, decide_files, plan_in_place, plan_targets, with_digests
from rotnet.files.preview import write_preview
from rotnet.files.report import COLUMNS, open_report, read_plan, row_of
from rotnet.geometry.cropping import share_lost


@pytest.fixture
def folder(folder):
    """A folder to work in, with pictures to turn, to leave and to give up on."""
    save("in/a.png")
    save("in/b.png", 200.0)
    save("in/c.png", 0.0)
    save_flat("in/sub/d.png")
    return folder


def plan(compass, how=None, *, in_place=False):
    targets = plan_in_place(["in"]) if in_place else plan_targets(["in"], "out")
    return with_digests(decide_files(targets, compass, how=how))


def write_plan(compass, path="plan.jsonl", how=None, **options):
    with open_report(path) as write:
        for decision in plan(compass, how, **options):
            write(row_of(decision, how or Turning()))
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_picture_that_changes_before_it_is_signed_is_not_planned(folder, compass):
    decisions = list(decide_files(plan_targets(["in/a.png"], "out"), compass))
    save("in/a.png", 90.0)
    (signed,) = with_digests(decisions)
    assert signed.action == "failed" and "has changed since it was looked at" in signed.error


# Reports --------------------------------------------------------------------------------------------------------------

TEXTS = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name).map(os.fsdecode)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, TEXTS)
def test_any_name_is_read_back(tmp_path, name, error):
    result = FileCorrection(Path(name), None, "failed", error=error)
    for kind in ("jsonl", "csv"):
        with open_report(tmp_path / f"report.{kind}") as write:
            write(row_of(result))
    row = json.loads((tmp_path / "report.jsonl").read_text(encoding="ascii"))
    assert row == {"schema": 2, "path": str(Path(name)), "action": "failed", "error": error}
    with open(tmp_path / "report.csv", encoding="utf-8", errors="surrogateescape", newline="") as file:
        (row,) = csv.DictReader(file)
    assert tuple(row) == COLUMNS
    assert os.fsencode(row["path"]) == os.fsencode(Path(name)) and row["error"] == error


def test_plan_is_read_back(folder, compass):
    how = Turning(crop="expand", fill=(255.0, 0.0, 0.0), quarter_turns="pixels", backup=".orig")
    rows = write_plan(compass, how=how)
    assert [row["action"] for row in rows] == ["turned", "turned", "upright", "unsure"]
    assert all(row["schema"] == 2 and set(row) <= {*COLUMNS, "planned"} for row in rows)
    decisions, read, _ = read_plan("plan.jsonl")
    assert decisions == list(plan(compass, how))
    assert (read.crop, list(read.fill), read.quarter_turns, read.backup) == ("keep", [255, 0, 0], "pixels", ".orig")


@pytest.mark.parametrize(
    ("crop", "size"), [("keep", (80, 73)), ("same", (64, 48)), ("aspect", (41, 31)), (None, (47, 28))]
)
def test_the_crop_of_a_row_is_obeyed(folder, compass, crop, size):
    row, *_ = write_plan(compass)
    assert (row["crop"], row["planned"]["crop"]) == ("fit", "fit") and 0.5 < row["lost"] < 0.6
    del row["lost"]
    row = {name: value for name, value in (row | {"crop": crop}).items() if value is not None}
    Path("plan.jsonl").write_text(json.dumps(row))
    (result,) = carry_out(*read_plan("plan.jsonl")[:2])
    with Image.open("out/a.png") as turned:
        assert abs(turned.width - size[0]) <= 1 and abs(turned.height - size[1]) <= 1
    assert result.crop == (crop or "fit")
    assert result.lost == pytest.approx(share_lost(64, 48, math.radians(result.angle), crop or "fit"), abs=1e-4)


@pytest.mark.parametrize("quarter_turns", ["auto", "off"])
@pytest.mark.parametrize("angle", [0, 360, -360.0, -1e-20])
def test_turned_by_nothing_is_left_as_it_is(folder, compass, angle, quarter_turns):
    row, *_ = write_plan(compass, how=Turning(quarter_turns=quarter_turns))
    row |= {"angle": angle, "reason": "turned by 0.0° by a person", "decided": "person"}
    Path("plan.jsonl").write_text(json.dumps(row))
    (result,) = carry_out(*read_plan("plan.jsonl")[:2])
    assert (result.action, result.angle, result.method, result.crop, result.lost) == ("upright", 0.0, None, None, None)
    assert Path("out/a.png").read_bytes() == Path("in/a.png").read_bytes()


def test_an_exact_copy_is_not_remembered_as_turned(folder, compass):
    list(carry_out([FileCorrection(Path("in/a.png"), Path("out/a.png"), "turned", 0.0)], Turning()))
    assert Path("out/a.png").read_bytes() == Path("in/a.png").read_bytes()
    (looked_at,) = with_digests(decide_files({Path("in/a.png"): Path("other/a.png")}, compass))
    assert looked_at.action == "turned"


def test_plans_of_before_there_were_limits_or_sidecars_are_read(folder, compass):
    row, *_ = write_plan(compass)
    planned = {name: row["planned"][name] for name in row["planned"] if name not in ("max_loss", "beyond", "sidecar")}
    older = {name: row[name] for name in row if name not in ("crop", "lost")} | {
        "planned": planned | {"crop": "expand"}
    }
    Path("plan.jsonl").write_text(json.dumps(older))
    decisions, how, _ = read_plan("plan.jsonl")
    assert (how.crop, how.max_loss) == ("keep", None)
    (result,) = carry_out(decisions, how)
    assert (result.crop, result.lost) == ("keep", 0.0)


def test_what_is_left_for_its_crop_may_be_turned_by_a_person(folder, compass):
    how = Turning(max_loss=0.3, beyond="leave")
    rows = write_plan(compass, how=how)
    assert [row["action"] for row in rows] == ["left", "left", "upright", "unsure"]
    decisions, read, _ = read_plan("plan.jsonl")
    assert read == how and [one.action for one in carry_out(decisions, read)] == ["left", "left", "upright", "unsure"]
    turned = rows[0] | {"action": "turned", "decided": "person", "target": "by hand/a.png"}
    for crop, taken in (("fit", "fit"), ("keep", "keep"), (None, "fit")):
        row = {name: value for name, value in (turned | {"crop": crop}).items() if value is not None}
        Path("plan.jsonl").write_text(json.dumps(row))
        (result,) = carry_out(*read_plan("plan.jsonl")[:2], overwrite=True)
        assert (result.action, result.crop) == ("turned", taken)


def test_kept_rows_are_carried_out(folder, compass):
    rows = write_plan(compass)
    before = everything("in")
    Path("kept.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[1:3]))
    decisions, how, _ = read_plan("kept.jsonl")
    results = list(carry_out(decisions, how))
    assert [(result.action, result.method, result.sha256) for result in results] == [
        ("turned", "resampled", None),
        ("upright", None, None),
    ]
    assert everything("in") == before
    assert sorted(os.listdir("out")) == ["b.png", "c.png"]


def test_picture_that_has_changed_is_left_as_it_is(folder, compass):
    write_plan(compass, in_place=True)
    decisions, how, _ = read_plan("plan.jsonl")
    assert [result.action for result in carry_out(decisions, how)] == ["turned", "turned", "upright", "unsure"]
    before = everything("in")
    results = list(carry_out(decisions, how))
    assert [result.action for result in results] == ["failed", "failed", "upright", "unsure"]
    assert "in/a.png has changed since it was looked at" in results[0].error
    assert everything("in") == before


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda row: "no JSON", "is not JSON"),
        (lambda row: "[1]", "must be a row of a report of schema 2, but it has no schema"),
        (lambda row: row | {"schema": 1}, "must be a row of a report of schema 2, but it has schema 1"),
        (lambda row: {name: row[name] for name in row if name != "planned"}, "tells what was done already"),
        (lambda row: {name: row[name] for name in row if name != "target"}, ": target must be .* is missing"),
        (lambda row: row | {"action": "delete"}, ": action must be one of turned, .* but it is 'delete'"),
        (lambda row: row | {"action": ["turned"]}, ": action must be one of turned, "),
        (lambda row: row | {"angle": float("nan")}, ": angle must be degrees, a number .* but it is nan"),
        (lambda row: row | {"angle": "much"}, ": angle must be degrees, a number .* but it is 'much'"),
        (lambda row: row | {"angle": True}, ": angle must be "),
        (lambda row: row | {"planned": {"sha256": ""}}, ": planned must have the options of a plan"),
        (lambda row: row | {"planned": "later"}, ": planned must be an object"),
        (lambda row: row | {"path": "in/\0.png"}, ": path must be the path of a picture"),
        (lambda row: row | {"path": 7}, ": path must be the path of a picture, but it is 7"),
        (lambda row: row | {"planned": row["planned"] | {"sha256": None}}, ": sha256 must be "),
        (lambda row: row | {"path": "in/\ud800.png", "target": "out/\ud800.png"}, ": path must be "),
        (lambda row: row | {"target": "out/else.png"}, ": target must end in b.png"),
        (lambda row: row | {"angle": 10**400}, ": angle must be "),
        (lambda row: row | {"confidence": 7}, ": confidence must be a number from 0 to 1, but it is 7"),
        (lambda row: row | {"confidence": None}, ": confidence must be a number from 0 to 1, but it is None"),
        (lambda row: row | {"decided": "dog"}, ": decided must be \"person\", or be left out, but it is 'dog'"),
        (lambda row: row | {"reason": 5}, ": reason must be text"),
        (
            lambda row: row | {"crop": "tight"},
            ": crop must be one of fit, keep, same, aspect, or be left out, but it is 'ti",
        ),
        (lambda row: row | {"crop": ["fit"]}, ": crop must be "),
        (lambda row: row | {"lost": 7}, ": lost must be a number from 0 to 1, but it is 7"),
        (lambda row: "[" * 100_000, "is not JSON"),
        (lambda row: row | {"path": "in/a.png", "target": "out/a.png"}, "names in/a.png a second time"),
        (lambda row: row | {"planned": row["planned"] | {"crop": "same"}}, "comes from another run"),
    ],
)
def test_row_that_is_none_is_told(folder, compass, change, sentence):
    first, second, *_ = write_plan(compass)
    changed = change(second)
    Path("plan.jsonl").write_text(
        f"{json.dumps(first)}\n{changed if isinstance(changed, str) else json.dumps(changed)}\n"
    )
    with pytest.raises(UsageError, match=f"line 2 of plan.jsonl ?{sentence}"):
        read_plan("plan.jsonl")


@pytest.mark.parametrize("in_place", [False, True])
def test_what_a_person_decided_is_done(folder, compass, in_place):
    crooked, other, _, unsure = write_plan(compass, in_place=in_place)
    before = everything("in")
    del other["confidence"], unsure["confidence"]
    other |= {"action": "upright", "angle": 0, "decided": "person"}
    unsure |= {"action": "turned", "angle": -90, "decided": "person"}
    Path("decisions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (crooked, other, unsure)))
    results = list(carry_out(*read_plan("decisions.jsonl")[:2]))
    assert [(one.action, one.angle, one.decided) for one in results] == [
        ("turned", crooked["angle"], None),
        ("upright", 0.0, "person"),
        ("turned", 270.0, "person"),
    ]
    assert row_of(results[2])["decided"] == "person" and "confidence" not in row_of(results[2])
    after = everything("." if in_place else "out")
    place = "./in" if in_place else "out"
    assert after[f"{place}/b.png"] == before["in/b.png"]
    with Image.open(unsure["target"]) as turned:
        assert turned.size == (20, 30)
    if in_place:  # done, and so no longer what was decided about
        again = list(carry_out(*read_plan("decisions.jsonl")[:2]))
        assert [one.action for one in again] == ["failed", "upright", "failed"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_pixels": "many"},
        {"fill": {"a": 1}},
        {"crop": []},
        {"max_loss": "half"},
        {"beyond": 1},
        {"fill": "reddish"},
        {"backup": 5},
    ],
)
def test_options_that_are_none_are_told(folder, compass, wrong):
    first, *_ = write_plan(compass)
    Path("plan.jsonl").write_text(json.dumps(first | {"planned": first["planned"] | wrong}))
    with pytest.raises(UsageError):
        read_plan("plan.jsonl")


def test_a_plan_copies_nothing_that_was_not_looked_at(folder, compass):
    *_, row = write_plan(compass)
    assert row["action"] == "unsure" and row["planned"]["sha256"]
    Path(row["path"]).write_text("secret")
    (result,) = (one for one in carry_out(*read_plan("plan.jsonl")[:2]) if str(one.path) == row["path"])
    assert result.action == "failed" and "has changed since it was looked at" in result.error

    unsigned = row | {"path": "/etc/hostname", "target": "out/hostname", "action": "upright"}
    unsigned["planned"] = row["planned"] | {"sha256": None}
    Path("plan.jsonl").write_text(json.dumps(unsigned))
    with pytest.raises(UsageError, match="line 1 of plan.jsonl: sha256 must be "):
        read_plan("plan.jsonl")

    signed = row | {"planned": row["planned"] | {"sha256": hashlib.sha256(b"secret").hexdigest()}}
    Path("plan.jsonl").write_text(json.dumps(signed))
    (result,) = carry_out(*read_plan("plan.jsonl")[:2])
    assert result.action == "failed" and "is not a picture" in result.error
    assert not os.path.exists(row["target"])


@pytest.mark.parametrize("content", [None, b"", b"\xff\xd8\xff", b'{"schema": 2, "action": "failed"}\n'])
def test_file_that_is_no_plan_is_told(folder, content):
    if content is not None:
        Path("plan.jsonl").write_bytes(content)
    with pytest.raises(UsageError, match=r"The report plan\.jsonl"):
        read_plan("plan.jsonl")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_report_on_a_full_disk_is_told():
    with pytest.raises(OutputError, match="The report /dev/full cannot be written"), open_report("/dev/full") as write:
        write({"schema": 2})


# The page -------------------------------------------------------------------------------------------------------------


def preview(compass, **options):
    how = Turning(**options)
    decisions = list(write_preview(plan(compass, how), "sheet.html", how))
    page = Path("sheet.html").read_text()
    rows = [json.loads(unescape(row)) for row in re.findall(r'data-row="([^"]*)"', page)]
    return decisions, page, rows


def test_page_holds_every_row_the_least_sure_first(folder, compass):
    decisions, page, rows = preview(compass)
    assert decisions == list(plan(compass)) and len(rows) == 4
    assert [row["confidence"] for row in rows] == sorted(row["confidence"] for row in rows)
    assert page.count("data:image/jpeg;base64,") == 4, "the page turns them itself"
    assert '{"turned": 2, "upright": 1, "slight tilt": 0, "unsure": 1, "left": 0, "failed": 0}' in page
    assert sorted(os.listdir(".")) == ["in", "sheet.html"], "nothing else is written"


def test_page_asks_for_nothing_else(folder, compass):
    _, page, _ = preview(compass)
    assert not re.search(r'(?:src|href)="(?!data:)|url\(|@import|https?:', page)


def test_kept_rows_of_the_page_are_a_plan(folder, compass):
    decisions, page, _ = preview(compass, crop="same")
    Path("kept.jsonl").write_text("".join(unescape(row) + "\n" for row in re.findall(r'data-row="([^"]*)"', page)))
    read, how, _ = read_plan("kept.jsonl")
    assert sorted(read, key=lambda one: one.path) == decisions and how.crop == "same"


def test_names_are_text_on_the_page(folder, compass):
    name = os.fsdecode(b'"><img src=x onerror=alert(1)>\xff&amp;.png')
    os.rename("in/a.png", f"in/{name}")
    _, page, rows = preview(compass)
    assert "<img src=x" not in page
    assert os.path.join("in", name) in {row["path"] for row in rows}
    (link,) = (link for link in re.findall(r'data-file="([^"]*)"', page) if "onerror" in link)
    assert unquote_to_bytes(link) == b"./in/" + os.fsencode(name)


def test_pictures_that_cannot_be_read_are_told_on_the_page(folder, compass):
    traps = make_traps("in/traps")
    decisions, page, rows = preview(compass)
    failed = [decision for decision in decisions if decision.action == "failed"]
    assert {decision.path.name for decision in failed} == traps
    assert page.count('<p class="failed">') == len(traps)
    assert len(rows) == len(decisions) - len(traps)
