"""Rows become clips: order, evenly spaced frames, the peak, one label and split, and what contradicts itself."""

from dataclasses import replace

import numpy as np
import pytest

from mien.core.errors import DataError
from mien.core.labels import LabelSet
from mien.datasets import LabelColumn, Table
from mien.datasets.clips import clips_of
from mien.runtime.preprocess import choose_frames

LABELS = LabelSet("made", ("calm", "lively"))


def table(rows, **extra):
    """Rows of (clip, frame, label, split), each a picture of its own grey value: 10 times its place in the list."""
    clip_ids, frames, labels, split = zip(*rows, strict=True)
    images = np.repeat(10 * np.arange(len(rows), dtype=np.uint8), 4).reshape(-1, 2, 2)
    columns = {"clip_id": np.array(clip_ids), "frame": np.array(frames, np.int32), **extra}
    ids = np.array([f"row-{row}" for row in range(len(rows))])
    return Table(ids, images, np.array(split), {"made": LabelColumn(LABELS, np.array(labels))}, columns)


# In no order: clip b has frames 1, 2, 3, 5 in the rows 5, 1, 3, 0; clip a has 7 and 9 in the rows 4 and 2.
MIXED = [
    ("b", 5, 1, "train"),
    ("b", 2, 1, "train"),
    ("a", 9, 0, "valid"),
    ("b", 3, -1, "train"),
    ("a", 7, 0, "valid"),
    ("b", 1, 1, "train"),
]


def test_frames_stand_in_order_and_short_clips_repeat_their_last():
    clips = clips_of(table(MIXED), 3)
    assert clips.table.ids.tolist() == ["a", "b"]
    assert clips.table.split.tolist() == ["valid", "train"]
    assert clips.frames.tolist() == [[4, 2, 2], [5, 3, 0]]
    assert clips.peak.tolist() == [2, 0]
    assert clips.table.images[:, 0, 0].tolist() == [20, 0]
    assert clips.pictures[clips.frames][:, :, 0, 0].tolist() == [[40, 20, 20], [50, 30, 0]]
    assert clips.select(slice(1, 2)).frames.tolist() == [[5, 3, 0]]


def test_the_label_of_a_clip_is_that_of_its_labelled_rows():
    clips = clips_of(table(MIXED), 2)
    assert clips.table.sources["made"].names() == ["calm", "lively"]
    unlabelled = [(clip, frame, -1, split) for clip, frame, _, split in MIXED]
    assert clips_of(table(unlabelled), 2).table.sources["made"].names() == [None, None]
    soft = np.full((6, 2), np.nan, np.float32)
    soft[[0, 5]] = 0.25, 0.75
    voted = table(MIXED)
    voted = replace(voted, sources={"made": LabelColumn(LABELS, voted.sources["made"].ids, soft)})
    found = clips_of(voted, 2).table.sources["made"].soft
    np.testing.assert_array_equal(found, [[np.nan, np.nan], [0.25, 0.75]])
    soft[5] = 0.5, 0.5
    voted = replace(voted, sources={"made": LabelColumn(LABELS, voted.sources["made"].ids, soft)})
    with pytest.raises(DataError, match="one distribution of made a clip, got others in b"):
        clips_of(voted, 2)


def test_a_key_row_is_the_peak_and_no_frame():
    key = np.array([False, False, False, True, False, False])
    clips = clips_of(table(MIXED, key=key), 3)
    assert clips.peak.tolist() == [2, 3]
    assert clips.frames.tolist() == [[4, 2, 2], [5, 1, 0]]


@pytest.mark.parametrize("length", [1, 2, 5, 8, 9, 31])
@pytest.mark.parametrize("frames", [1, 2, 4, 8])
def test_frames_are_evenly_spaced_up_to_the_last(length, frames):
    chosen = choose_frames(length, frames)
    assert len(chosen) == frames
    assert chosen[-1] == length - 1
    if length > frames > 1:
        assert chosen[0] == 0
        assert np.ptp(np.diff(chosen)) <= 1
        assert np.diff(chosen).min() >= 1
    if length <= frames:
        assert chosen.tolist() == [*range(length), *[length - 1] * (frames - length)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {0: ("b", 5, 0, "train")},
            "one label of made a clip, got calm and lively in the clip b: .*clips=true",
        ),
        ({0: ("b", 5, 1, "valid")}, "expected one split a clip, got train and valid in the clip b"),
        ({0: ("b", 2, 1, "train")}, "expected each frame once in the clip b, got two of one number"),
        ({0: ("", 5, 1, "train")}, "expected a clip_id in every row .*, got none in 1 rows, such as row-0"),
    ],
)
def test_rows_that_contradict_each_other_name_the_clip(change, said):
    rows = [change.get(row, each) for row, each in enumerate(MIXED)]
    with pytest.raises(DataError, match=said):
        clips_of(table(rows), 2)


def test_columns_and_keys_that_are_not_as_they_should_be():
    plain = replace(table(MIXED), extra={})
    with pytest.raises(DataError, match="expected the columns clip_id and frame .*, got no clip_id: choose a net"):
        clips_of(plain, 2)
    for key in ([0, 0, 1, 0, 1, 0], [1, 1, 0, 0, 0, 0]):
        with pytest.raises(DataError, match=r"at most one row with key in the clip [ab], .* got 2 of \d rows"):
            clips_of(table(MIXED, key=np.array(key, np.bool_)), 2)
