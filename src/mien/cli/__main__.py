"""`python -m mien.cli`, where the command `mien` is not on the path."""

import sys

from mien.cli.app import main

sys.exit(main())
