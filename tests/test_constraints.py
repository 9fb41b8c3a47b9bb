"""The versions with which the tests passed are such as pip takes, and of all that setup.cfg asks for."""

import importlib.util
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
TOOL = ROOT / ".ci" / "write_constraints.py"
# of the machine that the file tells
MACHINE = {
    "python_version": "3.11",
    "python_full_version": "3.11.7",
    "sys_platform": "linux",
    "platform_machine": "x86_64",
    "platform_system": "Linux",
}


@pytest.fixture(scope="module")
def tool():
    if not TOOL.exists():
        pytest.skip("the tool does not travel with the package")
    spec = importlib.util.spec_from_file_location("write_constraints", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pinned():
    lines = (ROOT / "constraints.txt").read_text(encoding="ascii").splitlines()
    requirements = [Requirement(line) for line in lines if not line.startswith("#")]
    versions = {}
    for needed in requirements:
        (one,) = needed.specifier
        assert one.operator == "==" and not (needed.extras or needed.url or needed.marker), needed
        versions[canonicalize_name(needed.name)] = one.version
    assert len(versions) == len(requirements), "each once"
    return versions


def test_constraints_name_no_place(pinned):
    text = (ROOT / "constraints.txt").read_text()
    assert "Python 3.11, Linux x86_64" in text
    assert not re.search(r"://|@|(?<!\w)/\w|--", text)


def test_all_that_is_asked_for_is_constrained_to_what_is_allowed(tool, pinned):
    asked = [one for one in tool.direct() if one.marker is None or one.marker.evaluate(MACHINE)]
    assert len(asked) > 20
    for needed in asked:
        version = pinned.get(canonicalize_name(needed.name))
        assert version and needed.specifier.contains(version), f"make constraints: {needed}, not {version}"


def test_what_is_needed_is_found_with_what_that_needs(tool):
    versions = tool.installed(tool.parsed("pytest >=8\nrotnet-is-not-there; python_version < '3'"))
    assert {"pytest", "pluggy", "iniconfig"} <= versions.keys()
