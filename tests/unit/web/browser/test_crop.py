"""From a face to probabilities in JavaScript against `mien.runtime`."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.core.images import read_image
from mien.core.types import Faces
from mien.runtime.card import CropGeometry, InputSpec
from mien.runtime.preprocess import crop_faces, to_tensor
from mien.runtime.temperature import apply_temperature

GREY = InputSpec(48, "gray", (0.5,), (0.25,))
COLOUR = InputSpec(32, "rgb", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def card(input: InputSpec, crop: CropGeometry) -> dict[str, Any]:
    return {"input": asdict(input), "crop": asdict(crop)}


@given(
    st.sampled_from([GREY, COLOUR]),
    st.builds(CropGeometry, st.floats(0.5, 2), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.booleans()),
    st.tuples(st.floats(-700, 1200), st.floats(-700, 1200), st.floats(1, 1500), st.floats(1, 1500)),
    st.floats(-3, 3),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_crops_are_pythons(
    js: Callable[..., Any], samples: Any, input: InputSpec, crop: CropGeometry, place: tuple[float, ...], turn: float
) -> None:
    image = read_image(samples / "astronaut.jpg")
    x, y, width, height = place
    box = np.float32([x, y, x + width, y + height])
    eyes = [[x, y], [x + 20 * np.cos(turn), y + 20 * np.sin(turn)]]
    points = np.float32([*eyes, [0, 0], [0, 0], [0, 0]])
    [wanted] = crop_faces(image, Faces(box[None], np.float32([1]), points[None]), input, crop)
    got = js("crop.js", "cropFace", image, box.tolist(), points.tolist(), card(input, crop))
    off = np.abs(got.astype(int) - wanted)
    assert off.max() <= 2
    assert (off > 0).mean() <= 0.03


def test_without_eyes_a_crop_is_upright(js: Callable[..., Any], samples: Any) -> None:
    image = read_image(samples / "astronaut.jpg")
    box = np.float32([150, 40, 290, 200])
    nobody = Faces(box[None], np.float32([1]), np.full((1, 5, 2), np.nan, np.float32))
    crop = CropGeometry(align=True)
    [wanted] = crop_faces(image, nobody, GREY, crop)
    assert np.array_equal(js("crop.js", "cropFace", image, box.tolist(), None, card(GREY, crop)), wanted)


@pytest.mark.parametrize("input", [GREY, COLOUR])
def test_the_tensor_is_numpys_to_the_last_bit(js: Callable[..., Any], input: InputSpec) -> None:
    shape = (2, input.size, input.size) + ((3,) if input.channels == 3 else ())
    crops = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    got = js("classifier.js", "toTensor", list(crops), asdict(input))
    assert np.array_equal(got, to_tensor(crops, input).ravel())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.3])
def test_the_temperature_is_pythons(js: Callable[..., Any], temperature: float) -> None:
    chances = np.float32([0.7, 0.2, 0.1, 0.0])
    wanted = apply_temperature(chances[None].astype(np.float64), temperature)[0]
    assert js("classifier.js", "applyTemperature", chances, temperature) == pytest.approx(wanted.tolist(), abs=1e-6)
