"""`rotnet completion`: have the shell complete commands, options and files."""

from __future__ import annotations

import argparse
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
        elif _takes_path(action):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return parser


def _takes_path(action: argparse.Action) -> bool:
    return action.type is path or action.metavar in ("DIR", "FILE", "M")
