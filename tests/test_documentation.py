"""What there is is documented, and what is documented is there."""

import argparse
import pkgutil
import re
import runpy
import shlex
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image

import rotnet
from rotnet.cli.main import main, make_parser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = ["rotnet", *(one.name for one in pkgutil.walk_packages(rotnet.__path__, "rotnet."))]


def walk(parser, name="rotnet"):
    """The parser of each command by its name, such as `rotnet train mnist`."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, command in action.choices.items():
                yield from walk(command, f"{name} {word}")


def command_lines(text):
    return [line.strip() for line in text.splitlines() if line.strip().startswith("rotnet ")]


def assert_understood(line):
    """The command takes this line as a shell would hand it over."""
    words = shlex.split(re.split(r"\s[#<>|]", line)[0])
    try:
        make_parser().parse_args(words[1:])
    except SystemExit as end:
        assert end.code == 0, line


COMMANDS = dict(walk(make_parser()))
every_command = pytest.mark.parametrize("name", COMMANDS)
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@every_command
def test_command_is_in_the_readme(name):
    assert re.search(rf"^{name}\b", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)


@every_command
def test_help_explains_every_option(name):
    actions = [one for one in COMMANDS[name]._actions if not isinstance(one, argparse._SubParsersAction)]
    assert not [one.dest for one in actions if not one.help]


@every_command
def test_help_shows_examples_that_work(name):
    lines = command_lines(COMMANDS[name].epilog or "")
    assert any(line.startswith(name) for line in lines)
    for line in lines:
        assert_understood(line)


@every_page
def test_command_lines_of_a_page_work(page):
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for line in command_lines("".join(blocks)):
        assert_understood(line)


# what neither waits for ever nor trains for hours
QUICK = re.compile(r"rotnet (predict|check|correct|evaluate|models|apply)\b")


def blocks(language):
    """The code blocks of the README in a language."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


@pytest.fixture
def photos(folder):
    """The folder to work in holds what the README names: a few small photographs in each place."""
    for place in ("examples/photos", "holiday", "upright"):
        (folder / place).mkdir(parents=True)
        for name in ("camera", "coffee"):
            with Image.open(ROOT / "examples" / "photos" / f"{name}.jpg") as photo:
                photo.thumbnail((320, 320))
                photo.save(folder / place / f"{name}.jpg")
    for name in ("a.jpg", "crooked.jpg"):
        (folder / name).write_bytes((folder / "holiday" / "camera.jpg").read_bytes())
    return sorted((folder / "holiday").iterdir())


def test_python_of_the_readme_runs(photos, capsys):
    pytest.importorskip("keras")
    code = blocks("python")
    assert len(code) == 2
    names = {"paths": photos}
    for block in code:
        exec(compile(block, "README.md", "exec"), names)
    assert isinstance(names["answer"], rotnet.AnglePrediction) and isinstance(names["upright"], Image.Image)
    assert sorted(path.name for path in (photos[0].parents[1] / "corrected").iterdir()) == ["camera.jpg", "coffee.jpg"]
    assert "camera.jpg turned turned by " in capsys.readouterr().out


def test_commands_of_the_readme_run_one_after_the_other(photos, capsys):
    lines = [line for block in blocks("sh") for line in command_lines(block) if QUICK.match(line)]
    assert len(lines) >= 8
    for line in lines:
        words = shlex.split(line.replace("~/Downloads/", ""), comments=True)
        if {"--shard", "--engine"} & set(words):  # these need an extra, and are tried in tests/engines
            continue
        if "--preview" in words:  # a person saves what the page holds, rows as those of a report
            words += ["--report", "decisions.jsonl"]
        assert main(words[1:]) == (words[1] == "check"), f"{line}: 1 where some are not upright, else 0"
    assert not [name for name in ("straight/camera.jpg", "reviewed/camera.jpg", "page.html") if not Path(name).exists()]


@every_page
def test_links_of_a_page_lead_somewhere(page):
    links = re.findall(r"\]\((?!\w+:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


@every_page
def test_files_that_a_page_names_are_there(page):
    folders = "rotnet|tests|docs|examples|benchmarks|weights"
    named = re.findall(rf"(?<![\w/.-])(?:{folders})/[\w./-]*\w", page.read_text(encoding="utf-8"))
    assert not [path for path in named if not (ROOT / path).exists()]


def test_reference_is_that_of_the_code():
    made = runpy.run_path(str(ROOT / "docs" / "make_reference.py"))["reference"]()
    assert (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == made, "run: python docs/make_reference.py"


@pytest.mark.parametrize("name", rotnet.__all__)
def test_public_name_is_in_the_reference(name):
    assert f"| `{name}` | " in (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MODULES)
def test_all_is_true(name):
    module = import_module(name)
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    assert not [one for one in names if not hasattr(module, one)]


def test_promises_about_safety_name_tests_that_are_there():
    page = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    defined = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", page)
    assert len(named) > 25 and not [name for name in named if f"def {name}(" not in defined]
    rows = [line for line in page.splitlines() if line.startswith("|") and "---" not in line]
    promises = [line for line in rows if not line.startswith(("| promise", "| input"))]
    assert all("`test_" in line for line in promises)
