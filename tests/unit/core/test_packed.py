"""Pictures in a column of a Parquet file."""

from pathlib import Path

import pytest

import mien
from mien.core import packed
from mien.core.errors import InputError
from mien.pipeline.sources import Skipped, expand

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def test_rows_in_any_order(tmp_path: Path) -> None:
    path = str(tmp_path / "a.parquet")
    parquet.write_table(pyarrow.table({"img": [b"%d" % k for k in range(7)]}), path, row_group_size=3)
    assert packed.count(path) == 7
    assert [packed.read(path, row) for row in (5, 0, 6, 3, 2)] == [b"5", b"0", b"6", b"3", b"2"]
    for row in (7, 70):
        with pytest.raises(InputError, match=f"expected a picture in {path}#{row}, got an empty cell"):
            packed.read(path, row)


def test_a_file_that_changed_is_read_anew(tmp_path: Path) -> None:
    path = str(tmp_path / "a.parquet")
    for cell in (b"old", b"newer"):
        parquet.write_table(pyarrow.table({"image": [cell]}), path)
        assert packed.read(path, 0) == cell


def test_other_parquet_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"image": ["words"], "n": [1]}), path)
    with pytest.raises(
        InputError, match="expected a column with the bytes of pictures in .*, got the columns image, n"
    ):
        packed.count(str(path))
    path.write_bytes(b"no Parquet")
    with pytest.raises(InputError, match=f"expected Parquet in {path}, got: "):
        packed.count(str(path))
    assert not packed.holds_pictures(str(path))


def test_they_are_sources(samples: Path, tiny_model: Path, tmp_path: Path) -> None:
    cells = [{"bytes": (samples / "astronaut.jpg").read_bytes(), "path": "a.jpg"}, {"bytes": b"none", "path": None}]
    folder = tmp_path / "in"
    folder.mkdir()
    parquet.write_table(pyarrow.table({"image": cells}), folder / "a.parquet")
    parquet.write_table(pyarrow.table({"n": [1]}), folder / "table.parquet")
    skipped = Skipped()
    assert [(each.source, each.file, each.row) for each in expand([folder], skipped=skipped)] == [
        (f"{folder}/a.parquet#{row}", f"{folder}/a.parquet", row) for row in (0, 1)
    ]
    assert skipped.suffixes == {".parquet": 1}
    found = mien.predict(folder / "a.parquet", model=tiny_model, detector="none")
    assert [row["face_id"] for row in found.rows] == [0, None]
    assert list(found.failed) == [f"{folder}/a.parquet#1"]


def test_columns_and_fields_of_one_name(tmp_path: Path) -> None:
    path, cells = str(tmp_path / "a.parquet"), pyarrow.array([b"a picture"])
    parquet.write_table(pyarrow.table([cells, cells], ["image", "image"]), path)
    with pytest.raises(InputError, match=r"expected one column image in .*, got 2: leave one, or rename the others"):
        packed.count(path)
    assert not packed.holds_pictures(path)
    parquet.write_table(pyarrow.table([cells, cells, cells], ["image", "other", "other"]), path)
    assert packed.read(path, 0) == b"a picture"
    struct = pyarrow.StructArray.from_arrays([cells, cells], ["bytes", "bytes"])
    parquet.write_table(pyarrow.table([struct], ["image"]), path)
    with pytest.raises(InputError, match=f"expected a picture in {path}#0, got: .*duplicate field names"):
        packed.read(path, 0)


def test_a_name_of_a_column_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"image": [b"a picture"], "zzzz": [1]}), path)
    path.write_bytes(path.read_bytes().replace(b"zzzz", b"\xff\xfe\xff\xfe"))
    with pytest.raises(InputError, match=f"expected Parquet in {path}, got: 'utf-8' codec can't decode"):
        packed.count(str(path))
    assert not packed.holds_pictures(str(path))
