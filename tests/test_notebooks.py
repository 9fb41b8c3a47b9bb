"""The notebooks teach, run from nothing, and lie in git without what they printed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# a process of its own, whose sockets and children are not the tests'
EXECUTE = [sys.executable, "-X", "utf8", "-c", "from nbclient.cli import main; main()"]
EXECUTE += ["--kernel_name=python3", "--startup_timeout=600", "--timeout=600"]

every = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_the_notebooks_are_there():
    assert [path.stem for path in NOTEBOOKS] == ["correct_your_photos", "mnist", "street_view", "train_on_your_photos"]


@every
def test_outputs_are_stripped(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata == METADATA
    assert all(cell.metadata == {} for cell in notebook.cells)
    ran = [cell.id for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count") is not None]
    assert not ran, "clear the outputs of all cells before you save a notebook"


@every
def test_every_cell_says_what_to_look_for(path):
    cells = nbformat.read(path, as_version=4).cells
    assert cells[0].source.startswith("# ") and "pip install" in cells[0].source
    for text, code in zip(cells[2:-1:2], cells[3::2], strict=True):  # after the title and the imports
        assert (text.cell_type, code.cell_type) == ("markdown", "code")
        assert re.search(r"\*\*(Look|Compare)", text.source), text.source


@every
def test_public_names_are_enough(path):
    code = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
    assert not re.search(r"\brotnet[\w.]*\._|import .*\b_\w", code)


@pytest.mark.notebook
@pytest.mark.slow
@every
def test_notebook_runs_from_nothing(path, tmp_path, monkeypatch):
    folder = shutil.copytree(path.parent, tmp_path / "notebooks")
    shutil.copytree(ROOT / "examples" / "photos", tmp_path / "examples" / "photos")
    for name in [name for name in os.environ if name.startswith("ROTNET_")]:
        monkeypatch.delenv(name)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # no network: nothing answers there
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "KERAS_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    before = sorted(folder.rglob("*"))
    run = subprocess.run([*EXECUTE, str(folder / path.name)], capture_output=True, encoding="utf-8")
    assert run.returncode == 0, run.stderr
    assert sorted(folder.rglob("*")) == before
