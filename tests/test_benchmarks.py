"""The benchmarks run, on very little, and write what they found. How quick anything is, is not tested."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARTS = ["generating", "loading", "training", "answering", "serving", "distributing", "growing"]


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_benchmarks_run_on_a_tiny_input(part, tmp_path):
    if part == "serving" and not shutil.which("ab"):
        pytest.skip("there is no ApacheBench: apt install apache2-utils")
    if part == "distributing":
        pytest.importorskip("pyarrow")
    command = [sys.executable, "-m", "benchmarks", "--tiny", "--only", part, "--output", str(tmp_path)]
    settings = {**os.environ, "MPLBACKEND": "Agg"}
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False, env=settings)
    assert answer.returncode == 0, answer.stderr
    (results,) = tmp_path.glob("*.json")
    found = json.loads(results.read_text())
    assert {"date", "commit", "processor", "versions"} <= set(found)
    for table in found["tables"]:
        assert all(row["low"] <= row["median"] <= row["high"] and row["median"] > 0 for row in table["rows"])
        assert f"### {table['title']}" in answer.stdout
    assert results.with_suffix(".md").read_text().count("###") == len(found["tables"])
    assert results.with_suffix(".png").stat().st_size > 1000


def test_a_part_measured_again_replaces_its_tables(tmp_path):
    from benchmarks import report
    from benchmarks.timing import Row, Table

    facts = {**report.circumstances(), "date": "2026-01-01"}
    one, other = (Table(name, "s", (Row("rotnet", 1.0, 1.0, 1.0),)) for name in ("one", "other"))
    again = Table("one", "s", (Row("rotnet", 2.0, 2.0, 2.0),), ("quicker",))
    report.write(tmp_path, facts, [one, other])
    page = report.write(tmp_path, facts, [again]).read_text()
    assert page.index("### one") < page.index("Quicker.") < page.index("### other")
    tables = json.loads((tmp_path / "2026-01-01.json").read_text())["tables"]
    assert [table["rows"][0]["median"] for table in tables] == [2.0, 1.0]
