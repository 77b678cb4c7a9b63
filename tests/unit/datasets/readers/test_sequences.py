"""Which frames of a sequence are taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import UsageError
from mien.datasets.readers.sequences import FrameChoice


@given(
    length=st.integers(1, 40),
    peak=st.integers(1, 12),
    neutral=st.integers(0, 12),
    apex=st.none() | st.integers(0, 39),
)
def test_frames_rise_and_none_is_both(length, peak, neutral, apex):
    apex = None if apex is None else min(apex, length - 1)
    chosen = FrameChoice(peak, neutral).of_sequence(length, apex=apex)
    positions = [position for position, _ in chosen]
    assert positions == sorted(set(positions)) and positions[0] >= 0 and positions[-1] < length
    at_peak = [position for position, is_neutral in chosen if not is_neutral]
    assert len(at_peak) == min(peak, length) and len(chosen) - len(at_peak) <= neutral
    assert (length - 1 if apex is None else apex) in at_peak
    assert [position for position, is_neutral in chosen if is_neutral] == positions[: len(chosen) - len(at_peak)]


@pytest.mark.parametrize(
    ("choice", "apex", "expected"),
    [
        (FrameChoice(), None, [(7, False), (8, False), (9, False)]),
        (FrameChoice(2, 1), None, [(0, True), (8, False), (9, False)]),
        (FrameChoice(9, 3), None, [(0, True), *((k, False) for k in range(1, 10))]),
        (FrameChoice(3, 1), 5, [(0, True), (4, False), (5, False), (6, False)]),
        (FrameChoice(3, 1), 0, [(0, False), (1, False), (2, False)]),
        (FrameChoice(3), 9, [(7, False), (8, False), (9, False)]),
        (FrameChoice(clips=True), 5, [(k, False) for k in range(10)]),
    ],
)
def test_frames_of_ten(choice, apex, expected):
    assert choice.of_sequence(10, apex=apex) == expected


def test_options():
    assert FrameChoice.of(peak=None, neutral=None, clips=False) == FrameChoice(peak=3, neutral=0, clips=False)
    assert FrameChoice.of(peak=None, neutral=None, clips=True).rule(where="") == (
        "all frames carry the label of their sequence"
    )
    rule = FrameChoice.of(peak=1, neutral=2, clips=False).rule(where="at the end of each sequence")
    assert rule == "1 frames at the end of each sequence carry its label; its first 2 count as neutral"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"peak": 0}, "expected peak to be a whole number of 1 or more, got 0"),
        ({"peak": 1.5}, "expected peak to be a whole number of 1 or more, got 1.5"),
        ({"peak": "3"}, "expected peak to be a whole number of 1 or more, got '3'"),
        ({"peak": True}, "expected peak to be a whole number of 1 or more, got True"),
        ({"neutral": -1}, "expected neutral to be a whole number of 0 or more, got -1"),
        ({"clips": "yes"}, "expected clips to be true or false, got 'yes'"),
        ({"clips": True, "peak": 3}, "expected either clips .* or peak and neutral, got both"),
        ({"clips": True, "neutral": 0}, "expected either clips .* or peak and neutral, got both"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(UsageError, match=message):
        FrameChoice.of(**({"peak": None, "neutral": None, "clips": False} | options))
