"""Parquet with pictures and labels: what is read is checked by the contract; here what is not as it should be."""

import json
import re

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest

import mien
from mien.core.errors import DataError
from mien.core.images import encode
from mien.datasets import read_table
from mien.datasets.readers.parquet_file import read_parquet
from mien.datasets.table import Table

PICTURES = [b"", b"no picture"]


def write(path, metadata=None, **columns):
    parquet.write_table(pyarrow.table(columns).replace_schema_metadata(metadata), path)
    return path


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"where": PICTURES, "label": ["sad", "sad"]}, "expected a column with the bytes of pictures in FILE, called"),
        ({"image": PICTURES, "mood": ["sad", "sad"]}, "expected a column out of label, .* in FILE, got image, mood"),
        ({"image": PICTURES, "label": ["sad", "hungry"]}, "got 'hungry' in the column label of FILE, list.parquet#1: "),
        ({"image": PICTURES, "label": [0, 3]}, "got '0' in the column label of FILE, list.parquet#0: say in a label"),
        ({"image": PICTURES, "label": [["sad"], []]}, r"expected texts or numbers in the column label of FILE, got \["),
        ({"image": PICTURES, "label": ["sad", ""], "split": ["dev", ""]}, "expected a split out of .* got 'dev'"),
        ({"image": PICTURES, "label": ["sad", ""], "id": ["a", "a"]}, "got 'a' in list.parquet#0 and list.parquet#1"),
        ({"image": [], "label": []}, "expected a column with the bytes of pictures"),
        ({"image": pyarrow.array([], pyarrow.binary()), "label": []}, "expected rows in FILE, got none"),
    ],
)  # fmt: skip
def test_what_is_not_as_it_should_be(tmp_path, columns, message):
    path = write(tmp_path / "list.parquet", **columns)
    with pytest.raises(DataError, match=message.replace("FILE", re.escape(str(path)))):
        read_parquet(path)


def test_metadata_that_say_nothing(tmp_path):
    for text in (b"", b"[]", json.dumps({"info": {"features": {"label": {"names": 3}}}}).encode()):
        path = write(tmp_path / "list.parquet", {b"huggingface": text}, image=PICTURES, label=["sad", "happy"])
        assert read_parquet(path).sources["labels"].names() == ["sadness", "happiness"]


def test_a_table_of_mien_is_named_as_it_is(tmp_path, samples):
    mien.prepare(f"folder={_people(tmp_path, samples)}", out=tmp_path / "t.parquet", options={"faces": False})
    with pytest.raises(DataError, match="got a table of mien: name it without parquet= in front"):
        read_parquet(tmp_path / "t.parquet")


def test_files_by_their_splits(tmp_path):
    for name in ("trainees", "validation-0", "Test", "val_1", "all"):
        write(tmp_path / f"{name}.parquet", image=PICTURES[:1], label=["sad"])
    data = read_parquet(tmp_path)
    assert dict(zip([each.partition(".")[0] for each in data.ids.tolist()], data.split.tolist(), strict=True)) == {
        "parquet-Test": "test",
        "parquet-all": "train",
        "parquet-trainees": "train",
        "parquet-val_1": "valid",
        "parquet-validation-0": "valid",
    }


def test_columns_whose_names_differ_in_case_and_bytes_as_views(tmp_path):
    """The first of a name counts, as in a csv."""
    image = pyarrow.array([encode(np.zeros((4, 5, 3), np.uint8))], pyarrow.binary_view())
    sample = read_parquet(write(tmp_path / "a.parquet", image=image, label=["happy"], Label=["sad"]))[0]
    assert sample.labels == {"labels": "happiness"} and sample.image.shape == (4, 5, 3)


def test_a_table_of_faces(tmp_path, samples):
    """From pictures in Parquet to a table: the faces are those of the same pictures in files."""
    people = _people(tmp_path, samples)
    write(
        tmp_path / "people.parquet",
        id=["a", "b"],
        image=[(samples / f"{name}.jpg").read_bytes() for name in ("astronaut", "grace_hopper")],
        label=["happy", "neutral"],
    )
    packed = mien.prepare(
        f"parquet={tmp_path / 'people.parquet'}", out=tmp_path / "packed.parquet", options={"faces": False}
    )
    here = mien.prepare(f"folder={people}", out=tmp_path / "here.parquet", options={"faces": False})
    assert packed.faces == here.faces == {"train": 2}
    one, other = (read_table(tmp_path / name) for name in ("packed.parquet", "here.parquet"))
    assert isinstance(one, Table) and (one.images == other.images).all()
    assert one.sources["labels"].names() == other.sources["labels"].names()


def _people(folder, samples):
    for name, label in (("astronaut", "happy"), ("grace_hopper", "neutral")):
        (folder / "people" / label).mkdir(parents=True)
        (folder / "people" / label / "a.jpg").write_bytes((samples / f"{name}.jpg").read_bytes())
    return folder / "people"
