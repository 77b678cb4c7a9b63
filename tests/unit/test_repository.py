"""What must hold of the repository as a whole: no stray hosts, paths, big files or dead links."""

import hashlib
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import mien

ROOT = Path(__file__).resolve().parents[2]
BINARY = {".jpg", ".png", ".webp", ".tiff", ".mp4", ".mkv", ".onnx", ".ckpt", ".npy", ".npz", ".parquet"}
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "MODEL_CARD.md",
    "THIRD_PARTY.md",
    "docs",
    "src/mien/samples/README.md",
]

# In two parts, so that this file is not its own counterexample.
REGISTRY_HOSTS = ["pypi" + ".org", "python" + "hosted.org", "npmjs" + ".org", "deb.debian" + ".org", "conda" + ".io"]
LOCAL_PATHS = ["/" + "work/", "/" + "root/", "/" + "home/", "/" + "Users/", ":\\" + "Users"]


def tracked() -> list[Path]:
    """Every file that git tracks and the working tree has."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git clone")
    paths = [ROOT / name for name in done.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def texts() -> dict[str, str]:
    """Name -> contents of every tracked text file."""
    names = [path for path in tracked() if path.suffix not in BINARY]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in names}


def pages() -> list[Path]:
    found = [ROOT / name for name in PAGES]
    return [page for path in found for page in (sorted(path.rglob("*.md")) if path.is_dir() else [path])]


def slugs(page: Path) -> set[str]:
    """Anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ +(.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("stray", [*REGISTRY_HOSTS, *LOCAL_PATHS])
def test_no_registry_host_and_no_local_path(stray: str) -> None:
    assert [name for name, text in texts().items() if stray in text] == []


def test_no_big_file_and_no_symlink() -> None:
    assert [path.name for path in tracked() if path.stat().st_size > 20_000_000] == []
    assert [path.name for path in tracked() if path.is_symlink()] == []


def test_weights_stay_under_18_megabytes_in_the_package_and_under_50_in_all() -> None:
    weights = [path for path in tracked() if path.suffix == ".onnx"]
    assert sum(path.stat().st_size for path in weights if ROOT / "src" in path.parents) < 18_000_000
    assert sum(path.stat().st_size for path in weights) < 50_000_000


def test_every_relative_link_leads_somewhere() -> None:
    dead = []
    for page in pages():
        for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", page.read_text("utf-8")):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            file = (page.parent / name) if name else page
            if not file.exists() or (anchor and anchor not in slugs(file)):
                dead.append(f"{page.relative_to(ROOT)}: {target}")
    assert dead == []


def test_every_page_of_docs_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    assert [
        page.name for page in (ROOT / "docs").glob("*.md") if page.name != "index.md" and page.name not in index
    ] == []


def test_every_make_command_of_the_pages_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {name for page in pages() for name in re.findall(r"(?:^|`)make ([a-z]+)", page.read_text("utf-8"), re.M)}
    assert {"run", "test"} <= named <= targets


def test_every_script_that_the_pages_name_exists() -> None:
    named = {name for page in pages() for name in re.findall(r"\b(benchmarks/\w+\.py)", page.read_text("utf-8"))}
    assert sorted(name for name in named if not (ROOT / name).is_file()) == []


def test_constraints_pin_by_name_and_version_alone() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[0-9][A-Za-z0-9.+]*", line)] == []
    # CUDA's own packages exist for one platform: a pin of theirs would break the others.
    assert [line for line in lines if line.startswith(("nvidia-", "triton"))] == []


def test_the_core_needs_five_packages_and_each_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    core = {re.split(r"[^a-z0-9-]", requirement)[0] for requirement in project["dependencies"]}
    assert core == {"numpy", "opencv-python-headless", "onnxruntime", "typer", "rich"}
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()}
    extras = [requirement for group in project["optional-dependencies"].values() for requirement in group]
    wanted = core | {re.split(r"[^a-z0-9-]", name)[0] for name in extras if not name.startswith("mien[")}
    assert wanted <= pinned


def test_every_extra_that_an_error_names_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    source = "\n".join(text for name, text in texts().items() if name.startswith("src/"))
    assert set(re.findall(r"require\([^)]*extra=\"(\w+)\"", source)) <= set(extras)


def test_the_changelog_knows_this_version() -> None:
    assert f"## [{mien.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_samples_are_the_files_whose_provenance_is_stated() -> None:
    folder = ROOT / "src" / "mien" / "samples"
    stated = (folder / "README.md").read_text("utf-8")
    for photograph in sorted(folder.glob("*.jpg")):
        assert hashlib.sha256(photograph.read_bytes()).hexdigest() in stated, photograph.name
        assert photograph.stat().st_size < 150_000
