"""Fetch Mermaid, which draws the diagrams of the site: once, with npm, checked by sha512.

    python scripts/fetch_mermaid.py

It goes to build/mermaid, which git ignores. Without it the site shows the text of its diagrams.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "mermaid@11.17.2"
SHA512 = (
    "57a2b70bc101744b0f1595d228c25eea9a50384371b87011afd1af1d7e21878e"
    "e501b84c443f6a7f8a042bb2e869143150b31af34feab798073bbdda0a578106"
)
MEMBERS = ("package/dist/mermaid.min.js", "package/LICENSE")
FOLDER = Path(__file__).resolve().parents[1] / "build" / "mermaid"


def main() -> int:
    """Fetch it if it is not there; 1 and one line where that cannot be."""
    stamp = FOLDER / "version.txt"  # written last: what is there is whole
    if stamp.is_file() and stamp.read_text("utf-8") == PACKAGE:
        return 0
    npm = shutil.which("npm")
    if npm is None:
        print(f"expected npm to fetch {PACKAGE}, got none: install Node.js, which brings it", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        command = [npm, "pack", PACKAGE, "--pack-destination", scratch, "--silent", "--ignore-scripts"]
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
        archives = list(Path(scratch).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            print(f"expected npm to fetch {PACKAGE}, got: {' '.join(done.stderr.split())[-300:]}", file=sys.stderr)
            return 1
        digest = hashlib.sha512(archives[0].read_bytes()).hexdigest()
        if digest != SHA512:
            print(f"expected sha512 {SHA512[:12]}... of {PACKAGE}, got {digest[:12]}...: pin it anew", file=sys.stderr)
            return 1
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archives[0]) as package:
            for member in MEMBERS:
                source = package.extractfile(member)
                assert source is not None, member
                (FOLDER / Path(member).name).write_bytes(source.read())
    stamp.write_text(PACKAGE, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
