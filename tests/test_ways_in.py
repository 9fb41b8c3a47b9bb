"""Ways in beside the package: the manual page, the container, the hook of pre-commit and the action of GitHub."""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from trees import save

from rotnet.cli.main import main, make_parser
from rotnet.images.reading import EXTENSIONS

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not (ROOT / "action.yml").exists(), reason="they do not travel with the package")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


# Manual ---------------------------------------------------------------------------------------------------------------


def options_of(parser):
    """Every option, and name of a sub-command, below a parser."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield name
                yield from options_of(command)


def test_manual_tells_of_every_command_and_option():
    page = read("docs/rotnet.1").replace("\\-", "-")
    missing = {one for one in options_of(make_parser()) if one not in page} - {"-h", "--help"}
    assert not missing, "run: python docs/make_manual.py"


@pytest.mark.skipif(not shutil.which("groff"), reason="there is no groff")
def test_manual_is_set_without_complaint():
    page = ["groff", "-man", "-Tutf8", "-ww", ROOT / "docs" / "rotnet.1"]
    answer = subprocess.run(page, capture_output=True, text=True, check=True, timeout=60)
    assert answer.stderr == "" and "rotnet - tell how far pictures are turned" in answer.stdout


# Container ------------------------------------------------------------------------------------------------------------


def instructions(name):
    """The last instruction of this name in the Dockerfile, as it stands."""
    lines = re.sub(r"\\\n\s*", "", read("Dockerfile")).splitlines()
    return [line.partition(" ")[2] for line in lines if line.startswith(f"{name} ")]


def test_container_copies_all_that_the_package_is_built_of():
    lines = read(".dockerignore").splitlines()
    kept = [line[1:] for line in lines if line.startswith("!")]
    assert "*" in lines and not [path for path in kept if not (ROOT / path).exists()]
    setup = read("setup.cfg")
    needed = {"README.md", "LICENSE", "docs/rotnet.1", "rotnet", "weights", "setup.cfg", "pyproject.toml"}
    assert needed <= set(kept) and "docs/rotnet.1" in setup and "weights/LICENSE-APACHE" in setup


def test_container_runs_as_nobody_in_particular_and_writes_to_its_folder_alone(folder, model):
    assert instructions("USER")[-1].split(":")[0] not in ("0", "root")
    environment = dict(word.split("=", 1) for word in shlex.split(instructions("ENV")[-1]))
    assert environment["XDG_STATE_HOME"].startswith(f"{instructions('WORKDIR')[-1]}/.")
    # the same with this folder in the place of that of the container, and a home where nothing can be written
    state = environment["XDG_STATE_HOME"].replace(instructions("WORKDIR")[-1], str(folder))
    save("in/a.png")
    home = {"XDG_STATE_HOME": state, "HOME": "/proc/self", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "rotnet", "correct", ".", "-o", "straight", "--model", model]
    subprocess.run(command, env={**os.environ, **home}, check=True, timeout=60)
    assert sorted(os.listdir()) == [".rotnet", "in", "straight"] and os.listdir("straight/in") == ["a.png"]


# Hook and action ------------------------------------------------------------------------------------------------------


def test_hook_looks_at_pictures_and_at_nothing_else(folder, model, capsys):
    (hook,) = yaml.safe_load(read(".pre-commit-hooks.yaml"))
    of_extra = {".heic", ".heif"}
    assert all(re.search(hook["files"], f"a/b{end}") for end in EXTENSIONS - of_extra)
    assert re.search(hook["files"], "A.JPG") and not re.search(hook["files"], "jpg.txt")
    assert hook["language"] == "python" and hook["require_serial"]
    save("crooked.png", 30.0)
    save("upright.png", 0.0)
    entry = [*shlex.split(hook["entry"])[1:], "--model", model]
    assert main([*entry, "upright.png"]) == 0 and main([*entry, "upright.png", "crooked.png"]) == 1


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
@pytest.mark.parametrize(("paths", "status"), [("good\n\n", 0), ("good\nwith space/a b.png\n", 1), ("nowhere.png", 1)])
def test_action_fails_where_pictures_are_crooked(folder, model, paths, status):
    action = yaml.safe_load(read("action.yml"))
    (step,) = [step for step in action["runs"]["steps"] if step.get("id") == "check"]
    save("good/a.png", 0.0)
    save("with space/a b.png", 30.0)
    command = Path("runner/rotnet/bin/rotnet")  # not here, where Python would take the folder for the package
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m rotnet "$@"\n')
    command.chmod(0o755)
    defaults = {"tolerance": action["inputs"]["tolerance"]["default"], "model": model, "paths": paths}
    given = {
        name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda found: defaults[found[1]], value)
        for name, value in step["env"].items()
    }
    runner = {"RUNNER_TEMP": str(folder / "runner"), "GITHUB_OUTPUT": str(folder / "output")}
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(shell, env={**os.environ, **given, **runner}, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    report = Path((folder / "output").read_text().strip().removeprefix("report=")).read_text()
    assert report == done.stdout and report.startswith("path,angle")
    assert ("a b.png" in report) == ("space" in paths)
