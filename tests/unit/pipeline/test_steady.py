import numpy as np
import pytest

from mien.core.labels import LABEL_SETS
from mien.core.types import Faces, Image, Predictions
from mien.pipeline.annotate import annotate
from mien.pipeline.steady import SteadyAnnotator

LABELS = LABEL_SETS["ferplus"]
GREY = np.full((720, 1280, 3), 120, np.uint8)


def people(*centers: tuple[float, float], happy: float = 0.72, side: float = 180) -> Predictions:
    n = len(centers)
    middle = np.asarray(centers, np.float32).reshape(n, 2)
    boxes = np.hstack([middle - side / 2, middle + side / 2])
    values = np.full((n, 8), (1 - happy) / 7, np.float32)
    values[:, 1] = happy
    return Predictions(Faces(boxes, np.ones(n, np.float32), np.full((n, 5, 2), np.nan, np.float32)), values, LABELS)


def panel_of(image: Image) -> tuple[int, int, int, int]:
    """Where the dark panel is: x1, y1, x2, y2."""
    rows, columns = np.nonzero(image.max(2) < 45)
    xs = np.flatnonzero(np.bincount(columns, minlength=image.shape[1]) > 60)
    ys = np.flatnonzero(np.bincount(rows, minlength=image.shape[0]) > 60)
    return xs[0], ys[0], xs[-1], ys[-1]


def test_a_single_frame_looks_as_annotate_draws_it():
    found = people((400, 300))
    steady = SteadyAnnotator().draw(GREY, found, np.array([0]), time_s=0.0)
    once = annotate(GREY, found)
    assert steady.shape == once.shape
    assert (np.abs(steady.astype(int) - once).max(2) > 30).mean() < 0.002


def test_a_panel_stays_on_its_side_and_does_not_tremble():
    rng = np.random.default_rng(0)
    painter, places = SteadyAnnotator(), []
    for k in range(40):
        found = people((400 + rng.normal(0, 2), 300 + rng.normal(0, 2)), side=180 + rng.normal(0, 3))
        places.append(panel_of(painter.draw(GREY, found, np.array([5]), time_s=k / 25)))
    moves = np.abs(np.diff(np.asarray(places), axis=0))
    assert moves.max() <= 4
    assert moves.mean() < 0.8
    sizes = {(x2 - x1, y2 - y1) for x1, y1, x2, y2 in places}
    assert max(width for width, _ in sizes) - min(width for width, _ in sizes) <= 2


def test_a_panel_keeps_up_with_a_face_that_moves():
    painter = SteadyAnnotator()
    for k in range(40):
        x = 200 + 8 * k
        place = panel_of(painter.draw(GREY, people((x, 300)), np.array([0]), time_s=k / 25))
        assert x + 90 < place[0] + 6 < x + 90 + 40


def test_a_panel_gives_way_to_another_face_and_comes_back_to_its_side():
    painter = SteadyAnnotator()
    before = panel_of(painter.draw(GREY, people((300, 300)), np.array([0]), time_s=0.0))
    both = people((300, 300), (560, 300))
    covered = painter.draw(GREY, both, np.array([0, 1]), time_s=0.04)
    inside = covered[230:370, 490:630]
    assert (inside.max(2) < 45).mean() < 0.02, "no panel stands over the other face"
    after = panel_of(painter.draw(GREY, people((300, 300)), np.array([0]), time_s=0.08))
    assert after == pytest.approx(before, abs=2)


def test_ids_are_said_where_there_are_several():
    painter = SteadyAnnotator()
    one = painter.draw(GREY, people((300, 300)), np.array([7]), time_s=0.0)
    numbered = SteadyAnnotator().draw(GREY, people((300, 300), (900, 500)), np.array([7, 8]), time_s=0.0)
    tag = np.s_[150:212, 200:520]
    yellow = [(np.abs(image[tag].astype(int) - (255, 200, 61)).sum(2) < 60).sum() for image in (one, numbered)]
    assert yellow[1] > yellow[0] + 100, "the tag is longer by a number"


def test_memory_is_bounded_and_faces_are_forgotten():
    painter = SteadyAnnotator()
    for face in range(30):
        painter.draw(GREY, people((300, 300), happy=0.3 + face / 60), np.array([face]), time_s=float(face))
    assert len(painter._marks) <= 6


def test_small_pictures_are_enlarged_and_nobody_is_nothing():
    small = np.full((100, 160, 3), 90, np.uint8)
    drawn = SteadyAnnotator().draw(small, Predictions.empty(LABELS), np.empty(0, np.int64), time_s=0.0)
    assert drawn.shape == (400, 640, 3)
    assert (drawn == 90).all()
