from hypothesis import given
from hypothesis import strategies as st

from mien.pipeline.layout import Rect, clamped, inside, overlap, place_beside, place_over

sides = st.integers(1, 400)
rects = st.builds(lambda x, y, w, h: (float(x), float(y), float(x + w), float(y + h)), sides, sides, sides, sides)


def test_overlap_is_the_shared_area() -> None:
    assert overlap((0, 0, 10, 10), (5, 8, 20, 20)) == 10
    assert overlap((0, 0, 10, 10), (10, 0, 20, 10)) == 0
    assert overlap((0, 0, 10, 10), (2, 2, 4, 4)) == 4


def test_a_panel_stands_at_the_right_of_its_face_if_it_can() -> None:
    face = (100.0, 100.0, 200.0, 200.0)
    assert place_beside(face, (80, 60), (640, 480), taken=[face], gap=5) == (205, 100, 285, 160)
    assert place_beside(face, (80, 60), (250, 480), taken=[face], gap=5) == (15, 100, 95, 160)


@given(rects, st.tuples(sides, sides), st.tuples(sides, sides), st.lists(rects, max_size=4), st.integers(0, 9))
def test_a_panel_lies_in_the_picture_and_on_nothing(
    face: Rect, panel: tuple[int, int], size: tuple[int, int], others: list[Rect], gap: int
) -> None:
    place = place_beside(face, panel, size, taken=[face, *others], gap=gap)
    if place is not None:
        assert inside(place, size)
        assert (place[2] - place[0], place[3] - place[1]) == panel
        assert not any(overlap(place, each) for each in (face, *others))


@given(rects, st.tuples(sides, sides), st.tuples(sides, sides), st.lists(rects, max_size=4))
def test_a_panel_over_its_face_hides_no_other(
    face: Rect, panel: tuple[int, int], size: tuple[int, int], others: list[Rect]
) -> None:
    place = place_over(face, panel, size, taken=others)
    if place is not None:
        assert inside(place, size)
        assert not any(overlap(place, each) for each in others)
        middle = ((face[0] + face[2]) / 2, (face[1] + face[3]) / 2)
        assert not (place[0] < middle[0] < place[2] and place[1] < middle[1] < place[3])


@given(rects, st.tuples(sides, sides))
def test_clamping_moves_in_what_fits(rect: Rect, size: tuple[int, int]) -> None:
    width, height = rect[2] - rect[0], rect[3] - rect[1]
    moved = clamped(rect, size)
    assert (moved[2] - moved[0], moved[3] - moved[1]) == (width, height)
    assert inside(moved, size) == (width <= size[0] and height <= size[1])
