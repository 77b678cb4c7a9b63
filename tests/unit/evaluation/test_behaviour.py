import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.evaluation.behaviour import ClipBehaviour, Observer, summary_rows, timed, transition_rows

LABELS = ("neutral", "happiness", "anger")


def row(time_s: float, face: int | None, label: str | None = None) -> dict[str, Any]:
    shares = {name: 0.8 if name == label else 0.1 for name in LABELS} if label else dict.fromkeys(LABELS, 1 / 3)
    return {"source": "a.mp4", "time_s": time_s, "face_id": face, "label": label} | {
        f"p_{name}": value for name, value in shares.items()
    }


def observed(*frames: list[dict[str, Any]]) -> ClipBehaviour:
    observer = Observer("a.mp4", LABELS)
    for rows, length in timed(frames):
        observer.add(rows, length)
    return observer.result()


def one_face(labels: str, step: float = 0.5) -> list[list[dict[str, Any]]]:
    """A frame a letter: n, h, a; `?` without a label, `-` without the face."""
    names = {name[0]: name for name in LABELS}
    return [[row(k * step, None if c == "-" else 0, names.get(c))] for k, c in enumerate(labels)]


def test_a_frame_lasts_until_the_next_and_the_last_as_long_as_the_one_before():
    frames = [[row(t, 0, "neutral")] for t in (0.0, 0.5, 2.0)]
    assert [length for _, length in timed(frames)] == [0.5, 1.5, 1.5]
    assert [length for _, length in timed(frames[:1])] == [0.0]
    assert list(timed([])) == []


def test_shares_episodes_and_transitions_of_one_face():
    clip = observed(*one_face("nnhhhnha"))
    [face] = clip.faces
    assert (face.first_s, face.last_s, face.seconds, face.frames) == (0.0, 4.0, pytest.approx(4), 8)
    assert face.share == pytest.approx([3 / 8, 4 / 8, 1 / 8])
    assert face.label == "happiness"
    assert face.episodes.tolist() == [2, 2, 1]
    assert face.episode_s == pytest.approx([0.75, 1.0, 0.5])
    assert face.transitions.tolist() == [[0, 2, 0], [1, 0, 1], [0, 0, 0]]
    assert face.mean == pytest.approx([(3 * 0.8 + 5 * 0.1) / 8, (4 * 0.8 + 4 * 0.1) / 8, (0.8 + 7 * 0.1) / 8])
    assert (clip.seconds, clip.without_face_s, clip.frames) == (4.0, 0.0, 8)


def test_a_short_time_out_of_sight_continues_an_episode_and_a_long_one_ends_it():
    [short] = observed(*one_face("nn--nh")).faces
    assert (short.episodes.tolist(), short.transitions[0, 1]) == ([1, 1, 0], 1)
    assert short.episode_s[0] == pytest.approx(1.5)  # not the time that nobody saw
    [long] = observed(*one_face("nn---nn---h")).faces
    assert (long.episodes.tolist(), long.transitions.sum()) == ([2, 1, 0], 0)
    clip = observed(*one_face("nn--nh"))
    assert (clip.without_face_s, clip.seconds) == (1.0, 3.0)


def test_unsure_is_a_state_of_its_own_where_it_comes_up():
    clip = observed(*one_face("nn??h"))
    [face] = clip.faces
    assert face.states == (*LABELS, "unsure")
    assert face.share.tolist() == pytest.approx([0.4, 0.2, 0, 0.4])
    assert face.transitions[0, 3] == face.transitions[3, 1] == 1


def test_few_frames_give_the_figures_of_many():
    many = observed(*one_face("n" * 30 + "h" * 60 + "a" * 10, step=0.1)).faces[0]
    few = observed(*one_face(("n" * 30 + "h" * 60 + "a" * 10)[::5], step=0.5)).faces[0]
    assert few.share == pytest.approx(many.share)
    assert few.seconds == pytest.approx(many.seconds)
    assert few.episode_s == pytest.approx(many.episode_s)


def test_a_clip_of_one_frame_has_shares_and_no_length():
    clip = observed([row(0.0, 0, "anger"), row(0.0, 1, "neutral")])
    assert clip.seconds == 0
    assert [face.label for face in clip.faces] == ["anger", "neutral"]
    assert clip.faces[0].share.tolist() == [0, 0, 1]
    assert observed([row(0.0, None)]).faces == ()


@given(st.lists(st.text("nha?-", min_size=1, max_size=1), min_size=2, max_size=60).map("".join), st.floats(0.02, 2))
def test_shares_sum_to_1_and_changes_are_one_less_than_episodes(letters, step):
    clip = observed(*one_face(letters, step))
    assert clip.seconds == pytest.approx(len(letters) * step)
    for face in clip.faces:
        assert face.share.sum() == pytest.approx(1)
        assert face.mean.sum() == pytest.approx(1)
        assert (face.transitions.diagonal() == 0).all()
        assert face.seconds + clip.without_face_s == pytest.approx(clip.seconds)
        assert face.transitions.sum() <= face.episodes.sum() - 1
        known = face.episodes > 0
        assert (face.episodes * face.episode_s)[known] == pytest.approx((face.share * face.seconds)[known])


def test_rows_of_the_summary_and_of_the_transitions():
    clip = observed(*one_face("nnhhhnha"), [row(4.0, 1, None)])
    header, first, second = summary_rows([clip])
    named, other = dict(zip(header, first, strict=True)), dict(zip(header, second, strict=True))
    assert (named["source"], named["face_id"], named["seconds"], named["label"]) == ("a.mp4", 0, 4.0, "happiness")
    assert (named["share_happiness"], named["episodes_neutral"], named["episode_s_anger"]) == (0.5, 2, 0.5)
    assert (named["share_unsure"], named["episode_s_unsure"]) == (0.0, None)
    assert (other["share_unsure"], other["label"], other["p_anger"]) == (1.0, "unsure", pytest.approx(1 / 3, abs=1e-6))
    header, *rows = transition_rows([clip])
    assert header == ["source", "face_id", "from", "to", "count", "share"]
    assert ["a.mp4", 0, "neutral", "happiness", 2, 1.0] in rows
    assert ["a.mp4", 0, "anger", "neutral", 0, None] in rows
    assert len(rows) == 3 * 2 + 4 * 3
    assert not any(isinstance(cell, float) and math.isnan(cell) for each in rows for cell in each)
    assert next(summary_rows([]))[:2] == ["source", "face_id"]
