"""The notebooks run from top to bottom, on a few hundred real images in the layout in which they are handed out."""

import csv
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
parquet = pytest.importorskip("pyarrow.parquet")

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ("explore", "experiments")
VOTES = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]
ROWS = {"Training": 400, "PublicTest": 100}


def read(name: str):
    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> str:
    """Execute a notebook in a folder, and return what its cells printed."""
    notebook = read(name)
    for key, value in settings.items():
        monkeypatch.setenv(f"MIEN_{key}", value)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(folder / "jupyter"))  # nothing of this machine's own
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(folder))
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return "\n".join(output.text for cell in cells for output in cell.outputs if "text" in output)


@pytest.fixture(scope="module")
def fer2013(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first rows of both splits as fer2013.csv and fer2013new.csv, and one image of train in both."""
    root = tmp_path_factory.mktemp("fer2013")
    columns = ["usage", "emotion", "image", "ferplus_name", *(f"ferplus_{name}" for name in VOTES)]
    table = parquet.read_table(data_dir / "fer2013.parquet", columns=columns)
    usage = table["usage"].to_pylist()
    chosen = [row for name, count in ROWS.items() for row in np.flatnonzero(np.array(usage) == name)[:count].tolist()]
    rows = table.take(chosen).to_pylist()
    rows[-1]["image"] = rows[0]["image"]
    with open(root / "fer2013.csv", "w", newline="") as pixels, open(root / "fer2013new.csv", "w", newline="") as votes:
        faces, votes = csv.writer(pixels), csv.writer(votes)
        faces.writerow(["emotion", "pixels", "Usage"])
        votes.writerow(["Usage", "Image name", *VOTES])
        for row in rows:
            image = cv2.imdecode(np.frombuffer(row["image"], np.uint8), cv2.IMREAD_GRAYSCALE)
            faces.writerow([row["emotion"], " ".join(map(str, image.ravel().tolist())), row["usage"]])
            votes.writerow([row["usage"], row["ferplus_name"], *(row[f"ferplus_{name}"] for name in VOTES)])
    return root


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_kept_without_outputs(name: str) -> None:
    notebook = read(name)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > 8
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []
    nbformat.validate(notebook)


@pytest.mark.soak
def test_exploring_real_data(fer2013: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = run("explore", tmp_path, monkeypatch, FER2013=str(fer2013), EXPLORED=str(tmp_path / "explored"))
    assert "500 images, from fer2013.csv and fer2013new.csv" in said
    assert "train: 400" in said
    assert "incomplete" in said  # and the check says so
    assert "{'train': 400, 'valid': 100}" in said
    assert re.search(r"train\|valid: [1-9]\d* exact copies", said)  # the one put in, and what chance brought
    assert "they agree on " in said
    assert "- The largest class, " in said
    written = {path.relative_to(tmp_path / "explored").as_posix() for path in (tmp_path / "explored").rglob("*")}
    assert {"ferplus.parquet", "drop.csv", "four.parquet", "noise/gallery.png", "page/index.html"} <= written
    assert sum(name.endswith(".png") for name in written) > 10


@pytest.mark.soak
def test_experiments_on_real_data(fer2013: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lightning")
    out = tmp_path / "experiments"
    said = run(
        "experiments", tmp_path, monkeypatch, FER2013=str(fer2013), EXPERIMENTS=str(out), FACES="300", EPOCHS="1"
    )
    assert "train: 300 faces" in said
    assert "valid: 100 faces" in said
    assert "on the same 100 images" in said
    assert re.search(r"accuracy over images: mcnemar, p = \d", said)
    written = {path.relative_to(out).as_posix() for path in out.rglob("*")}
    assert {"subset.parquet", "cnn5/model.onnx", "resnet-explained/mean-maps.png", "report.html"} <= written
    page = (out / "report.html").read_text("utf-8")
    for part in ("Training", "Comparison", "Errors of cnn5", "Explanations of resnet", "Model cards", "Commands"):
        assert f"<h2>{part}</h2>" in page
