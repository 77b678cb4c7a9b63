"""JAFFE: what the battery over all readers does not ask."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts.faces import face
from layouts.jaffe import bmp, tiff

from mien.core.errors import DataError
from mien.core.images import to_gray
from mien.core.labels import LABEL_SETS
from mien.datasets.readers.jaffe import RATED, read_jaffe, soften


@pytest.fixture
def root(tmp_path):
    tiff(tmp_path)
    return tmp_path


def readme(root):
    return root / "jaffedbase" / "README_FIRST.txt"


def test_pictures_with_alpha_read_as_the_grey_they_show(root):
    data = read_jaffe(root)
    for seed, sample in enumerate(data):
        label = sample.labels["jaffe"]
        np.testing.assert_array_equal(to_gray(sample.image), face(label, seed=seed, size=64))


def test_four_channels_without_a_word_on_the_fourth(root):
    """As OpenCV writes them: the tag that says what the fourth channel is for is missing."""
    gray = face("anger", seed=0, size=64)
    path = root / "jaffedbase" / "KA.AN1.39.tiff"
    cv2.imwrite(str(path), cv2.merge([gray, gray, gray, np.full_like(gray, 255)]))
    np.testing.assert_array_equal(to_gray(read_jaffe(root)[0].image), gray)


@pytest.mark.parametrize("name", ["KA.AN.1.39.tiff", "KA-AN-1-39.tiff", "KA..AN1.39.tiff", "ka.an1.39.TIF"])
def test_odd_dots_are_the_same_picture(name, root):
    path = root / "jaffedbase" / "KA.AN1.39.tiff"
    path.rename(path.with_name(name))
    sample = read_jaffe(root)[0]
    assert (sample.id, sample.labels["jaffe"], sample.extra["ratings"][3]) == ("jaffe-KA.AN1.39", "anger", 4)


def test_counts_are_published_but_not_certain(root):
    published = read_jaffe(root).published
    assert sum(published.counts["train"].values()) == 213 and not published.certain


@given(st.lists(st.lists(st.floats(1, 5, width=32), min_size=6, max_size=6), min_size=1, max_size=5))
def test_soft_labels_sum_to_one_and_keep_the_order_of_the_ratings(rows):
    ratings = np.array(rows, np.float32)
    soft = soften(ratings)
    rated = [LABEL_SETS["jaffe"].index(label) for label in RATED]
    for rating, distribution in zip(ratings, soft, strict=True):
        if rating.max() == 1:
            assert np.isnan(distribution).all()
            continue
        assert distribution.sum() == pytest.approx(1, abs=1e-5) and distribution.min() >= 0
        assert distribution[LABEL_SETS["jaffe"].index("neutral")] == 0
        assert distribution[rated][rating.argmax()] == distribution.max()


def test_soft_labels_say_their_rule_and_neutral_pictures_have_none(root):
    data = read_jaffe(root)
    column = data.sources["jaffe"]
    assert column.file == "README_FIRST.txt" and "mean ratings (1 to 5) less 1" in column.rule
    neutral = column.ids == column.label_set.index("neutral")
    assert neutral.any() and np.isnan(column.soft[neutral]).all()
    assert np.isfinite(data.extra["ratings"][neutral]).all()
    assert "pictures without ratings, and so without a soft label: 2 of 7" in data.notes


def test_without_its_readme_there_are_no_soft_labels(tmp_path):
    data = read_jaffe(bmp(tmp_path).root)
    assert data.sources["jaffe"].soft is None and np.isnan(data.extra["ratings"]).all()
    assert any(note.startswith("no soft labels: README_FIRST.txt") for note in data.notes)


def test_the_readme_may_lie_beside_the_folder(root):
    readme(root).rename(root / "A_README_FIRST.txt")
    assert read_jaffe(root).sources["jaffe"].file == "A_README_FIRST.txt"


@pytest.mark.parametrize(
    "row",
    [
        "2",
        "2 1.00",
        "2 1.00 1.50 1.00 4.00 2.50 KA-AN1",
        "2 1.00 1.50 1.00 4.00 2.50 1.00",
        "2 1.00 1.50 1.00 4.00 2.50 1.00 K",
        "2 1.00 1.50 1.00 4.00 2.50 1.00 KA-",
        "2 1.00 1.50 1.00 4.00 2.50 9.00 KA-AN1",
        "2 1.0.0 1.50 1.00 4.00 2.50 1.00 KA-AN1",
    ],
)
def test_a_damaged_row_of_ratings_is_named(row, root):
    path = readme(root)
    path.write_text(path.read_text().replace("2 1.00 1.50 1.00 4.00 2.50 1.00 KA-AN1", row))
    with pytest.raises(
        DataError, match=r"expected six ratings in 1\.\.5 and a picture in .*README_FIRST\.txt, line 9"
    ) as caught:
        read_jaffe(root)
    assert "\n" not in str(caught.value) and "handed out by Michael Lyons" in str(caught.value)


def test_two_files_of_one_picture(root):
    (root / "jaffedbase" / "KA.AN1.39.tiff.bmp").write_bytes(b"")
    with pytest.raises(DataError, match=r"got jaffedbase/KA\.AN1\.39\.tiff and jaffedbase/KA\.AN1\.39\.tiff\.bmp"):
        read_jaffe(root)


def test_an_unknown_expression(root):
    (root / "jaffedbase" / "KA.CO1.40.tiff").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"expected an expression out of AN, .* in the name of .*KA\.CO1\.40\.tiff, got 'CO'"
    ):
        read_jaffe(root)


def test_pictures_with_other_names_are_left_out_and_counted(root):
    (root / "jaffedbase" / "mean.tiff").write_bytes(b"")
    assert any("left out: 1 of 8 pictures" in note and "mean.tiff" in note for note in read_jaffe(root).notes)
