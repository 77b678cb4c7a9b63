"""CK+: what the battery over all readers does not ask."""

from collections import Counter

import numpy as np
import pytest
from layouts.ckplus import neutral, peak

from mien.core.errors import DataError, UsageError
from mien.datasets.readers.ckplus import SEQUENCES, read_ckplus

IDS = {"anger": 1, "contempt": 2, "disgust": 3, "fear": 4, "happiness": 5, "sadness": 6, "surprise": 7}


@pytest.fixture
def root(tmp_path):
    peak(tmp_path)
    return tmp_path


def label_file(root, name="S005_001_00000011"):
    return root / "Emotion" / name[:4] / name[5:8] / f"{name}_emotion.txt"


def picture(root, name):
    return root / "cohn-kanade-images" / name[:4] / name[5:8] / f"{name}.png"


@pytest.mark.parametrize("options", [{}, {"peak": 1, "neutral": 1}])
def test_a_complete_copy_has_the_published_counts(options, tmp_path):
    """327 sequences of 5 frames; their pictures are not opened, so that empty files do."""
    classes = [label for label, n in SEQUENCES.items() for _ in range(n)]
    for number, label in enumerate(classes):
        subject, sequence = f"S{number // 9:03d}", f"{number % 9:03d}"
        for folder in ("cohn-kanade-images", "Emotion"):
            (tmp_path / folder / subject / sequence).mkdir(parents=True)
        for frame in range(1, 6):
            picture(tmp_path, f"{subject}_{sequence}_{frame:08d}").write_bytes(b"")
        label_file(tmp_path, f"{subject}_{sequence}_00000005").write_text(f"   {IDS[label]}.0000000e+00\n")
    data = read_ckplus(tmp_path, **options)
    assert data.published.certain and data.published.counts == {"train": Counter(data.sources["ckplus"].names())}
    assert len(data) == 327 * 3 if not options else len(data) == 327 * 2


def test_published_counts_are_not_certain_where_a_sequence_may_be_too_short(root):
    assert not read_ckplus(root, peak=4, neutral=1).published.certain
    clips = read_ckplus(root, clips=True).published
    assert clips.pictures("train") == 5876 and not clips.certain


def test_it_says_what_is_left_out_and_how_frames_are_chosen(root):
    data = read_ckplus(root)
    assert "sequences without a label, left out: 2 of 9" in data.notes
    assert data.sources["ckplus"].rule == "3 frames at the end of each sequence carry its label"
    assert read_ckplus(root, peak=2, neutral=1).sources["ckplus"].rule.endswith("its first 1 count as neutral")


def test_photographs_are_as_they_are(root):
    data = read_ckplus(root)
    assert {sample.image.shape for sample in data} == {(85, 100, 3), (90, 100, 3)}
    assert not data.faces and not data.gray


def test_a_sequence_that_ends_elsewhere_than_its_label_is_noted(root):
    picture(root, "S005_001_00000011").unlink()
    data = read_ckplus(root)
    assert any(
        note.startswith("labelled sequences that end at another frame than their label file names: 1 of 7")
        for note in data.notes
    )
    assert "ckplus-S005_001_00000003" in data.ids


def test_a_labelled_sequence_without_pictures_is_noted(root):
    for each in picture(root, "S005_001_00000011").parent.iterdir():
        each.unlink()
    data = read_ckplus(root)
    assert "labelled sequences without pictures: 1 of 7, such as S005_001" in data.notes
    assert "S005" not in data.extra["subject"]


@pytest.mark.parametrize("text", ["", "   \n", "anger", "   8.0000000e+00", "-1", "2.5", "nan", "inf", "1e999", "\0"])
def test_a_damaged_label_file_is_named(text, root):
    label_file(root).write_text(text)
    with pytest.raises(
        DataError, match=r"expected a class id in 0\.\.7 in .*S005_001_00000011_emotion\.txt, got"
    ) as caught:
        read_ckplus(root)
    assert "\n" not in str(caught.value) and "handed out by Jeffrey Cohn" in str(caught.value)


def test_a_label_file_that_an_editor_saved(root):
    label_file(root).write_bytes(b"\xef\xbb\xbf   3.0000000e+00\r\n")
    assert "disgust" in {each.labels["ckplus"] for each in read_ckplus(root) if each.extra["clip_id"] == "S005_001"}


def test_two_label_files_of_a_sequence(root):
    label_file(root).with_name("S005_001_00000010_emotion.txt").write_text("   3.0000000e+00\n")
    with pytest.raises(DataError, match=r"expected one label file of S005_001 in .*Emotion, got .* and another"):
        read_ckplus(root)


def test_two_pictures_of_a_frame(root):
    path = picture(root, "S005_001_00000011")
    path.with_suffix(".jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"expected one file a frame in .*, got S005/.*11\.jpg and S005/.*11\.png"):
        read_ckplus(root)


@pytest.mark.parametrize("folder", ["cohn-kanade-images", "Emotion"])
def test_each_folder_is_needed(folder, root):
    (root / folder).rename(root / "elsewhere")
    with pytest.raises(DataError, match=r"expected cohn-kanade-images or .*, and beside it Emotion or .*handed out by"):
        read_ckplus(root)


def test_without_a_label_there_is_nothing_to_read(root):
    for path in (root / "Emotion").rglob("*.txt"):
        path.unlink()
    with pytest.raises(
        DataError, match=r"expected pictures in cohn-kanade-images of sequences that have a file in Emotion"
    ):
        read_ckplus(root)


def test_options_exclude_each_other(root):
    with pytest.raises(UsageError, match="expected either clips"):
        read_ckplus(root, clips=True, peak=2)
    with pytest.raises(UsageError, match="expected peak to be a whole number of 1 or more, got 0"):
        read_ckplus(root, peak=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.0 2.0\n", "got 2 numbers"),
        ("", "got 0 numbers"),
        ("1.0 x\n" * 68, "got: could not convert string to float: 'x'"),
    ],
)
def test_a_damaged_landmark_file_is_named(text, message, tmp_path):
    layout = neutral(tmp_path)
    (path,) = (tmp_path / "Landmarks").rglob("*.txt")
    path.write_text(text)
    with pytest.raises(DataError, match=rf"expected 68 lines of x and y in .*{path.name}, {message}; .* handed out by"):
        read_ckplus(tmp_path, **layout.options)


def test_without_landmarks_there_is_no_column(root, tmp_path_factory):
    assert "landmarks" not in read_ckplus(root).extra
    layout = neutral(tmp_path_factory.mktemp("landmarks"))
    landmarks = read_ckplus(layout.root).extra["landmarks"]
    assert landmarks.dtype == np.float32 and np.isfinite(landmarks).all(1).sum() == 1
