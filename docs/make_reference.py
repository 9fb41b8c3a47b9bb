"""Write docs/reference.md: every command and every public name, with the first words of what it says of itself.

python docs/make_reference.py
"""

import inspect
from importlib import import_module
from pathlib import Path

from rotnet.cli.main import COMMANDS

PAGE = Path(__file__).with_name("reference.md")
MODULES = (
    "rotnet",
    "rotnet.datasets",
    "rotnet.datasets.augmentation",
    "rotnet.models",
    "rotnet.training",
    "rotnet.training.devices",
    "rotnet.training.labels",
    "rotnet.models.export",
    "rotnet.evaluation",
    "rotnet.evaluation.plots",
    "rotnet.evaluation.figures",
    "rotnet.inference.upright",
    "rotnet.files",
    "rotnet.engines.batch",
    "rotnet.engines.shards",
    "rotnet.engines.ray",
    "rotnet.datasets.prepare",
    "rotnet.training.classification",
    "rotnet.training.image_classifier",
    "rotnet.evaluation.classification_plots",
    "rotnet.evaluation.classification_scores",
    "rotnet.errors",
)


def public_names(module):
    """What `__all__` says, or the functions and classes that a module defines."""
    if hasattr(module, "__all__"):
        return sorted(module.__all__)
    members = inspect.getmembers(module, lambda one: inspect.isfunction(one) or inspect.isclass(one))
    return [name for name, one in members if one.__module__ == module.__name__ and not name.startswith("_")]


def summary(thing):
    """The first paragraph of a docstring, on one line; a constant shows its value."""
    if not callable(thing) and not inspect.ismodule(thing):
        return f"`{thing!r}`" if len(repr(thing)) < 90 else f"`{thing[0]!r}`, `{thing[1]!r}`, …"
    return " ".join(inspect.getdoc(thing).partition("\n\n")[0].split()).replace("|", "\\|")


def reference():
    """The page."""
    lines = ["# Commands and public names", "", "Made by `python docs/make_reference.py`.", ""]
    lines += ["`rotnet COMMAND --help` and `help(NAME)` say more.", "", "## Commands", ""]
    lines += ["| command | |", "|---|---|"]
    for command in COMMANDS:
        words, colon, does = summary(import_module(f"rotnet.cli.{command}")).partition(": ")
        lines.append(f"| {words} | {does} |")
    for name in MODULES:
        module = import_module(name)
        lines += ["", f"## `{name}`", "", summary(module), "", "| name | |", "|---|---|"]
        lines += [f"| `{public}` | {summary(getattr(module, public))} |" for public in public_names(module)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
