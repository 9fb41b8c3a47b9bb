"""`rotnet completion`: have the shell complete commands, options and files."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

from rotnet.cli.common import add_command, path

SHELLS = ("bash", "zsh", "fish")


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "completion",
        run,
        "print a script with which the shell completes commands, options and files",
        "rotnet completion bash > ~/.local/share/bash-completion/completions/rotnet",
        "rotnet completion zsh > ~/.zfunc/_rotnet  # with ~/.zfunc in fpath before compinit",
        "rotnet completion fish > ~/.config/fish/completions/rotnet.fish",
    )
    parser.add_argument("shell", choices=SHELLS, help="for which shell")


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    import shtab

    from rotnet.cli.main import make_parser

    print(shtab.complete(_with_files(make_parser()), shell=options.shell))
    return 0


def _with_files(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The parser, whose arguments that are paths say so."""
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _with_files(command)
        elif action.metavar in ("M", "MODEL"):
            more = ["imagenet", "random"] if "--from" in action.option_strings else []
            action.complete = _named_or_file([*_models(), *more])  # type: ignore[attr-defined]
        elif _takes_path(action):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return parser


def _models() -> list[str]:
    """Names of the presets that answer."""
    from rotnet.inference.presets import presets

    return [preset.name for preset in presets().values() if preset.kind == "model"]


def _named_or_file(names: Sequence[str]) -> dict[str, Any]:
    """A completer, as `shtab` takes it, of names or files: a function in the language of each shell."""
    # with _file in its name, shtab has bash end folders by a slash
    function = f"_rotnet_{re.sub(r'[^a-z0-9]', '_', '_'.join(names).lower())}_or_file"
    words = " ".join(names)
    return {
        "bash": function,
        "zsh": function,
        "fish": f"({function})",
        "preamble": {
            "bash": f'{function}() {{\n  compgen -W "{words}" -- "$1"\n  compgen -f -- "$1"\n}}',
            "zsh": f"{function}() {{\n  _alternative 'models:preset:({words})' 'files:file:_files'\n}}",
            "fish": f"function {function}\n  printf '%s\\n' {words}\n  __fish_complete_path (commandline -ct)\nend",
        },
    }


def _takes_path(action: argparse.Action) -> bool:
    return action.type is path or action.metavar in ("DIR", "FILE")
