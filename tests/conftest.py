"""Settings of all tests, and the fixtures that several of them share."""

import pytest
from compass import compass_onnx
from hypothesis import settings

from rotnet import Predictor

# a machine that does other work besides is slow, not wrong
settings.register_profile("rotnet", deadline=None)
settings.load_profile("rotnet")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes a minute, and therefore begins first")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(autouse=True)
def _state(tmp_path_factory, monkeypatch):
    """Journals of runs lie in a folder of the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """Path of a model that answers rightly for pictures of `compass.crooked`."""
    return str(compass_onnx(tmp_path_factory.mktemp("models") / "compass.onnx"))


@pytest.fixture(scope="session")
def compass(model):
    """The same model, ready to ask."""
    return Predictor(model)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, named relatively as people do; some modules put their pictures into it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
