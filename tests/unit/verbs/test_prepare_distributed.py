"""What is decided before a cluster begins with the parts of a table; `tests/e2e/test_distributed.py` has the rest."""

import os
from pathlib import Path

import pytest

import mien
from mien.core.errors import OutputError
from mien.datasets import DataSet
from mien.datasets.dataset import PackedPicture, Picture, PictureFile, StoredPicture
from mien.pipeline.distributed.result import Folder
from mien.verbs.prepare_distributed import _here

FAR = "s3://bucket/a"


@pytest.mark.parametrize(
    ("picture", "out", "begins"),
    [
        (StoredPicture(FAR, "1.png"), "s3://bucket/out", False),
        (PackedPicture(f"{FAR}/1.parquet", 0, "1.parquet#0"), "s3://bucket/out", False),
        (StoredPicture(FAR, "1.png"), "out", True),
        (PictureFile("pictures", "1.png"), "s3://bucket/out", True),
        (PackedPicture("1.parquet", 0, "1.parquet#0"), "s3://bucket/out", True),
    ],
)
def test_actors_go_where_a_path_begins(picture: Picture, out: str, begins: bool) -> None:
    """Whatever the data set's own root is: a csv in a store may name pictures on a disk."""
    data = DataSet(name="csv", root=f"{FAR}/list.csv", form="", origin="", ids=["1"], split=["train"],
                   pictures=[picture], sources={}, faces=True, gray=False)  # fmt: skip
    assert _here([data], Folder.at(out)) == (os.getcwd() if begins else "")


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_one_file_is_written_on_this_machine(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match=r"^expected a name on this machine, got s3://bucket/faces\.parquet: "):
        mien.prepare("folder=anywhere", out="s3://bucket/faces.parquet", engine=engine)
    assert not list(tmp_path.iterdir())
