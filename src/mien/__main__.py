"""``python -m mien``: the command `mien`, where it is not on the path."""

import sys

from mien.cli.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
