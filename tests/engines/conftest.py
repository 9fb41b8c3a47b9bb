"""What the tests of the engines begin with."""

import pytest
from compass import compass_onnx
from trees import make_traps, save


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(compass_onnx(tmp_path_factory.mktemp("models") / "compass.onnx"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with 12 pictures and the traps, and PyArrow."""
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    for index in range(12):
        save(f"in/{index % 3}/{index}.png", 30.0 * index)
    make_traps("in")
    return tmp_path
