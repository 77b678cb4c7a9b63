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
        pairs = [_build(Path(scratch, name), days) for name, days in (("first", 0), ("second copy", 400))]
        same = True
        for first, second in zip(*pairs, strict=True):
            digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]
            same &= first.name == second.name and digests[0] == digests[1]
            print(f"{digests[0]}  {first.name}" if digests[0] == digests[1] else f"{first.name} differs: {digests}")
        out.mkdir(parents=True, exist_ok=True)
        for path in pairs[0]:
            shutil.copy(path, out)
    return int(not same)


def _build(folder: Path, days: int) -> list[Path]:
    """Wheel and sdist, sorted by name, of a copy whose files are so many days older."""
    source = folder / "source"
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    extra = [str(path.relative_to(ROOT)) for path in sorted((ROOT / RUNTIME).glob("*"))]
    for name in [*filter(None, names.split("\0")), *extra]:
        if not (ROOT / name).is_file():
            continue
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
        moment = target.stat().st_mtime - days * 86400
        os.utime(target, (moment, moment))
    environment = os.environ | {"SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH") or _commit_time()}
    command = [sys.executable, "-m", "uv", "build", "--quiet", "--sdist", "--wheel", "--out-dir", str(folder / "dist")]
    subprocess.run([*command, str(source)], env=environment, check=True)
    return sorted(path for path in (folder / "dist").iterdir() if path.suffix in (".whl", ".gz"))


def _commit_time() -> str:
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
