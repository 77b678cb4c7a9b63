"""Prepared tables as others read them: pandas, polars, DuckDB and HuggingFace's datasets see the same values."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest

from mien.core.errors import DataError
from mien.core.images import decode
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table, read_table, write_table
from mien.datasets.parquet import ROWS_IN_GROUP, encode_small, table_writer
from mien.datasets.stored import decode_as, in_threads

N = 11
FAILED = (3, 7)


def make(n: int = N, *, color: bool = False) -> Table:
    generator = np.random.default_rng(n)
    soft = generator.dirichlet(np.ones(8), n).astype(np.float32)
    soft[::3] = np.nan
    ids = generator.integers(-1, 8, n).astype(np.int16)
    return Table(
        np.array([f"face-{k}" for k in range(n)], np.str_),
        generator.integers(0, 256, (n, 12, 10, 3) if color else (n, 12, 10), dtype=np.uint8),
        np.array([("train", "valid")[k % 2] for k in range(n)], np.str_),
        {"ferplus": LabelColumn(LABEL_SETS["ferplus"], ids, soft, "rule", "a.csv")},
        {
            "subject": np.array([f"Ä{k % 2}" for k in range(n)], np.str_),
            "frame": generator.integers(0, 99, n).astype(np.int32),
            "valence": np.where(ids < 0, np.nan, generator.random(n)).astype(np.float32),
            "box": generator.random((n, 4)).astype(np.float32),
        },
        {"name": "made up", "failed": str(len(FAILED))},
    )


@pytest.fixture(params=[False, True], ids=["grey", "colour"])
def table(request: pytest.FixtureRequest) -> Table:
    return make(color=request.param)


@pytest.fixture
def path(table: Table, tmp_path: Path) -> Path:
    """A table as `mien data prepare` writes it: two rows have an error and no image."""
    target = tmp_path / "t.parquet"
    images = [None if k in FAILED else encode_small(image) for k, image in enumerate(table.images)]
    errors = ["no face" if k in FAILED else None for k in range(N)]
    with table_writer(target, table, shape=table.images.shape[1:], errors=True) as write:
        for rows in (slice(0, 5), slice(5, N)):
            write(table.select(rows), images[rows], errors[rows])
    return target


def assert_rows(rows: list[dict[str, Any]], table: Table) -> None:
    """Rows of plain values against the table."""
    assert [row["id"] for row in rows] == table.ids.tolist()
    assert [row["split"] for row in rows] == table.split.tolist()
    assert [row["error"] for row in rows] == ["no face" if k in FAILED else None for k in range(N)]
    assert [row["label_ferplus"] for row in rows] == table.sources["ferplus"].names()
    for k, row in enumerate(rows):
        if k in FAILED:
            assert row["image"] is None
        else:
            np.testing.assert_array_equal(decode_as(row["image"], table.images.shape[1:], "row"), table.images[k])
        soft = table.sources["ferplus"].soft
        assert soft is not None
        if np.isnan(soft[k]).any():
            assert row["soft_ferplus"] is None
        else:
            np.testing.assert_array_equal(np.array(row["soft_ferplus"], np.float32), soft[k])
        assert row["subject"] == table.extra["subject"][k] and row["frame"] == table.extra["frame"][k]
        np.testing.assert_array_equal(np.float32(row["valence"]), table.extra["valence"][k])
        np.testing.assert_array_equal(np.array(row["box"], np.float32), table.extra["box"][k])


def test_mien_leaves_failures_out_and_counts_them(path: Path, table: Table) -> None:
    good = np.setdiff1d(np.arange(N), FAILED)
    read = read_table(path)
    assert read.digest() == table.select(good).digest() and read.meta == table.meta
    train = read_table(path, splits=["train"])
    assert train.ids.tolist() == [each for each in table.ids[good] if int(each.split("-")[1]) % 2 == 0]
    assert train.meta["failed"] == "0" and read_table(path, splits=["valid"]).meta["failed"] == "2"


def test_pyarrow(path: Path, table: Table) -> None:
    assert_rows(parquet.read_table(path).to_pylist(), table)


def test_pandas(path: Path, table: Table) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(path)
    assert frame["frame"].dtype == np.int32 and frame["valence"].dtype == np.float32
    rows = frame.to_dict("records")
    for row in rows:
        row |= {
            name: None if row[name] is None or row[name] is np.nan else row[name] for name in ("error", "label_ferplus")
        }
    assert_rows(rows, table)


def test_polars(path: Path, table: Table) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.read_parquet(path)
    assert frame.schema["image"] == polars.Binary and frame.schema["box"] == polars.Array(polars.Float32, 4)
    rows = frame.to_dicts()
    assert_rows(rows, table)


def test_duckdb(path: Path, table: Table) -> None:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        answer = connection.execute("SELECT * FROM read_parquet(?)", [str(path)])
        names = [each[0] for each in answer.description]
        assert_rows([dict(zip(names, row, strict=True)) for row in answer.fetchall()], table)
        count = "SELECT count(*) FROM read_parquet(?) WHERE error IS NULL AND split = 'train'"
        assert connection.execute(count, [str(path)]).fetchone() == (6,)


def test_datasets_of_hugging_face(path: Path, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets")
    found = datasets.load_dataset("parquet", data_files=str(path), cache_dir=str(tmp_path / "cache"))["train"]
    assert_rows(list(found), table)
    pictures = found.cast_column("image", datasets.Image())
    assert pictures[FAILED[0]]["image"] is None
    for k in (0, 4, N - 1):
        np.testing.assert_array_equal(np.asarray(pictures[k]["image"]), table.images[k])


def test_a_table_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """Without the column error, and with another size of row groups."""
    table = make()
    write_table(table, tmp_path / "t.parquet")
    frame = parquet.read_table(tmp_path / "t.parquet")
    assert "error" not in frame.column_names
    parquet.write_table(frame, tmp_path / "old.parquet", row_group_size=4)
    assert read_table(tmp_path / "old.parquet").digest() == table.digest()


@pytest.mark.parametrize("n", [0, 1, ROWS_IN_GROUP - 1, ROWS_IN_GROUP, ROWS_IN_GROUP + 1, 2 * ROWS_IN_GROUP + 3])
def test_every_number_of_rows(tmp_path: Path, n: int) -> None:
    table = make(n)
    write_table(table, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").digest() == table.digest()
    assert parquet.read_metadata(tmp_path / "t.parquet").num_row_groups == -(-n // ROWS_IN_GROUP)


@pytest.mark.parametrize("name", ["error", "id", "image", "label_ferplus"])
def test_a_column_that_has_another_meaning_is_refused(tmp_path: Path, name: str) -> None:
    table = make()
    strange = Table(table.ids, table.images, table.split, table.sources, {name: np.zeros(N)})
    with pytest.raises(DataError, match=f"expected extra columns that are not id, .*, got '{name}'"):
        write_table(strange, tmp_path / "t.parquet")
    assert not list(tmp_path.iterdir())


def test_a_damaged_image_is_named_by_its_row(tmp_path: Path) -> None:
    table = make(700)
    write_table(table, tmp_path / "t.parquet")
    frame = parquet.read_table(tmp_path / "t.parquet")
    images = frame["image"].to_pylist()
    images[600] = images[600][:-20]
    index = frame.column_names.index("image")
    parquet.write_table(frame.set_column(index, "image", pyarrow.array(images)), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"row 600 of .*t\.parquet"):
        read_table(tmp_path / "t.parquet")
    images[600] = encode_small(np.zeros((3, 3), np.uint8))
    parquet.write_table(frame.set_column(index, "image", pyarrow.array(images)), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"an image of shape \(12, 10\) in row 600 of .*, got \(3, 3\)"):
        read_table(tmp_path / "t.parquet")


def test_the_file_says_what_its_columns_cannot(path: Path, table: Table) -> None:
    about = json.loads(parquet.read_schema(path).metadata[b"mien"])
    assert about["version"] == 1 and about["shape"] == list(table.images.shape[1:])
    assert about["sources"]["ferplus"]["labels"] == list(LABEL_SETS["ferplus"])
    assert about["meta"] == table.meta and about["extra"] == list(table.extra)


def test_images_are_png_without_loss(table: Table) -> None:
    for image in table.images:
        data = encode_small(image)
        assert data.startswith(b"\x89PNG")
        whole = decode(data)
        np.testing.assert_array_equal(whole if image.ndim == 3 else whole[:, :, 0], image)
        pillow = pytest.importorskip("PIL.Image")  # what another decoder sees
        np.testing.assert_array_equal(np.asarray(pillow.open(io.BytesIO(data))), image)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 100])
def test_work_in_threads_keeps_its_order(n: int) -> None:
    assert in_threads(lambda k: k * k, list(range(n))) == [k * k for k in range(n)]
    if n > 2:
        with pytest.raises(ZeroDivisionError):
            in_threads(lambda k: 1 // (k - 1), list(range(n)))


@pytest.mark.parametrize(
    "meta", [{"failed": "many"}, {"failed": "-1"}, {"failed": 3}, {"name": []}, [], ["failed"], "x", None]
)
def test_words_beside_the_columns_that_are_none(tmp_path: Path, meta: object) -> None:
    path = tmp_path / "a.parquet"
    write_table(make(), path)
    frame = parquet.read_table(path)
    about = json.loads(frame.schema.metadata[b"mien"]) | {"meta": meta}
    parquet.write_table(frame.replace_schema_metadata({b"mien": json.dumps(about)}), path)
    for source in (path, tmp_path):
        with pytest.raises(DataError, match=r"expected .*a\.parquet, got"):
            read_table(source)


def test_an_id_that_is_longer_than_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_table(make(), path)
    frame = parquet.read_table(path)
    ids = pyarrow.array(["x" * 2000, *frame["id"].to_pylist()[1:]])
    parquet.write_table(frame.set_column(frame.column_names.index("id"), "id", ids), path)
    with pytest.raises(DataError, match=r"at most 1,024 characters in the column id of .*a\.parquet, got one of 2,000"):
        read_table(path)
