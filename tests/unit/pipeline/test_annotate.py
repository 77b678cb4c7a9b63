from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.labels import LABEL_SETS, LabelSet
from mien.core.types import Faces, Image, Predictions
from mien.pipeline.annotate import Annotations, annotate
from mien.pipeline.marks import COLORS

FERPLUS = LABEL_SETS["ferplus"]


def faces_at(*boxes: list[float], labels: LabelSet = FERPLUS, top: int = 1) -> Predictions:
    n, k = len(boxes), len(labels)
    probabilities = np.full((n, k), 0.2 / (k - 1), np.float32)
    probabilities[:, top] = 0.8
    faces = Faces(np.array(boxes, np.float32).reshape(n, 4), np.ones(n), np.full((n, 5, 2), np.nan))
    return Predictions(faces, probabilities, labels)


def changed(before: Image, after: Image) -> np.ndarray:
    return (before.astype(int) != after).any(2)


def test_the_box_and_tag_have_the_emotions_colour_and_the_face_stays_free() -> None:
    image = np.full((480, 640, 3), 90, np.uint8)
    drawn = annotate(image, faces_at([200, 150, 320, 290]))
    assert drawn.shape == image.shape
    assert (image == 90).all(), "the picture itself is not touched"
    assert not changed(image, drawn)[160:280, 210:310].any(), "the face is not drawn over"
    happy = (np.abs(drawn.astype(int) - COLORS["happiness"]) < 12).all(2)
    assert happy[200:240, 195:205].any(1).all(), "the left side of the box"
    assert happy[100:148, 200:320].sum() > 800, "the tag above it"
    assert changed(image, drawn)[150:290, 330:500].mean() > 0.8, "the panel beside it"


def test_all_emotions_are_told_apart() -> None:
    colors = [np.array(COLORS[label]) for label in FERPLUS]
    nearest = min(np.abs(a - b).sum() for i, a in enumerate(colors) for b in colors[:i])
    assert nearest > 60


def test_the_bars_are_as_long_as_the_probabilities() -> None:
    image = np.zeros((900, 900, 3), np.uint8)
    found = faces_at([100, 300, 300, 500])
    drawn = annotate(image, found).astype(int)
    rows = (np.abs(drawn[:, 320:] - COLORS["happiness"]) < 60).all(2).sum(1)
    fear = (np.abs(drawn[:, 320:] - COLORS["fear"]) < 60).all(2).sum(1)
    share = float(found.probabilities[0, 6])
    assert fear.max() / rows.max() == pytest.approx(share / 0.8, abs=0.05)


def test_a_small_picture_is_enlarged_so_that_text_can_be_read() -> None:
    drawn = annotate(np.zeros((48, 40, 3), np.uint8), faces_at([0, 0, 40, 48]))
    assert drawn.shape == (48 * 14, 40 * 14, 3)


def test_no_panel_covers_another_face() -> None:
    image = np.full((1000, 1600, 3), 90, np.uint8)
    boxes = [[x, y, x + 180, y + 180] for y in (100, 500) for x in (100, 500, 900)]
    drawn = changed(image, annotate(image, faces_at(*map(list, boxes))))
    for x1, y1, x2, y2 in boxes:
        assert not drawn[y1 + 10 : y2 - 10, x1 + 10 : x2 - 10].any()


def test_a_crowd_without_room_gets_tags_only_and_every_face_its_box() -> None:
    image = np.full((600, 800, 3), 90, np.uint8)
    boxes = [[float(x), float(y), float(x + 78), float(y + 78)] for y in range(0, 560, 80) for x in range(0, 800, 80)]
    drawn = changed(image, annotate(image, faces_at(*boxes)))
    hidden = [drawn[int(y) + 40 : int(y) + 74, int(x) + 6 : int(x) + 72].mean() for x, y, *_ in boxes]
    assert max(hidden) == 0, "the lower half of each face is free"


def test_a_label_left_open_is_unsure() -> None:
    image = np.full((480, 640, 3), 90, np.uint8)
    found = faces_at([200, 150, 320, 290])
    assert changed(annotate(image, found), annotate(image, found, labels=[None])).any()
    np.testing.assert_array_equal(annotate(image, found), annotate(image, found, labels=["happiness"]))


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 900), st.integers(1, 900)),
    st.lists(st.tuples(*[st.floats(-300, 1200, width=32)] * 4), max_size=5),
)
def test_it_draws_on_any_picture_with_any_boxes(
    size: tuple[int, int], boxes: list[tuple[float, float, float, float]]
) -> None:
    image = np.full((*size, 3), 128, np.uint8)
    ordered = [[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d in boxes]
    drawn = annotate(image, faces_at(*ordered))
    factor = drawn.shape[0] // size[0]
    assert drawn.shape == (size[0] * factor, size[1] * factor, 3)
    assert changed(np.full_like(drawn, 128), drawn).any() == bool(boxes)


def test_labels_of_any_model_are_drawn() -> None:
    labels = LabelSet("own", ("ennui", "Sehnsucht ü", "a very long name of a mood"))
    image = np.full((480, 640, 3), 90, np.uint8)
    assert changed(image, annotate(image, faces_at([200, 150, 320, 290], labels=labels, top=2))).any()


def test_two_sources_of_one_name_get_two_copies(tmp_path: Path) -> None:
    names = Annotations(tmp_path)
    made = [names.path(source).name for source in ("a/x.jpg", "b/x.png", "c/X.jpg", "x-2.jpg", "x.jpg", "y.tif")]
    assert made[0] == "x.annotated.jpg"
    assert made[-1] == "y.annotated.jpg"
    assert len({name.lower() for name in made}) == 6
