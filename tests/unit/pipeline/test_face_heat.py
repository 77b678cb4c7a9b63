"""Where a model sees an emotion, and where that lies in the picture."""

import numpy as np
import pytest

import mien
from mien.core.images import read_image
from mien.core.types import Faces
from mien.pipeline.face_heat import FaceExplainer


@pytest.fixture(scope="module")
def image():
    return read_image(mien.sample("astronaut"))


def test_the_map_lies_over_its_face(image):
    recognizer = mien.Recognizer(detector="haar")
    explainer = FaceExplainer(recognizer, "mien-s")
    assert explainer.quick
    [found] = recognizer.predict_images([image])
    [heat] = explainer.heat(image, found.faces)
    x1, y1, x2, y2 = found.boxes[0]
    assert x1 < heat.x < x2
    assert y1 < heat.y < y2
    assert 0.5 < heat.side / (y2 - y1) < 2
    assert heat.values.max() == 1
    drawn = explainer.lay_over(image, found.faces)
    change = np.abs(drawn.astype(int) - image).max(2) > 0
    left, top = int(heat.x - heat.side / 2), int(heat.y - heat.side / 2)
    change[top - 2 : top + int(heat.side) + 3, left - 2 : left + int(heat.side) + 3] = False
    assert not change.any()


def test_a_picture_that_is_a_face(image):
    recognizer = mien.Recognizer(detector="none")
    explainer = FaceExplainer(recognizer, "mien-s")
    [found] = recognizer.predict_images([image[:400, :300]])
    [heat] = explainer.heat(image[:400, :300], found.faces)
    assert (heat.x, heat.y, heat.side, heat.angle) == (150, 200, 400, 0)


def test_no_face_no_map(image):
    explainer = FaceExplainer(mien.Recognizer(detector="haar"), "mien-s")
    assert list(explainer.heat(image, Faces.empty())) == []
    assert np.array_equal(explainer.lay_over(image, Faces.empty()), image)
