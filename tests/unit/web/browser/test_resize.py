"""Resizing and warping in JavaScript against OpenCV."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.core.images import to_gray

many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))


def noise(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@st.composite
def pictures(draw: st.DrawFn) -> np.ndarray:
    colour = draw(st.sampled_from([(), (3,)]))
    return noise((*draw(sizes), *colour), draw(st.integers(0, 2**32)))


def opencv(image: np.ndarray, size: tuple[int, int], flag: int) -> np.ndarray:
    return np.asarray(cv2.resize(image, size, interpolation=flag)).reshape((size[1], size[0], *image.shape[2:]))


@given(pictures(), sizes)
@many
def test_linear_is_opencvs(js: Callable[..., Any], image: np.ndarray, size: tuple[int, int]) -> None:
    assert np.array_equal(js("resize.js", "resizeLinear", image, *size), opencv(image, size, cv2.INTER_LINEAR))


@given(pictures(), sizes)
@many
def test_area_is_opencvs_but_for_the_last_bit(js: Callable[..., Any], image: np.ndarray, size: tuple[int, int]) -> None:
    got, wanted = js("resize.js", "resizeArea", image, *size), opencv(image, size, cv2.INTER_AREA)
    off = np.abs(got.astype(int) - wanted)
    assert off.max() <= 1  # sums in float32, in another order
    assert (off > 0).sum() <= max(1, 0.01 * off.size)


@pytest.mark.parametrize(("wide", "high"), [(2, 2), (3, 3), (2, 1), (1, 4), (5, 3)])
def test_whole_blocks_are_opencvs(js: Callable[..., Any], wide: int, high: int) -> None:
    image = noise((high * 31, wide * 23, 3), 3)
    assert np.array_equal(js("resize.js", "resizeArea", image, 23, 31), opencv(image, (23, 31), cv2.INTER_AREA))


@given(
    pictures(),
    st.floats(-1, 1),
    st.floats(0.2, 3),
    st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
    st.integers(1, 60),
)
@many
def test_warp_is_opencvs(
    js: Callable[..., Any], image: np.ndarray, angle: float, step: float, shift: tuple[float, float], side: int
) -> None:
    cos, sin = np.cos(angle) * step, np.sin(angle) * step
    matrix = [[cos, -sin, shift[0]], [sin, cos, shift[1]]]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    wanted = cv2.warpAffine(image, np.array(matrix), (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    got = js("warp.js", "warp", image, matrix, side)
    off = np.abs(got.astype(int) - wanted.reshape(got.shape))
    # Where a coordinate lies on the border between two of OpenCV's steps of 1/32 pixel, the last bit decides.
    assert (off > 0).mean() <= 0.02


def test_grey_is_opencvs(js: Callable[..., Any]) -> None:
    image = noise((64, 64, 3), 1)
    assert np.array_equal(js("picture.js", "toGrey", image), to_gray(image))


@pytest.mark.parametrize("corner", [(-5, -3, 12, 9), (3, 2, 9, 30), (-9, -9, -2, -2), (25, 0, 30, 4), (0, 0, 20, 15)])
def test_what_is_cut_out_is_black_outside(js: Callable[..., Any], corner: tuple[int, int, int, int]) -> None:
    image = noise((15, 20, 3), 2)
    left, top, right, bottom = corner
    around = np.pad(image, ((40, 40), (40, 40), (0, 0)))
    wanted = around[40 + top : 40 + bottom, 40 + left : 40 + right]
    assert np.array_equal(js("picture.js", "cut", image, *corner), wanted)


def test_a_frame_continues_the_edge(js: Callable[..., Any]) -> None:
    image = noise((15, 20, 3), 2)
    assert np.array_equal(js("picture.js", "framed", image, 4), np.pad(image, ((4, 4), (4, 4), (0, 0)), mode="edge"))


def test_rounding_is_to_even(js: Callable[..., Any]) -> None:
    values = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4999, 7.0, -3.2, 0.0]
    assert [js("picture.js", "rint", value) for value in values] == np.rint(values).tolist()
