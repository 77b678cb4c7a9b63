"""Tables: validated, selectable, joined, dropped from, and the same after a trip through Parquet."""

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.core.errors import DataError, OutputError, UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table, open_data, read_table, write_table

FERPLUS = LABEL_SETS["ferplus"]


def make(n=6, *, color=False, seed=0, prefix="face"):
    generator = np.random.default_rng(seed)
    soft = generator.dirichlet(np.ones(8), n).astype(np.float32)
    soft[::3] = np.nan
    return Table(
        np.array([f"{prefix}-{k}" for k in range(n)], np.str_),
        generator.integers(0, 256, (n, 12, 10, 3) if color else (n, 12, 10), dtype=np.uint8),
        np.array([("train", "valid")[k % 2] for k in range(n)], np.str_),
        {
            "ferplus": LabelColumn(FERPLUS, generator.integers(-1, 8, n).astype(np.int16), soft, "some rule", "a.csv"),
            "fer2013": LabelColumn(LABEL_SETS["fer2013"], generator.integers(0, 7, n).astype(np.int16)),
        },
        {
            "votes": generator.integers(0, 10, (n, 10)).astype(np.int8),
            "subject": np.array([f"Ä{k % 2}" for k in range(n)], np.str_),
            "time_s": generator.random(n),
        },
        {"name": "made up"},
    )


def assert_same(a, b):
    assert a.digest() == b.digest()
    for name in ("ids", "images", "split"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert list(a.sources) == list(b.sources) and dict(a.meta) == dict(b.meta) and list(a.extra) == list(b.extra)
    for name, column in a.sources.items():
        other = b.sources[name]
        assert (column.label_set, column.rule, column.file) == (other.label_set, other.rule, other.file)
        np.testing.assert_array_equal(column.ids, other.ids)
        assert (column.soft is None) == (other.soft is None)
        if column.soft is not None:
            np.testing.assert_array_equal(column.soft, other.soft)
    for name, values in a.extra.items():
        np.testing.assert_array_equal(values, b.extra[name])
        assert values.dtype.kind == b.extra[name].dtype.kind


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n=st.integers(0, 9), color=st.booleans(), seed=st.integers(0, 99))
def test_the_same_after_a_trip_through_parquet(n, color, seed, tmp_path):
    table = make(n, color=color, seed=seed)
    write_table(table, tmp_path / "t.parquet", overwrite=True)
    assert_same(read_table(tmp_path / "t.parquet"), table)


def test_the_columns_are_those_of_the_contract(tmp_path):
    write_table(make(), tmp_path / "t.parquet")
    frame = parquet.read_table(tmp_path / "t.parquet")
    assert frame.column_names[:3] == ["id", "image", "split"]
    assert {"label_ferplus", "soft_ferplus", "label_fer2013", "votes", "subject"} <= set(frame.column_names)
    assert frame["image"][0].as_py().startswith(b"\x89PNG")
    assert frame["label_fer2013"].to_pylist() == make().sources["fer2013"].names()


def test_one_split_of_a_file(tmp_path):
    write_table(make(), tmp_path / "t.parquet")
    assert_same(read_table(tmp_path / "t.parquet", splits=["valid"]), make().of_split("valid"))
    with pytest.raises(DataError, match=r"expected the split 'test' in .*, got train, valid only"):
        read_table(tmp_path / "t.parquet", splits=["test"])


def test_the_digest_sees_every_part():
    table = make()
    images, ids = table.images.copy(), table.sources["ferplus"].ids.copy()
    images[0, 0, 0] ^= 1
    ids[0] = (ids[0] + 2) % 8
    other = LabelColumn(FERPLUS, ids, table.sources["ferplus"].soft)
    changed = [
        Table(table.ids, images, table.split, table.sources),
        Table(table.ids, table.images, table.split, {**table.sources, "ferplus": other}),
        Table(table.ids, table.images, table.split[::-1], table.sources),
        Table(table.ids[::-1], table.images, table.split, table.sources),
        table.select(slice(1, None)),
    ]
    assert len({table.digest(), *(each.digest() for each in changed)}) == 1 + len(changed)
    assert make().digest() == table.digest()


def test_splits():
    table = make()
    assert table.splits == ("train", "valid") and len(table.of_split("valid")) == 3
    with pytest.raises(DataError, match="expected the split 'test' in the data, got train, valid only"):
        table.of_split("test")
    with pytest.raises(UsageError, match="out of train, valid, test, got 'valids'; did you mean 'valid'"):
        table.of_split("valids")
    with pytest.raises(DataError, match="expected labels of 'rafdb' in the data, got those of ferplus, fer2013"):
        table.source("rafdb")


def test_arrays_cannot_be_changed_by_accident():
    table = make()
    for array in (table.images, table.ids, table.split, table.sources["ferplus"].ids, table.extra["votes"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": ["a", "b"]}, "expected 3 rows in ids, one an image, got 2"),
        ({"ids": ["a", "b", "a"]}, "ids that are distinct"),
        ({"split": ["train", "valid", "dev"]}, "splits out of train, valid, test, got 'dev'"),
        ({"images": np.zeros((3, 4, 4), np.float32)}, r"of uint8, got \(3, 4, 4\) of float32"),
        ({"images": np.zeros((3, 4, 4, 4), np.uint8)}, r"got \(3, 4, 4, 4\)"),
        ({"extra": {"x": np.zeros(2)}}, "expected 3 rows in x"),
    ],
)
def test_what_is_no_table(changes, message):
    parts = {"ids": ["a", "b", "c"], "images": np.zeros((3, 4, 4), np.uint8), "split": ["train"] * 3} | changes
    with pytest.raises(DataError, match=message):
        Table(**parts)


def test_what_is_no_label_column():
    with pytest.raises(DataError, match=r"in -1\.\.7"):
        LabelColumn(FERPLUS, np.array([8], np.int16))
    with pytest.raises(DataError, match=r"soft labels of ferplus of shape \(1, 8\), got \(1, 7\)"):
        LabelColumn(FERPLUS, np.array([0], np.int16), np.zeros((1, 7), np.float32))


def test_tables_are_joined():
    one, two = make(), make(4, seed=1, prefix="other")
    alone = Table(two.ids, two.images, two.split, {"fer2013": two.sources["fer2013"]}, {"time_s": two.extra["time_s"]})
    both = Table.concatenate([one, alone])
    assert len(both) == 10 and both.sources["ferplus"].ids[6:].tolist() == [-1] * 4
    assert np.isnan(both.sources["ferplus"].soft[6:]).all() and both.extra["votes"][6:].tolist() == [[-1] * 10] * 4
    assert both.extra["subject"][6:].tolist() == [""] * 4
    assert both.sources["ferplus"].rule == "some rule"
    assert_same(Table.concatenate([one]), one)
    with pytest.raises(DataError, match="expected data without a common image, got 6 ids more than once"):
        Table.concatenate([one, one])
    with pytest.raises(DataError, match="images of one shape"):
        Table.concatenate([one, make(2, color=True, prefix="other")])


def test_rows_are_dropped_by_a_list(tmp_path):
    listed = tmp_path / "list.csv"
    listed.write_text("why,id\nblurred,face-1\ndouble,face-4\nelsewhere,strange-9\n")
    assert make().drop(listed).ids.tolist() == ["face-0", "face-2", "face-3", "face-5"]
    listed.write_text("id\nstrange-9\n")
    with pytest.raises(DataError, match=r"expected ids of this data in .*, such as \['face-0'\], got none of them"):
        make().drop(listed)
    listed.write_text("name\nface-1\n")
    with pytest.raises(DataError, match=r"expected a column id in .*list\.csv, got name"):
        make().drop(listed)
    with pytest.raises(DataError, match=r"expected a csv of ids at .*, got: [^\[]+$"):
        make().drop(tmp_path / "absent.csv")


def test_pixel_keys_tell_pictures_apart():
    table = make()
    twice = np.concatenate([table.images, table.images[:1]])
    keys = Table([str(k) for k in range(7)], twice, ["train"] * 7).pixel_keys()
    assert keys[0] == keys[6] and len(set(keys)) == 6


def test_writing_where_one_must_not(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(make(), path)
    with pytest.raises(OutputError, match=r"expected no file at .*, got one"):
        write_table(make(), path)
    with pytest.raises(OutputError, match=r"end in \.parquet"):
        write_table(make(), tmp_path / "t.csv")
    with pytest.raises(OutputError, match="expected to write"):
        write_table(make(), tmp_path / "absent" / "t.parquet")
    assert [each.name for each in tmp_path.iterdir()] == ["t.parquet"]


def test_reading_what_is_no_table(tmp_path):
    path = tmp_path / "t.parquet"
    with pytest.raises(DataError, match="no such file: make one with `mien data prepare`"):
        read_table(path)
    path.write_bytes(b"not Parquet at all")
    with pytest.raises(DataError, match="expected a table of mien at") as caught:
        read_table(path)
    assert "\n" not in str(caught.value)
    parquet.write_table(pyarrow.table({"a": [1]}), path)
    with pytest.raises(DataError, match="got other Parquet"):
        read_table(path)
    write_table(make(), path, overwrite=True)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="expected a table of mien at"):
        read_table(path)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("image", [b"\x89PNG broken"] * 6, "expected a picture in row 0 of"),
        ("image", [None] * 6, "expected a picture in row 0 of .*, got an empty file"),
        ("label_ferplus", ["joyful"] * 6, "expected labels out of neutral, .* got 'joyful'"),
        ("split", ["dev"] * 6, "splits out of"),
    ],
)
def test_a_damaged_column_is_named(column, values, message, tmp_path):
    path = tmp_path / "t.parquet"
    write_table(make(), path)
    frame = parquet.read_table(path)
    index = frame.column_names.index(column)
    parquet.write_table(frame.set_column(index, column, pyarrow.array(values)), path)
    with pytest.raises(DataError, match=message):
        read_table(path)
    parquet.write_table(frame.drop_columns([column]), path)
    with pytest.raises(DataError, match=f"expected the columns {column} in"):
        read_table(path)


def test_open_data(tmp_path):
    path = tmp_path / "ä=b" / "t.parquet"
    path.parent.mkdir()
    write_table(make(), path)
    assert_same(open_data(str(path)), make())
    assert_same(open_data(path), make())
    with pytest.raises(UsageError, match="expected a data set out of .*ferplus.*, got 'ferpluss'; did you mean"):
        open_data("ferpluss=somewhere")
    for strange in ("somewhere", "ferplus", "ferplus="):
        with pytest.raises(UsageError, match=r"\.parquet table, or NAME=FOLDER with a NAME out of .*fer2013"):
            open_data(strange)
