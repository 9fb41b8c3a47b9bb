"""`python -m rotnet` is the command `rotnet`."""

import sys

from rotnet.cli import main

if __name__ == "__main__":
    sys.exit(main())
