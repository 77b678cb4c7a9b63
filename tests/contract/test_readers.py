"""What every reader keeps to. A new reader needs an entry in `LAYOUTS`: how its files are written."""

import csv

import numpy as np
import pytest

from mien.core.errors import DataError, UsageError
from mien.core.labels import CANONICAL
from mien.datasets import READERS, open_data, read_table, write_table

VOTES = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]
USAGES = ("Training", "PublicTest", "PrivateTest")


def write_fer2013(root, splits):
    generator = np.random.default_rng(0)
    rows = [
        (k % 7, " ".join(map(str, generator.integers(0, 256, 2304))), USAGES[("train", "valid", "test").index(split)])
        for k, split in enumerate(splits)
    ]
    with open(root / "fer2013.csv", "w", newline="") as file:
        csv.writer(file).writerows([("emotion", "pixels", "Usage"), *rows])
    return rows


def write_ferplus(root, splits):
    with open(root / "fer2013new.csv", "w", newline="") as file:
        rows = [(usage, "", *np.roll([10] + [0] * 9, k)) for k, (*_, usage) in enumerate(write_fer2013(root, splits))]
        csv.writer(file).writerows([("Usage", "Image name", *VOTES), *rows])


LAYOUTS = {"fer2013": write_fer2013, "ferplus": write_ferplus}
SPLITS = ["train"] * 8 + ["valid"] * 3 + ["test"] * 2


@pytest.fixture(params=list(READERS))
def name(request):
    return request.param


@pytest.fixture
def root(name, tmp_path):
    LAYOUTS[name](tmp_path, SPLITS)
    return tmp_path


def test_splits_and_order(name, root):
    table = open_data(f"{name}={root}")
    assert table.split.tolist() == SPLITS
    assert table.meta["name"] == name


def test_a_reader_is_open_to_subsets_and_ids_do_not_move(name, root):
    whole = READERS[name](root).table()
    for split in ("train", "valid", "test"):
        part = READERS[name](root, splits=[split]).table()
        assert part.digest() == whole.of_split(split).digest()


def test_a_split_that_is_not_there(name, tmp_path):
    LAYOUTS[name](tmp_path, ["train"] * 3 + ["valid"])
    assert READERS[name](tmp_path).splits == ("train", "valid")
    with pytest.raises(DataError, match=r"expected the split 'test' in .*, got train, valid only"):
        READERS[name](tmp_path, splits=["test"])
    with pytest.raises(UsageError, match="expected a split out of train, valid, test, got 'dev'"):
        READERS[name](tmp_path, splits=["dev"])


def test_reading_twice_gives_the_same(name, root):
    assert READERS[name](root).table().digest() == READERS[name](str(root)).table().digest()


def test_labels_are_canonical_and_say_their_rule(name, root):
    table = READERS[name](root)
    assert table.sources
    for column in table.sources.values():
        assert set(column.label_set) <= set(CANONICAL)
        assert column.rule and column.file and (root / column.file).is_file()
        assert (column.ids >= 0).any()
        if column.soft is not None:
            known = ~np.isnan(column.soft).any(1)
            np.testing.assert_allclose(column.soft[known].sum(1), 1, atol=1e-6)


def test_a_table_of_it_is_the_same(name, root, tmp_path):
    table = READERS[name](root).table()
    write_table(table, tmp_path / "table.parquet")
    assert read_table(tmp_path / "table.parquet").digest() == table.digest()


@pytest.mark.parametrize("place", ["", "absent"])
def test_nothing_there_is_one_line(name, place, tmp_path):
    with pytest.raises(DataError, match=r"expected .* in .*, got .*: .* handed out") as caught:
        READERS[name](tmp_path / place)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_damaged_files_never_end_in_anything_but_a_data_error(name, damage, root):
    for path in sorted(root.iterdir()):
        whole = path.read_bytes()
        sizes = np.linspace(0, len(whole) - 3, 12).astype(int).tolist() if damage == "cut" else [0]
        for size in sizes:
            noise = np.random.default_rng(size).integers(0, 256, 3000, np.uint8).tobytes()
            path.write_bytes({"cut": whole[:size], "noise": noise, "empty": b""}[damage])
            try:
                table = READERS[name](root)
                assert damage == "cut" and len(table) < len(SPLITS)  # cut between two rows: fewer of them
            except DataError as error:
                assert str(path.parent) in str(error) and "\n" not in str(error)
        path.write_bytes(whole)
