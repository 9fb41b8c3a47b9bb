"""Write docs/rotnet.1: the manual page, of what the command says of itself.

python docs/make_manual.py
"""

import os
from pathlib import Path

PAGE = Path(__file__).with_name("rotnet.1")


def manual():
    """The page, in the language of `man`."""
    os.environ["COLUMNS"] = "79"  # or usage would be as wide as the terminal of whoever makes the page
    from argparse_manpage.manpage import Manpage

    from rotnet import __version__
    from rotnet.cli.main import make_parser

    page = Manpage(make_parser(), format="single-commands-section")
    page.date, page.source, page.manual = "", f"rotnet {__version__}", "rotnet"
    page.description = "tell how far pictures are turned, and turn them upright"  # what `man -k` looks through
    text, _, examples = f"{page}".rstrip().partition(".SH COMMENTS\nexamples:\n")
    return f"{text}.SH EXAMPLES\n.nf\n{examples}\n.fi\n"  # a line each


if __name__ == "__main__":
    PAGE.write_text(manual(), encoding="utf-8")
