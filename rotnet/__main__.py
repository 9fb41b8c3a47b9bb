"""`python -m rotnet` is the command `rotnet`."""

import sys

from rotnet.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
