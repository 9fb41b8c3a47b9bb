"""The command `rotnet`: parse, run one sub-command, turn errors into exit statuses."""

from __future__ import annotations

import argparse
import difflib
import logging
import os
import re
import sys
import threading
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from rotnet import __version__
from rotnet.cli.common import Complaints, complain
from rotnet.cli.quiet import quiet_frameworks
from rotnet.errors import RotNetError

# in the order in which help lists them; each is the module of its name beside this one
COMMANDS = (
    "predict",
    "check",
    "correct",
    "apply",
    "watch",
    "merge",
    "sample",
    "serve",
    "models",
    "evaluate",
    "prepare",
    "train",
    "classify",
    "export",
    "completion",
)

EXAMPLES = """examples:
  rotnet predict photo.jpg
  rotnet correct photos/ -o straight/
  rotnet models
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: What follows the command's name; None takes the process's own.

    Returns:
        Exit status: 0 all fine, 1 some pictures failed or the work could not be done, 2 wrong use, 3 a training came to
        nothing better than guessing, 130 interrupted.
    """
    _fill_closed_streams()
    # names that are no text are printed with escapes instead of ending the run
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    logger, complaints = logging.getLogger("rotnet"), Complaints(logging.WARNING)
    logger.addHandler(complaints)
    try:
        given = sys.argv[1:] if arguments is None else arguments
        if not given:  # somebody looks what there is
            make_parser().print_help()
            return 0
        # a command that is named need not wait until the others have declared theirs
        options = make_parser([name for name in COMMANDS if name in given[:1]] or COMMANDS).parse_args(given)
        # models of these kinds bring a framework that talks
        talks = str(getattr(options, "model", "")).lower().endswith((".keras", ".tflite"))
        with quiet_frameworks(verbose=not talks), warnings.catch_warnings():
            # Pillow warns of damaged metadata; what matters to a picture is an error of ours
            warnings.filterwarnings("ignore", module="PIL")
            status: int = options.run(options)
            if sys.stdout is not None:  # closed by whoever started the command
                sys.stdout.flush()
            return status
    except RotNetError as error:
        complain(error)
        return error.exit_code
    except (KeyboardInterrupt, ImportError) as error:
        # an extension that is interrupted while it loads raises an ImportError because of it
        if not isinstance(error, KeyboardInterrupt) and not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        complain(
            str(error)
            if isinstance(error, KeyboardInterrupt) and error.args
            else "interrupted; what was finished is whole"
        )
        _leave_threads()
        return 130
    except BrokenPipeError:  # whoever read our output has seen enough
        _discard_output()
        return 141
    except OSError as error:
        if error.filename is not None:
            complain(f"{error.filename} cannot be read or written: {error.strerror}; check path and permissions")
        else:  # our own output, for want of space
            _discard_output()
            complain(f"the output cannot be written: {error.strerror or error}")
        return 1
    except MemoryError:
        complain("there is not enough memory for this; give fewer --jobs, smaller pictures or another model")
        return 1
    finally:
        logger.removeHandler(complaints)


def _fill_closed_streams() -> None:
    """Put nothing where standard streams were closed: the next file that is opened would take the place of one.

    What goes to standard error then goes nowhere. Standard output stays None, for who writes a picture to it must know.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")


def _leave_threads() -> None:
    """End at once if threads are amid large pictures, which Python would wait for; they put nothing in place."""
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        os._exit(130)


def _discard_output() -> None:
    """Let nothing complain again of an output that takes no more when the process ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# what others want for the same, and nobody needs to say here
NEEDLESS = {"--recursive": "sub-folders are looked at anyway"}


class Parser(argparse.ArgumentParser):
    """A parser that says what a mistyped command, choice or option may have meant."""

    def parse_known_args(self, args=None, namespace=None):
        """Complain of what a command does not know by its own usage, where argparse leaves that to the first parser."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown and self._subparsers is None:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown

    def error(self, message: str) -> NoReturn:
        """End with the usage, the message and what is near to what was typed."""
        close: list[str] = []
        if found := re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message):
            close = difflib.get_close_matches(found[1][:100], re.findall(r"[\w.-]+", found[2]), n=1)
        elif found := re.search(r"unrecognized arguments: (?:.* )??(--[\w-]+)", message):
            if needless := NEEDLESS.get(found[1]):
                message = f"{message}; {needless}"
            # short names of options are alike by chance
            close = difflib.get_close_matches(found[1][:100], self._option_string_actions, n=1, cutoff=0.75)
        super().error(f"{message}; did you mean {close[0]!r}?" if close else message)


def make_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """The command line, all of it as completion, manual and tests want it, or that of some commands."""
    parser = Parser(
        prog="rotnet",
        description="Tell how far pictures are turned, and turn them upright.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"rotnet {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="command", required=True)
    for name in names:
        import_module(f"rotnet.cli.{name}").add(commands)
    return parser
