"""The long tests share `mutate.py`, which their scripts import too, as scripts do: from the folder they stand in."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
