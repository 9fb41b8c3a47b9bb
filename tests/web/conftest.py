"""The page without a server, built once, and a browser."""

import importlib.util
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from chromium import chromium

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def builder():
    """The module `page/build.py`."""
    spec = importlib.util.spec_from_file_location("page_build", ROOT / "page" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def npm():
    """Skips the test where npm is missing or fetches nothing."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm, which fetches ONNX Runtime and axe for the browser: apt install npm")
    try:
        yield
    except SystemExit as error:
        if "cannot fetch" not in str(error):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def axe(builder):
    """The source of axe, which looks at the accessibility of a page."""
    with npm():
        return builder.unpacked("axe-core", "axe.min.js")["axe.min.js"].decode()


@pytest.fixture(scope="session")
def static_page(builder, tmp_path_factory):
    """The folder of the page without a server."""
    folder = tmp_path_factory.mktemp("static") / "page"
    with npm():
        assert builder.main(["-o", str(folder)]) == 0
    return folder


@pytest.fixture
def browser(tmp_path):
    """A browser without a window, whose downloads go to `tmp_path / "downloads"`."""
    with chromium(tmp_path) as opened:
        yield opened
