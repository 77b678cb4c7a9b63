import numpy as np
import pytest
from clips import SIZE, Actor, Scene, _background

from mien import sample
from mien.core.images import read_image
from mien.pipeline.shots import another_shot, look, nearer_to_second


def pan(shift: int) -> np.ndarray:
    wide = read_image(sample("grace_hopper"))
    return np.ascontiguousarray(wide[100:400, shift : shift + 400])


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return read_image(sample("astronaut"))


def test_two_photographs_are_two_shots_and_one_is_not(astronaut: np.ndarray) -> None:
    other = read_image(sample("grace_hopper"))
    assert another_shot(look(astronaut), look(other)) and another_shot(look(other), look(astronaut))
    assert not another_shot(look(astronaut), look(astronaut))


def test_what_happens_within_a_shot_is_no_cut(astronaut: np.ndarray) -> None:
    before = look(astronaut)
    flash = np.clip(astronaut.astype(int) + 90, 0, 255).astype(np.uint8)
    noise = np.clip(astronaut + np.random.default_rng(1).normal(0, 25, astronaut.shape), 0, 255).astype(np.uint8)
    dark = (astronaut * 0.3).astype(np.uint8)
    for after in (flash, noise, dark):
        assert not another_shot(before, look(after))
    assert not another_shot(look(pan(0)), look(pan(40)))


def test_people_who_move_are_no_cut() -> None:
    def picture(x: float) -> np.ndarray:
        return Scene([Actor("grace_hopper", lambda t: (x, 180, 150))]).draw(0)

    assert not another_shot(look(picture(120)), look(picture(360)))
    assert not another_shot(look(_background(SIZE)), look(picture(240)))


def test_pictures_of_one_colour_are_compared_by_it() -> None:
    black, white = (look(np.full((40, 60, 3), value, np.uint8)) for value in (0, 255))
    assert another_shot(black, white) and not another_shot(black, black)


def test_a_picture_between_belongs_to_the_shot_that_it_is_like(astronaut: np.ndarray) -> None:
    first, second = look(astronaut), look(read_image(sample("grace_hopper")))
    assert nearer_to_second(second, first, second) and not nearer_to_second(first, first, second)
    assert nearer_to_second(look(read_image(sample("grace_hopper"))[20:580, 10:500]), first, second)


@pytest.mark.parametrize("shape", [(1, 1, 3), (2, 500, 3), (3, 2, 3)])
def test_tiny_pictures_have_a_look(shape: tuple[int, int, int]) -> None:
    found = look(np.full(shape, 100, np.uint8))
    assert found.colors.sum() == pytest.approx(1) and found.layout.shape == (18, 32)
