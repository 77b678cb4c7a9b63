"""Build wheel and sdist twice, from two copies of the tracked files, and compare them byte by byte.

    python scripts/build_twice.py --out dist

What differs between two machines or two days must not matter: the copies lie in folders of other names, their files
have other times. SOURCE_DATE_EPOCH dates what is packed; if it is not set, the commit's time is taken.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNTIME = Path("src", "mien", "web", "runtime")  # not tracked: scripts/fetch_web_runtime.py


def main() -> int:
    """Build, compare, say the checksums; 1 where two builds differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where the first pair goes")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as scratch:
        first, second = Path(scratch, "first"), Path(scratch, "second copy")
        _copy_tracked(first / "source")
        shutil.copytree(first / "source", second / "source")
        for path in (second / "source").rglob("*"):
            moment = path.stat().st_mtime - 400 * 86400
            os.utime(path, (moment, moment))
        pairs = [_build(first), _build(second)]
        same = True
        for first, second in zip(*pairs, strict=True):
            digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]
            same &= first.name == second.name and digests[0] == digests[1]
            print(f"{digests[0]}  {first.name}" if digests[0] == digests[1] else f"{first.name} differs: {digests}")
        out.mkdir(parents=True, exist_ok=True)
        for path in pairs[0]:
            shutil.copy(path, out)
    return int(not same)


def _copy_tracked(target: Path) -> None:
    """The files that git tracks, and those that are fetched before a build."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    fetched = [str(path.relative_to(ROOT)) for path in sorted((ROOT / RUNTIME).glob("*"))]
    for name in [*filter(None, names.split("\0")), *fetched]:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def _build(folder: Path) -> list[Path]:
    """Wheel and sdist of the copy in a folder, sorted by name."""
    environment = os.environ | {"SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH") or _commit_time()}
    command = [sys.executable, "-m", "uv", "build", "--quiet", "--sdist", "--wheel", "--out-dir", str(folder / "dist")]
    subprocess.run([*command, str(folder / "source")], env=environment, check=True)
    return sorted(path for path in (folder / "dist").iterdir() if path.suffix in (".whl", ".gz"))


def _commit_time() -> str:
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
