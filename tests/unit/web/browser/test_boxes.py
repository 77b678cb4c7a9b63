"""Boxes and crops of the detector in JavaScript against Python's."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.faces import boxes
from mien.faces.mtcnn import scales
from mien.faces.pyramid import Pyramid

some = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
seeds = st.integers(0, 2**32)


def squares(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corner = rng.integers(-10, 60, (n, 2))
    found = np.hstack([corner, corner + rng.integers(8, 40, (n, 2))]).astype(np.float32)
    return found, rng.permutation(n).astype(np.float32) / n + 0.1


@given(seeds, st.integers(0, 40), st.sampled_from([0.3, 0.5, 0.7]))
@some
def test_distinct_keeps_what_python_keeps(js: Callable[..., Any], seed: int, n: int, most: float) -> None:
    found, scores = squares(n, seed)
    groups = np.random.default_rng(seed).integers(0, 3, n).astype(np.int32)
    ask = [found.tolist(), scores]
    assert js("boxes.js", "distinct", *ask, {"most": most}) == boxes.distinct(found, scores, overlap=most).tolist()
    grouped = boxes.distinct(found, scores, overlap=most, groups=groups).tolist()
    assert js("boxes.js", "distinct", *ask, {"most": most, "groups": groups}) == grouped
    inside = boxes.not_inside(found, scores, overlap=most).tolist()
    assert js("boxes.js", "distinct", *ask, {"most": most, "ofSmaller": True}) == inside


@given(seeds)
@some
def test_arithmetic_is_pythons(js: Callable[..., Any], seed: int) -> None:
    found, _ = squares(1, seed)
    offsets = np.random.default_rng(seed).normal(size=(1, 4)).astype(np.float32)
    moved = boxes.shifted(found, offsets)
    assert js("boxes.js", "shifted", found[0].tolist(), offsets[0]) == pytest.approx(moved[0].tolist(), abs=1e-3)
    assert js("boxes.js", "square", found[0].tolist()) == boxes.squares(found)[0].tolist()
    limit = {"width": 50, "height": 40}
    assert js("boxes.js", "trimmed", found[0].tolist(), limit) == boxes.trimmed(found, (40, 50))[0].tolist()


@pytest.mark.parametrize(("height", "width", "least"), [(480, 640, 40), (600, 512, 20), (39, 700, 40), (41, 41, 40)])
def test_scales_are_pythons(js: Callable[..., Any], height: int, width: int, least: int) -> None:
    got = js("mtcnn.js", "scales", {"width": width, "height": height}, least)
    assert got == pytest.approx(scales((height, width), least))


@pytest.mark.parametrize("size", [24, 48])
def test_crops_are_pythons(js: Callable[..., Any], size: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (900, 1100, 3), np.uint8)
    wanted_boxes = [
        [10.4, 20.6, 34.5, 44.5],
        [-30, -20, 300, 310],
        [100, 50, 1090, 1040],  # from a halving
        [1080, 880, 1200, 1000],
        [2000, 2000, 2040, 2040],  # outside: black
        [5.5, 6.5, 5.6, 6.6],
    ]
    got = js("pyramid.js", "Pyramid.crops", image, wanted_boxes, size)
    crops, cut = Pyramid(image).crops(np.float32(wanted_boxes), size)
    assert got["cut"] == cut.tolist()
    assert np.abs(got["crops"].astype(int) - crops.ravel()).max() <= 1
