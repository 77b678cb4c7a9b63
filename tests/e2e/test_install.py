"""The wheel in an empty environment without extras: what a user gets, and what that costs."""

import csv
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_MB = 385  # of the environment, pip included

pytestmark = pytest.mark.slow


def uv(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "uv", *map(str, arguments)], check=True, cwd=ROOT, capture_output=True)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made of the sdist, as an index would serve it: so the sdist is whole."""
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--out-dir", folder, ROOT)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the commands of an environment that holds the wheel, its dependencies and pip."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    found = folder / ("Scripts" if os.name == "nt" else "bin")
    uv("pip", "install", "--python", found / "python", "-c", ROOT / "constraints.txt", wheel)
    return found


def run(scripts: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command of the environment, away from the repository, with no way to download anything."""
    dead_end = "http://127.0.0.1:9"
    away = {"HTTP_PROXY": dead_end, "HTTPS_PROXY": dead_end, "PYTHONUTF8": "1"}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | away
    command = [str(scripts / arguments[0]), *arguments[1:]]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )


def test_the_wheel_holds_what_it_should_and_no_more(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "mien/py.typed" in names
    assert {"mien/samples/grace_hopper.jpg", "mien/samples/astronaut.jpg", "mien/samples/README.md"} <= set(names)
    assert any(name.startswith("mien/zoo/weights/") and name.endswith(".onnx") for name in names)
    assert any(name.startswith("mien/faces/weights/") and name.endswith(".onnx") for name in names)
    assert {Path(name).name for name in names} >= {"LICENSE", "NOTICE"}
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"mien"}


def test_the_sdist_holds_what_it_takes_to_build_test_and_document(wheel: Path) -> None:
    [sdist] = wheel.parent.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    files = ("pyproject.toml", "Makefile", "mkdocs.yml", "constraints.txt", "LICENSE", "NOTICE", "README.md")
    pages = ("SECURITY.md", "MODEL_CARD.md", "THIRD_PARTY.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/index.md")
    assert {*files, *pages, "scripts/hatch_build.py", "tests/conftest.py", "src/mien/__init__.py"} <= names
    assert [name for name in names if name.startswith((".git/", "runs/", "site/", ".venv"))] == []


def test_demo_runs_and_the_environment_is_light(scripts: Path, tmp_path: Path) -> None:
    done = run(scripts, "mien", "demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "grace_hopper" in done.stdout
    assert list(tmp_path.rglob("*.jpg")), "expected annotated copies"
    # After the run, so that the bytecode it wrote counts.
    files = [path for path in scripts.parent.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) < LIMIT_MB * 1_000_000


def test_predict_writes_a_table(scripts: Path, tmp_path: Path) -> None:
    photograph = tmp_path / "Größe 1.jpg"  # a name that is not ASCII
    photograph.write_bytes((ROOT / "src" / "mien" / "samples" / "astronaut.jpg").read_bytes())
    done = run(scripts, "mien", "predict", str(photograph), "--out", "faces.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "faces.csv").open(encoding="utf-8", newline="") as file:
        [row] = csv.DictReader(file)
    assert row["source"].endswith("Größe 1.jpg")
    assert row["label"]
    chances = [float(value) for name, value in row.items() if name.startswith("p_")]
    assert sum(chances) == pytest.approx(1, abs=1e-3)


def test_the_page_is_exported_without_npm_and_network(scripts: Path, tmp_path: Path) -> None:
    done = run(scripts, "mien", "export", "mien-s", "--format", "web", "--out", "page", cwd=tmp_path)
    if "expected ONNX Runtime Web" in done.stderr:
        pytest.skip("needs scripts/fetch_web_runtime.py: the wheel was built without npm")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "python -m http.server --bind 127.0.0.1 --directory page 8000"
    assert (tmp_path / "page" / "runtime" / "ort-wasm-simd-threaded.wasm").stat().st_size > 1_000_000


def test_nothing_of_the_extras_is_installed(scripts: Path, tmp_path: Path) -> None:
    code = (
        "import importlib.util as u; print([n for n in ('torch', 'pandas', 'pyarrow', 'matplotlib') if u.find_spec(n)])"
    )
    assert run(scripts, "python", "-c", code, cwd=tmp_path).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("verb", "extra"),
    [
        (["evaluate", "mien-s", "--data", "table.parquet", "--split", "valid", "--out", "run"], "data"),
        (["train", "--data", "table.parquet", "--net", "resnet", "--out", "run"], "train"),
        (["predict", "picture.jpg", "--detector", "dlib"], "dlib"),
    ],
)
def test_a_missing_extra_is_named_in_one_line(scripts: Path, tmp_path: Path, verb: list[str], extra: str) -> None:
    (tmp_path / "table.parquet").write_bytes(b"PAR1")
    (tmp_path / "picture.jpg").write_bytes((ROOT / "src" / "mien" / "samples" / "astronaut.jpg").read_bytes())
    done = run(scripts, "mien", *verb, cwd=tmp_path)
    assert done.returncode == 2
    assert f"mien[{extra}]" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2  # one sentence, wrapped at most once
