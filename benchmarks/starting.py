"""What it costs to start, beside another checkout: processor seconds of whole commands, in turns.

git worktree add ../before main
python -m benchmarks.starting ../before                # a minute; prints ratios, less than 1 is better
python -m benchmarks.starting ../before --rounds 3 --only "rotnet --help"
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.timing import rates

HERE = Path(__file__).resolve().parents[1]
PICTURES = HERE / "examples" / "photos"
PICTURE = str(PICTURES / "astronaut.jpg")
API = f"from rotnet import correct_rotation; correct_rotation({PICTURE!r})"
COMMANDS = {
    "rotnet --help": ["-m", "rotnet", "--help"],
    "rotnet predict --help": ["-m", "rotnet", "predict", "--help"],
    "rotnet predict one.jpg": ["-m", "rotnet", "predict", PICTURE],
    "rotnet check one.jpg": ["-m", "rotnet", "check", PICTURE],
    "rotnet correct one.jpg": ["-m", "rotnet", "correct", PICTURE, "-o", "straight", "--overwrite"],
    "correct_rotation(one.jpg)": ["-c", API],
    "rotnet predict, seven": ["-m", "rotnet", "predict", str(PICTURES)],
}


def main() -> None:
    """Compare what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("before", type=Path, help="a checkout to compare with")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", action="append", choices=COMMANDS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:  # a checkout that is stood in would be the one that is imported
        for name in arguments.only or COMMANDS:
            ways = {
                checkout: partial(_run, Path(checkout).resolve(), COMMANDS[name], folder)
                for checkout in (str(arguments.before), str(HERE))
            }
            before, here = rates(ways, 1, rounds=arguments.rounds)
            print(f"{name:<26} {before.median / here.median:.2f}", flush=True)


def _run(checkout: Path, command: list[str], folder: str) -> None:
    # both have their modules compiled, by the round that is not counted
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": ""}
    code = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True).returncode
    if code not in (0, 1):  # what is not upright makes 1 of a check
        raise RuntimeError(f"{' '.join(command)} ended with {code} in {checkout}")


if __name__ == "__main__":
    main()
