"""`rotnet merge`: merge the tables of all shards into one."""

from __future__ import annotations

import argparse
from typing import Any

from rotnet.cli.common import add_command, path


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "merge",
        run,
        "merge the tables of all shards into one",
        "rotnet predict photos/ --shard 3/16 -o angles/",
        "rotnet merge angles/ -o angles.parquet",
    )
    parser.add_argument("folder", type=path, metavar="FOLDER", help="folder of the tables that --shard wrote")
    parser.add_argument("-o", "--output", type=path, required=True, metavar="FILE", help="the merged Parquet table")


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    from rotnet.engines.shards import merge

    print(f"{merge(options.folder, options.output)} pictures in {options.output}")
    return 0
