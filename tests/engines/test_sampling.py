"""A few hundred pictures stand for all: each as likely to be seen, and the bound is the exact one."""

import json
import re
import tarfile
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from compass import compass_onnx
from trees import save

from rotnet.cli.main import main
from rotnet.engines.sampling import draw, rows_of, upper_bound
from rotnet.errors import UsageError

# one-sided limits: 1 - 0.05 ** (1 / n) for none; else quantiles of the beta distribution, beta(k + 1, n - k)
KNOWN = [(0, 1, 0.95, 0.95), (0, 10, 0.95, 0.2588656), (1, 10, 0.95, 0.3941633), (0, 10, 0.975, 0.3084971)]
KNOWN += [(5, 10, 0.975, 0.8129140), (0, 400, 0.95, 0.0074613), (9, 10, 0.95, 0.9948838), (10, 10, 0.95, 1.0)]


@pytest.mark.parametrize("wrong, of, confidence, expected", KNOWN)
def test_bound_has_known_values(wrong, of, confidence, expected):
    assert upper_bound(wrong, of, confidence) == pytest.approx(expected, abs=1e-7)


def test_bound_is_the_quantile_of_the_beta_distribution():
    beta = pytest.importorskip("scipy.stats").beta
    for of in (1, 7, 400, 10_000):
        for wrong in {0, of // 100, of // 3, of - 1}:
            assert upper_bound(wrong, of) == pytest.approx(beta.ppf(0.95, wrong + 1, of - wrong), rel=1e-9)


@pytest.mark.parametrize("wrong, of", [(-1, 4), (5, 4), (0, 0)])
def test_there_is_no_such_sample(wrong, of):
    with pytest.raises(UsageError):
        upper_bound(wrong, of)


def test_every_row_is_as_likely_as_any_other_and_strata_have_one_each():
    rows = np.arange(103)[::-1]
    drawn = np.array([draw(rows, 10, seed) for seed in range(4000)])
    assert (np.diff(drawn) < 0).all()
    shares = np.bincount(drawn.ravel(), minlength=103) / 4000
    assert abs(shares - 10 / 103).max() < 0.03
    assert (draw(rows, 10, 1) == draw(rows, 10, 1)).all()


def test_the_bound_holds_for_strata():
    """Mistakes are where the model is unsure; the bound is below the truth at most once in twenty."""
    generator = np.random.default_rng(0)
    is_wrong = generator.random(5000) < np.linspace(0.08, 0.0, 5000)
    bounds = [upper_bound(int(is_wrong[draw(np.arange(5000), 200, seed)].sum()), 200) for seed in range(1000)]
    assert np.mean(np.array(bounds) < is_wrong.mean()) <= 0.05


# The command ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table of 30 pictures, a third of them in a tar file, and of one that is none."""
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    for index in range(20):
        save(f"in/{index}.png", 90.0 + 9.0 * index)
    Path("in/none.png").write_text("none")
    for index in range(10):
        save(f"packed/{index}.png", 60.0 + index)
    with tarfile.open("a.tar", "w") as tar:
        tar.add("packed")
    model = str(compass_onnx("compass.onnx"))
    assert main(["predict", "in", "a.tar", "--model", model, "-o", "out"]) == 0
    assert main(["merge", "out", "-o", "all.parquet"]) == 0
    return "all.parquet"


def test_a_sheet_shows_the_sample(table, capsys):
    assert main(["sample", table, "-n", "25", "-o", "sheet.html"]) == 0
    assert "25 of 30 turned pictures" in capsys.readouterr().out
    page = Path("sheet.html").read_text()
    assert page.count('<img src="data:') == 25 and page.count("none.png") == 0
    assert main(["sample", table, "-n", "25", "--wrong", "0"]) == 0
    assert capsys.readouterr().out == (
        "0 of 25 are wrong: with 95 % confidence, at most 11.29% of all 30 turned pictures, 3\n"
    )
    assert main(["sample", table, "--wrong", "3"]) == 0
    assert capsys.readouterr().out == "3 of all 30 turned pictures are wrong: 10.00%\n"


def test_a_sheet_shows_what_was_planned_and_nothing_turned_in_place(table, capsys):
    rows = ["correct", "in", "--shard", "1/1", "--model", "compass.onnx", "--report"]
    assert main([*rows, "plans", "-o", "straight", "--crop", "keep", "--dry-run"]) == 0
    (plan,) = Path("plans").glob("*.parquet")
    assert main(["sample", str(plan), "-o", "sheet.html"]) == 0
    page = unescape(Path("sheet.html").read_text())
    assert page.count('"crop": "keep"') == 18 and '"planned"' not in page  # but for two quarter turns
    assert main([*rows, "done", "--in-place"]) == 0
    (done,) = Path("done").glob("*.parquet")
    capsys.readouterr()
    assert main(["sample", str(done), "-o", "sheet.html"]) == 2
    assert "turned in place: sample a plan" in capsys.readouterr().err


def test_pictures_that_are_gone_are_told(table, capsys):
    for index in range(20):
        Path(f"in/{index}.png").unlink()
    assert main(["sample", table, "-o", "sheet.html"]) == 0
    assert "20 cannot be read any more" in capsys.readouterr().out


def test_rows_are_in_the_order_of_reason_and_confidence(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    rows = [("turned", f"turned by {n}.5°", n % 7 / 10) for n in range(20)] + [("turned", "by lines", 0.3)]
    rows += [(None, None, None), ("unsure", "less sure", 0.2)]
    action, reason, confidence = (list(column) for column in zip(*rows, strict=True))
    path = tmp_path / "a.parquet"
    table = pa.table({"action": action, "reason": reason, "confidence": confidence})
    pq.write_table(table.replace_schema_metadata({"rotnet": json.dumps({})}), path)
    found = rows_of(path, "turned")
    assert found[0] == 20 and sorted(found) == list(range(21))
    assert [rows[number][2] for number in found[1:]] == sorted(n % 7 / 10 for n in range(20))


@pytest.mark.parametrize(
    "more",
    [[], ["-o", "a.html", "--wrong", "1"], ["--wrong", "31"], ["-o", "a.jpg"], ["--action", "unsure", "--wrong", "0"]],
)
def test_what_makes_no_sense_is_refused(table, more, capsys):
    assert main(["sample", table, *more]) == 2
    assert re.match("rotnet: .", capsys.readouterr().err)
