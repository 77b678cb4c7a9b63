"""Pictures of data sets in other processes: the same as here, and an error for what no process survives."""

from collections.abc import Mapping
from pathlib import Path

import fragile
import layouts.mmi
import numpy as np
import pytest
from fragile import DEADLY, ONCE, SLOW, Made

from mien import datasets
from mien.core.errors import DataError
from mien.core.images import write_image
from mien.datasets import DataSet
from mien.datasets.check import check as check_here
from mien.datasets.looking import FEW
from mien.datasets.readers import mmi
from mien.pipeline import picture_workers
from mien.pipeline.picture_workers import PictureWorkers, open_data, open_dataset
from mien.verbs import check as check_verb
from mien.verbs.check import check
from mien.verbs.evaluate import evaluate

ENDED = "expected a picture in {} that can be decoded, got one that brought its decoder down: convert it"
LATE = "expected a picture in 67.png that is decoded in 1 s, got one that takes longer: make it smaller, or convert it"


def made(colors: Mapping[int, tuple[int, int, int]], n: int = 70) -> DataSet:
    """Face crops, some of which are no good for whoever reads them."""
    pictures = [Made(f"{k}.png", colors.get(k, (k, 9, 9))) for k in range(n)]
    names = [f"made-{k}" for k in range(n)]
    return DataSet(name="made", root=Path("made"), form="made", origin="this test", ids=names, split=["train"] * n,
                   pictures=pictures, sources={}, faces=True, gray=False)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Face crops as files."""
    rng = np.random.default_rng(0)
    for k in range(FEW + 4):
        path = tmp_path / "faces" / "test" / ("happy", "sad")[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, rng.integers(0, 256, (20, 20), np.uint8))
    return tmp_path / "faces"


def test_what_a_process_does_not_survive_is_one_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One brings its process down, one holds it up, one does so once only, as if somebody had killed it."""
    monkeypatch.setenv(fragile.MARK, str(tmp_path / "mark"))
    data = made({5: DEADLY, 66: ONCE, 67: SLOW})
    with PictureWorkers(limit_s=1) as workers:
        report = check_here(data, each=workers.each)
    assert [(each.where, each.error) for each in report.unreadable] == [
        ("5.png", ENDED.format("5.png")),
        ("67.png", LATE),
    ]
    assert report.sizes == ((12, 12, 68),) and (tmp_path / "mark").exists()


def test_a_check_goes_on_and_a_table_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the verbs call them; who asks lives."""
    for module in (check_verb, datasets):
        monkeypatch.setattr(module, "open_dataset", lambda *args, **options: made({40: DEADLY}))
    report = check("folder=somewhere")
    assert [each.where for each in report.unreadable] == ["40.png"] and report.sizes == ((12, 12, 69),)
    with pytest.raises(DataError, match="^" + ENDED.format("40.png") + "; the data set is handed out by this test$"):
        evaluate("mien-s", data="folder=somewhere", split="train")


def test_tables_are_the_same_as_here(folder: Path) -> None:
    spec = f"folder={folder}"
    assert open_data(spec).digest() == datasets.open_data(spec).digest()


@pytest.mark.parametrize("damage", ["another size", "no picture"])
def test_errors_are_the_same_as_here(folder: Path, damage: str) -> None:
    path, spec = folder / "test" / "sad" / "5.png", f"folder={folder}"
    if damage == "another size":
        write_image(path, np.zeros((40, 20), np.uint8))
    else:
        path.write_bytes(b"none")
    assert check(spec) == check_here(datasets.open_dataset(spec))
    with pytest.raises(DataError) as there:
        open_data(spec)
    with pytest.raises(DataError) as here:
        datasets.open_data(spec)
    assert str(there.value) == str(here.value)


def test_a_clip_of_mmi_that_cannot_be_opened_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layouts.mmi.FORMS["sessions"](tmp_path)
    spec, options = f"mmi={tmp_path}", {"view": "both"}
    whole = datasets.open_dataset(spec, options=options)
    monkeypatch.setattr(mmi, "_probe", fragile.probe_shot)
    found = open_dataset(spec, options=options)
    others = [name for name in whole.ids.tolist() if "S001-002" not in name]
    assert [name for name in found.ids.tolist() if name in others] == others
    assert set(found.ids.tolist()) - set(others) == {"mmi-S001-002"}


def test_few_pictures_need_no_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_workers, "Workers", None)
    for path in sorted(folder.rglob("*.png"))[FEW - 1 :]:
        path.unlink()
    assert len(open_data(f"folder={folder}")) == FEW - 1
