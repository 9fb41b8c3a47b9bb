"""Settings of all tests."""

import pytest
from hypothesis import settings

# a machine that does other work besides is slow, not wrong
settings.register_profile("rotnet", deadline=None)
settings.load_profile("rotnet")


@pytest.fixture(autouse=True)
def _state(tmp_path_factory, monkeypatch):
    """Journals of runs lie in a folder of the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
