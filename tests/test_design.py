"""The map in docs/design.md and the imports agree: no upward arrow, no circle, no heavy import in a light room."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rotnet"
HEAVY = {"jax", "keras", "matplotlib", "ray", "tensorflow", "torch"}
LIGHT = ("errors", "geometry", "images", "inference", "files", "cli")
OUTSIDE = {"__init__", "__main__"}


def the_map():
    """Words about each room, in the order of the page; its modules are among them."""
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    block = re.search(r"## Rooms.*?```\n(.*?)```", page, re.DOTALL)[1]
    rooms = {}
    for line in block.splitlines():
        if named := re.match(r"[a-z_.]+", line):
            rooms[room := named[0]] = set()
        rooms[room] |= set(re.findall(r"[a-z_]+", line))  # noqa: F821 - the first line names one
    return rooms


def modules():
    """Dotted name below the package, and path, of every module that is not a package's own."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if not name.endswith("__init__") and name not in OUTSIDE:
            yield name, path


def room_of(module):
    room, _, _ = module.rpartition(".")
    return room or module


def imports(path, *, top_only):
    """Modules of the package, dotted without its name, and of others, that a module imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_only else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides which module it means"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inner(path, *, top_only):
    """Modules of the package that a module imports."""
    known = {f"rotnet.{name}": name for name, _ in modules()}
    for name in imports(path, top_only=top_only):
        for candidate in (name, name.rpartition(".")[0]):
            if candidate in known:
                yield known[candidate]
                break


def test_the_map_names_every_module_in_its_room():
    found = the_map()
    missing = [name for name, _ in modules() if name.rpartition(".")[2] not in found.get(room_of(name), {name})]
    assert not missing


def test_every_folder_is_a_room():
    folders = {".".join(path.relative_to(PACKAGE).parent.parts) for path in PACKAGE.rglob("*.py")} - {""}
    assert folders | {"errors"} == set(the_map())


@pytest.mark.parametrize("name, path", [pytest.param(*one, id=one[0]) for one in modules()])
def test_no_import_points_to_a_room_below(name, path):
    order = [room.partition(".")[0] for room in the_map()]
    place = order.index(name.partition(".")[0])
    below = {other for other in inner(path, top_only=False) if order.index(other.partition(".")[0]) > place}
    assert not below


def test_no_two_modules_import_each_other():
    imported = {name: set(inner(path, top_only=True)) for name, path in modules()}
    assert imported["inference.correct"] >= {"inference.options", "images.turning"}, "imports are seen"
    assert len(list(TopologicalSorter(imported).static_order())) == len(imported), "a circle is a CycleError"


@pytest.mark.parametrize("name, path", [pytest.param(*one, id=one[0]) for one in modules()])
def test_light_rooms_import_nothing_heavy(name, path):
    if name.partition(".")[0] in LIGHT:
        assert not HEAVY & {other.partition(".")[0] for other in imports(path, top_only=True)}
    for other in imports(path, top_only=False):
        allowed = ("training.compiling", "training.devices", "training.generators")
        assert other.partition(".")[0] != "tensorflow" or name in allowed, name
