"""The page without a server, built once, and a browser."""

import importlib.util
import os
import shutil
import subprocess
import sys
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


@pytest.fixture(scope="session")
def packed(builder):
    """`build.unpacked`; the test is skipped where npm is missing or fetches nothing."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm, which fetches ONNX Runtime and axe for the browser: apt install npm")

    def packed(package, *paths):
        try:
            return builder.unpacked(package, *paths)
        except SystemExit as error:
            if "cannot fetch" in str(error):
                pytest.skip(str(error))
            raise

    return packed


@pytest.fixture(scope="session")
def static_page(packed, tmp_path_factory):
    """The folder of the page without a server."""
    packed("onnxruntime-web", "package.json")
    folder = tmp_path_factory.mktemp("static") / "page"
    command = [sys.executable, str(ROOT / "page" / "build.py"), "-o", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    built = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture
def browser(tmp_path):
    """A browser without a window, whose downloads go to `tmp_path / "downloads"`."""
    with chromium(tmp_path) as opened:
        yield opened
