"""A csv of paths and labels: what is read is checked by the contract; here what is not as it should be."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.core.errors import DataError, InputError
from mien.datasets.labelmap import LabelMap
from mien.datasets.readers.cells import LABELS
from mien.datasets.readers.csv_file import PATHS, read_csv


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "list.csv"
        path.write_text(text, "utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected rows in FILE, got an empty file"),
        ("path,label\n\n", "expected rows in FILE, got its header alone"),
        ("where,label\na.png,sad\n", "a column out of path, image, file, filename, pth, filepath in FILE, got"),
        ("path,mood\na.png,sad\n", "a column out of label, emotion, expression, class, or p_<label>, in FILE"),
        ('"wh\n ere",label\na.png,sad\n', "in FILE, got wh ere, label"),
        ("path,label\na.png,sad\nb.png\n", "expected 2 columns in FILE, line 3, got 1: is the file cut off?"),
        ("path,label\na.png,sad\nb.png,sad,x\n", "expected 2 columns in FILE, line 3, got 3"),
        ("path,label\n,sad\n", "expected a path in the column path of FILE, line 2, got ''"),
        ("path,label\na.png,hungry\n", "got 'hungry' in the column label of FILE, line 2: say in a label map"),
        ("path,label\na.png,sad\nb.png,3\n", "got '3' in the column label of FILE, line 3: say in a label map"),
        ("path,p_hungry\na.png,1\n", "got 'hungry' in the header of FILE: say in a label map"),
        (
            "path,label\na.png,sad\nb.png,sad\na.png,happy\n",
            "each picture once in FILE, got 'a.png' in line 2 and line",
        ),
        ("id,path,label\n1,a.png,sad\n1,b.png,sad\n", "expected each id once in FILE, got '1' in line 2 and line 3"),
        ("id,path,label\n,a.png,sad\n", "expected an id in FILE, line 2, got an empty cell"),
        ("path,label,split\na.png,sad,dev\n", "val, validation, test in the column split of FILE, line 2, got 'dev'"),
        ("path,p_sad\na.png,-1\n", "expected a share of 0 or more in the column p_sad of FILE, line 2, got '-1'"),
        ("path,p_sad\na.png,nan\n", "expected a share of 0 or more in the column p_sad of FILE, line 2, got 'nan'"),
        ("path,label,valence\na.png,sad,much\n", "expected a number in the column valence of FILE, line 2, got 'much'"),
        ("path,label,frame,clip_id\na.png,sad,1.5,a\n", "the number of a frame in the column frame of FILE, line 2"),
        ("path,label,frame,clip_id\na.png,sad,99999999999,a\n", "expected the number of a frame in the column frame"),
        ("path,label,clip_id\na.png,sad,c\n", "expected the columns clip_id and frame together in FILE"),
        ("path,label,x1,y1,x2,y2\na.png,sad,1,inf,3,4\n", "pixels in the column y1 of FILE, line 2, got 'inf'"),
        ('path,label\n"a.png,sad\n', "expected 2 columns in FILE, line 2, got 1"),
        ("path,label\na.png,\n", "expected a label at least, got none"),
        (
            f"path,label\na.png,sad\n{'b' * 2000},sad\n",
            "expected an id of at most 1,024 characters in FILE, line 3, got one of 2,004: shorten it",
        ),
        (f"id,path,label\n{'b' * 2000},a,sad\n", "an id of at most 1,024 characters in FILE, line 2, got one of 2,000"),
        (
            f"path,label,subject\na.png,sad,{'b' * 2000}\n",
            "at most 1,024 characters in the column subject of FILE, line 2",
        ),
    ],
)
def test_what_is_not_as_it_should_be_is_named(text, message, write):
    path = write(text)
    with pytest.raises(DataError, match=re.escape(message.replace("FILE", str(path)))) as caught:
        read_csv(path)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text(write):
    path = write("")
    path.write_bytes(b"path,label\n\xff\xfe.png,sad\n")
    with pytest.raises(DataError, match=r"expected a csv in UTF-8 at .*list\.csv, got: "):
        read_csv(path)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("label", LABELS)
def test_columns_have_many_names(path, label, write):
    data = read_csv(write(f"{label.upper()}\t {path.title()}\nangry\tA b.png\n"))
    assert data.ids.tolist() == ["csv-A b.png"] and data.sources["labels"].names() == ["anger"]


def test_of_two_columns_the_first_name_counts(write):
    data = read_csv(write("emotion,label,filepath,image,image\nsad,happy,a,b,c\n"))
    assert data.ids.tolist() == ["csv-b"] and data.sources["labels"].names() == ["happiness"]


def test_a_picture_that_is_absent_is_an_error_when_it_is_read(write):
    data = read_csv(write("path,label\nabsent.png,sad\n"))
    with pytest.raises(InputError, match=r"expected a picture at .*absent\.png, got no such file"):
        data[0].image  # noqa: B018


def test_pictures_may_lie_elsewhere(write, tmp_path):
    path = write(f"path,label\na.png,sad\n{tmp_path / 'b.png'},sad\n")
    assert [each.path for each in read_csv(path).pictures] == [tmp_path / "a.png", tmp_path / "b.png"]
    assert read_csv(path, images=tmp_path / "x").pictures[0].path == tmp_path / "x" / "a.png"


def test_labels_that_the_map_drops_are_left_out_and_counted(write):
    path = write("path,label,p_sad,p_fear,p_contempt\na,sad,1,1,8\nb,9,1,1,1\nc,,1,0,0\n")
    data = read_csv(path, label_map=LabelMap("mine", shared={"9": "", "contempt": ""}), splits=["train"])
    assert data.ids.tolist() == ["csv-a", "csv-c"] and data.sources["mine"].names() == ["sadness", None]
    np.testing.assert_array_equal(data.sources["mine"].soft, [[0.5, 0.5], [1, 0]])
    assert data.notes == ("pictures left out, for the label map drops their labels: 1",)


def test_faces_or_photographs(write):
    boxes = write("path,label,x1,y1,x2,y2\na.png,sad,1,2,3,4\n")
    assert not read_csv(boxes).faces and read_csv(boxes, faces=True).faces
    assert read_csv(write("path,label\na.png,sad\n")).faces


COLUMNS = st.sampled_from(
    ["path", "label", "id", "split", "frame", "clip_id", "valence", "x1", "y1", "x2", "y2", "p_sad", "soft_fear", "é"]
)
CELLS = st.one_of(
    st.sampled_from(["", "a.png", "sad", "train", "val", "1", "-1", "0.5", "1e999", "nan", "9" * 5000, "\0", '"', ";"]),
    st.text(max_size=8),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=st.lists(COLUMNS, max_size=6),
    rows=st.lists(st.lists(CELLS, max_size=6), max_size=4),
    end=st.text(max_size=3),
)
def test_any_text_is_read_or_refused_in_one_line(header, rows, end, write):
    lines = [",".join(each) for each in (["path", "label", *header], *(["a.png", "sad", *row] for row in rows))]
    path = write("")
    path.write_text("\n".join(lines) + end, "utf-8", errors="replace")
    try:
        assert len(read_csv(path)) <= len(path.read_text("utf-8").splitlines())
    except DataError as error:
        assert str(path) in str(error) and "\n" not in str(error)
