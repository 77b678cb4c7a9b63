"""Fetch the files of ONNX Runtime Web that `mien export --format web` copies: once, with npm, checked by sha512.

    python scripts/fetch_web_runtime.py

They go to src/mien/web/runtime, which git ignores and wheel and sdist hold. Neither mien nor its users need npm.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
SHA512 = (
    "ab4cbe26baedba45d2cec05610c71c55fa97db92d19a8b171c5f8269126683ca"
    "590a5cdc57bb2f35ce2b298de32f4d956fb42644c0ecd528a0a91e025c07ca61"
)
# The smallest build that runs our networks: WebAssembly alone, its own loader inside the script.
FILES = {
    "package/dist/ort.wasm.bundle.min.mjs": "ort.js",  # .js is sent as JavaScript by more servers than .mjs
    "package/dist/ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
}
RUNTIME = Path(__file__).resolve().parents[1] / "src" / "mien" / "web" / "runtime"
STAMP = "version.txt"  # written last: what is there is whole


class FetchError(Exception):
    """Why the files could not be fetched, in one line."""


def is_there() -> bool:
    """Whether the files are there, in the version that is wanted."""
    stamp = RUNTIME / STAMP
    return stamp.is_file() and stamp.read_text("utf-8").strip() == f"{PACKAGE} {VERSION}"


def fetch() -> None:
    """Fetch the files if they are not there.

    Raises:
        FetchError: npm is missing or fails, or what it brings is not what is pinned.
    """
    if is_there():
        return
    with tempfile.TemporaryDirectory() as scratch:
        archive = _pack(Path(scratch))
        digest = hashlib.sha512(archive.read_bytes()).hexdigest()
        if digest != SHA512:
            raise FetchError(
                f"expected sha512 {SHA512[:12]}... of {PACKAGE} {VERSION}, got {digest[:12]}...: pin it anew"
            )
        RUNTIME.mkdir(parents=True, exist_ok=True)
        (RUNTIME / STAMP).unlink(missing_ok=True)
        with tarfile.open(archive) as package:
            for member, name in FILES.items():
                source = package.extractfile(member)
                assert source is not None, member
                (RUNTIME / name).write_bytes(source.read())
    (RUNTIME / STAMP).write_text(f"{PACKAGE} {VERSION}\n", "utf-8")


def _pack(folder: Path) -> Path:
    """The package's archive, brought into a folder by npm."""
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError(f"expected npm to fetch {PACKAGE} {VERSION}, got none: install Node.js, which brings it")
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--pack-destination", str(folder), "--silent", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    found = list(folder.glob("*.tgz"))
    if done.returncode or len(found) != 1:
        said = " ".join((done.stderr or done.stdout).split())[-300:]
        raise FetchError(f"expected npm to fetch {PACKAGE} {VERSION}, got: {said or 'nothing'}: is there a network?")
    return found[0]


def main() -> int:
    """Fetch the files; 1 and one line where that cannot be."""
    try:
        fetch()
    except FetchError as error:
        print(f"{error} (`mien export --format web` does not work without)", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
