"""Upright pictures are told from wrong ones, and a model that knows nothing accuses none."""

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from compass import crooked
from pictures import encoded

import rotnet
from rotnet.cli.main import main
from rotnet.errors import ImageError, UsageError
from rotnet.evaluation.scores import upright_scores
from rotnet.files.check import check_files
from rotnet.inference.upright import is_upright, upright_probability


@pytest.fixture
def folder(folder):
    """A folder to work in: `in/up.png` stands upright, `in/tilted.png` is turned by 30, `in/sub/down.png` by 180."""
    os.makedirs("in/sub")
    for name, angle in {"up": 0.0, "tilted": 30.0, "sub/down": 180.0}.items():
        Path(f"in/{name}.png").write_bytes(encoded(crooked(angle)))
    return folder


@pytest.mark.parametrize(
    ("angle", "upright"), [(0, True), (4, True), (-4, True), (40, False), (90, False), (180, False)]
)
def test_is_upright_within_the_tolerance(model, angle, upright):
    assert is_upright(crooked(angle), model=model) is upright
    assert rotnet.is_upright(crooked(angle), model=model, turns=1) is upright


def test_tolerance_decides(model):
    assert not is_upright(crooked(40), model=model)
    assert is_upright(crooked(40), model=model, tolerance=60)


def test_many_pictures_give_a_list(model):
    pictures = [crooked(0), crooked(180)]
    assert is_upright(pictures, model=model) == [True, False]
    assert is_upright(np.stack(pictures), model=model) == [True, False]


@pytest.mark.parametrize("tolerance", [0, -1, 180, float("nan")])
def test_tolerance_out_of_range(model, tolerance):
    with pytest.raises(UsageError, match="between 0 and 180"):
        is_upright(crooked(0), model=model, tolerance=tolerance)


def test_unreadable_picture(model):
    with pytest.raises(ImageError):
        is_upright(b"no picture", model=model)


@pytest.mark.parametrize("tolerance", [1, 10, 45, 120])
def test_probability_is_even_for_a_model_that_knows_nothing(tolerance):
    flat = np.full((3, 360), 1 / 360)
    assert upright_probability(flat, tolerance=tolerance) == pytest.approx([0.5] * 3)


def test_probability_of_certain_answers():
    certain = np.eye(360)
    found = upright_probability(certain, tolerance=10)
    assert found[[0, 5, 10, 350]].tolist() == [1.0] * 4
    assert found[[11, 180, 349]].tolist() == [0.0] * 3
    assert upright_probability(np.zeros(360)) == 0.0


@pytest.mark.parametrize("tolerance", [0.3, 0.9, 1.9, 7.7, 179.5])
def test_tolerance_may_be_any_number_of_degrees(tolerance):
    rows = np.random.default_rng(0).dirichlet(np.full(360, 0.02), 50)
    found = upright_probability(rows, tolerance=tolerance)
    assert ((found >= 0) & (found <= 1)).all()
    assert upright_probability(np.full(360, 1 / 360), tolerance=tolerance) == pytest.approx(0.5)


def test_a_sure_tilt_beyond_the_tolerance_is_not_upright():
    for tilt, upright in ((4, True), (14, False), (17, False), (340, False)):
        believed = rotnet.encode_angles([tilt], sigma=5.0)[0]
        assert (upright_probability(believed) >= 0.5) == upright
    vague = 0.3 * rotnet.encode_angles([0], sigma=5.0)[0] + 0.7 / 360
    assert upright_probability(vague) > 0.5


def test_scores_count_wrong_pictures_as_positive():
    scores = upright_scores([0, 5, 355, 90, 180, 20], [0.9, 0.2, 0.7, 0.1, 0.6, 0.3])
    assert (scores.pictures, scores.precision, scores.recall) == (6, 2 / 3, 2 / 3)
    assert (scores.accuracy, scores.false_alarms) == (4 / 6, 1 / 3)
    assert scores.auc == pytest.approx(7 / 9)


def test_scores_of_ties_and_extremes():
    assert upright_scores([0, 0, 90, 90], [0.5, 0.5, 0.5, 0.5]).auc == 0.5
    perfect = upright_scores([0, 0, 90, 90], [1, 0.8, 0, 0.2])
    assert (perfect.precision, perfect.recall, perfect.accuracy, perfect.auc) == (1, 1, 1, 1)
    assert np.isnan(upright_scores([0, 90], [1, 1]).precision)


@pytest.mark.parametrize(("truth", "upright"), [([0, 1], [1, 1]), ([90], [1]), ([0, 90], [1]), ([], [])])
def test_scores_need_both_kinds(truth, upright):
    with pytest.raises(ValueError, match="upright and wrong pictures"):
        upright_scores(truth, upright)


def test_check_files_answers_for_every_file(folder, model):
    Path("in/bad.jpg").write_text("no picture")
    found = list(check_files(["in"], model))
    assert [result.path.name for result in found] == ["bad.jpg", "down.png", "tilted.png", "up.png"]
    assert [result.is_wrong for result in found] == [False, True, True, False]
    assert "not a picture" in found[0].error


def test_command_lists_only_what_is_not_upright(folder, model, capsys):
    before = sorted(Path("in").rglob("*"))
    assert main(["check", "in", "--model", model]) == 1
    out, err = capsys.readouterr()
    assert [line.split()[-1] for line in out.splitlines()[1:]] == ["in/sub/down.png", "in/tilted.png"]
    # the confidence is that of the verdict beside it
    assert (
        out.split()[:4] == ["angle", "confidence", "action", "upright"] and out.splitlines()[1].split()[2] == "turned"
    )
    assert err == "2 of 3 pictures are not upright\n"
    assert sorted(Path("in").rglob("*")) == before and os.listdir() == ["in"]


def test_command_as_jsonl_and_csv(folder, model, capsys):
    Path("in/bad.jpg").write_text("no picture")
    assert main(["check", "in", "--model", model, "--format", "jsonl"]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    answered = {"path", "angle", "confidence", "upright", "action", "reason"}
    assert [set(row) for row in rows] == [{"path", "error"}, *[answered] * 2]
    assert rows[1]["angle"] == pytest.approx(180, abs=2) and rows[1]["upright"] < 0.5
    assert main(["check", "in", "--model", model, "--format", "csv"]) == 1
    out, err = capsys.readouterr()
    assert [row["path"] for row in csv.DictReader(io.StringIO(out))] == [row["path"] for row in rows]
    assert err == "2 of 4 pictures are not upright, 1 cannot be read\n"


def test_command_ends_with_0_where_all_is_well(folder, model, capsys):
    assert main(["check", "in/up.png", "--model", model]) == 0
    assert main(["check", "in/up.png", "in/tilted.png", "--model", model, "--tolerance", "60"]) == 0


@pytest.mark.parametrize("arguments", [["in", "--tolerance", "0"], ["in", "--tolerance", "nan"], ["empty"]])
def test_command_used_wrongly_ends_with_2(folder, model, capsys, arguments):
    os.mkdir("empty")
    assert main(["check", *arguments, "--model", model]) == 2
    assert capsys.readouterr().err.startswith("rotnet: ")
