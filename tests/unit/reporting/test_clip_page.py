import re

import numpy as np
import pytest

from mien.core.labels import LABEL_SETS
from mien.evaluation.behaviour import Observer, timed
from mien.evaluation.timeline import Recorder
from mien.reporting.clip_page import ClipPage, clip_page
from mien.reporting.figures_clip import clock

LABELS = LABEL_SETS["ferplus"].labels


def page(seconds: float, fps: float, faces: int, name: str = "a.mp4") -> ClipPage:
    """Faces whose emotions change all the time; nobody is there in the middle tenth."""
    rng = np.random.default_rng(1)
    observer, recorder = Observer(name, LABELS), Recorder(LABELS)
    frames = []
    for k in range(round(seconds * fps)):
        t = k / fps
        rows = []
        for face in range(faces if not 0.45 < t / seconds < 0.55 else 0):
            shares = rng.dirichlet(np.full(8, 0.4))
            label = LABELS[shares.argmax()] if shares.max() > 0.5 else None
            rows.append(
                {"time_s": t, "face_id": face, "label": label}
                | dict(zip((f"p_{x}" for x in LABELS), shares, strict=True))
            )
        frames.append(rows or [{"time_s": t, "face_id": None, "label": None}])
    for rows, length in timed(frames):
        observer.add(rows, length)
        recorder.add(rows, length)
    return clip_page(name, observer.result(), recorder.result(), facts=[("model", "mien-s")], foot="Beside: b.")


def test_the_page_says_what_was_seen():
    made = page(4, 10, 2, "<b>.mp4")
    for said in ("&lt;b&gt;.mp4", "mien-s", "face 0", "face 1", "Emotions over time", "Share of the time", "no face"):
        assert said in made.html
    assert "<script" not in made.html
    assert not re.search(r'(?:src|href)="(?!#)', made.html), "nothing is loaded"
    assert made.timeline.png.startswith(b"\x89PNG")


def test_a_long_clip_of_many_faces_stays_below_a_megabyte():
    """More than the figure shows, and as restless as can be; a few frames a second, for time."""
    made = page(600, 2, 12)
    assert len(made.html.encode()) < 1_000_000
    assert "The 6 faces that were seen the longest are drawn; 6 more are in the tables." in made.html


def test_nobody_is_a_page_too():
    made = page(2, 10, 0)
    assert "No face was found." in made.html
    assert "Transitions" not in made.html


@pytest.mark.parametrize(("seconds", "said"), [(0, "0:00"), (61.04, "1:01"), (3599.96, "60:00"), (0.1, "0:00.1")])
def test_clock(seconds, said):
    assert clock(seconds) == said
