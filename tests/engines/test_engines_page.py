"""What docs/engines.md shows for an engine runs as it stands there, where the engine is installed."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^##+ ([^\n]+)\n(?:(?!^#).)*?```python\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
ENGINES = ("Ray", "Daft", "Spark", "Dask", "Beam")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder in which the paths of the page lead to pictures and outputs harm nobody."""
    monkeypatch.chdir(tmp_path)
    os.symlink(ROOT / "examples", "examples")
    return tmp_path


def run(name):
    names = {"__name__": "page"}
    exec(compile(BLOCKS[name], f"docs/engines.md, {name}", "exec"), names)
    return names


@pytest.mark.parametrize("name", BLOCKS)
def test_code_of_the_page_is_python(name):
    code = compile(BLOCKS[name], name, "exec")
    assert any(used.partition(".")[0] == "rotnet" for used in code.co_names)


def test_each_engine_is_on_the_page():
    assert [name for name in BLOCKS if name in ENGINES] == list(ENGINES)
    assert max(BLOCKS[name].count("\n") for name in ENGINES) <= 14


def test_without_an_engine(here, capsys):
    run("One class for every engine")
    assert capsys.readouterr().out.startswith("[")


def test_dask(here):
    dask = pytest.importorskip("dask")
    pytest.importorskip("dask.bag")
    with dask.config.set(scheduler="synchronous"):
        rows = run("Dask")["rows"]
    assert len(rows) == len(list(Path("examples/photos").glob("*.jpg")))
    assert all(row["error"] is None and row["action"] for row in rows)


@pytest.mark.filterwarnings("ignore")
def test_daft(here, monkeypatch):
    monkeypatch.setenv("DO_NOT_TRACK", "true")
    monkeypatch.setenv("DAFT_ANALYTICS_ENABLED", "0")
    pytest.importorskip("daft")
    answers = run("Daft")["answers"]
    assert len(answers["angle"]) == len(list(Path("examples/photos").glob("*.jpg"))) and None not in answers["angle"]


@pytest.mark.filterwarnings("ignore")
def test_ray(here, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    local = {"include_dashboard": False, "log_to_driver": False, "_node_ip_address": "127.0.0.1"}
    ray.init(address="local", num_cpus=2, object_store_memory=100 << 20, **local)
    try:
        answers = run("Ray")["answers"].take_all()
    finally:
        ray.shutdown()
    assert len(answers) == len(list(Path("examples/photos").glob("*.jpg"))) and os.listdir("angles")
    assert all(row["error"] is None and row["action"] and "bytes" not in row for row in answers)
