"""The verb prepare: a data set in, a table and its counts out."""

import csv

import numpy as np
import pytest

from mien.core.errors import DataError, OutputError, UsageError
from mien.datasets import read_table
from mien.verbs.prepare import prepare


@pytest.fixture
def root(tmp_path):
    generator = np.random.default_rng(0)
    with open(tmp_path / "fer2013.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        for k, usage in enumerate(["Training"] * 3 + ["PublicTest"] * 2):
            writer.writerow([k, " ".join(map(str, generator.integers(0, 256, 2304))), usage])
    return tmp_path


def test_a_table_and_its_counts(root):
    result = prepare(f"fer2013={root}", out=root / "new" / "t.parquet")
    assert result.faces == {"train": 3, "valid": 2}
    assert result.labelled == {"fer2013": {"train": 3, "valid": 2}} and result.rules == {"fer2013": "all rows"}
    assert read_table(result.out).digest() == result.digest


def test_what_cannot_be_done(root):
    prepare(f"fer2013={root}", out=root / "t.parquet")
    with pytest.raises(OutputError, match=r"expected no file at .*, got one"):
        prepare(f"fer2013={root}", out=root / "t.parquet")
    prepare(f"fer2013={root}", out=root / "t.parquet", overwrite=True)
    with pytest.raises(OutputError, match=r"end in \.parquet"):
        prepare(f"fer2013={root}", out=root / "t.csv")
    with pytest.raises(OutputError, match="expected to write into"):
        prepare(f"fer2013={root}", out=root / "fer2013.csv" / "t.parquet")
    with pytest.raises(DataError, match=r"fer2013new\.csv"):
        prepare(f"ferplus={root}", out=root / "u.parquet")
    with pytest.raises(UsageError, match="out of .*fer2013, .*ferplus"):
        prepare(f"fer2012={root}", out=root / "u.parquet")
