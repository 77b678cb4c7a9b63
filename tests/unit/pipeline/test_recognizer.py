from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import InputError, ModelError, UsageError
from mien.core.images import encode, read_image
from mien.core.types import Faces, Image, Predictions
from mien.pipeline.recognizer import Recognizer


class Quarters:
    """A detector for tests: finds a face in each quarter of a picture whose first pixel is bright; else nobody."""

    def detect(self, image: Image, /, *, min_face: int = 40) -> Faces:
        height, width = (side // 2 for side in image.shape[:2])
        if image[0, 0, 0] < 128 or min(height, width) < min_face:
            return Faces.empty()
        boxes = [[x, y, x + width, y + height] for y in (0, height) for x in (0, width)]
        return Faces(np.array(boxes, np.float32), np.array([0.9, 0.8, 0.7, 0.6]), np.full((4, 5, 2), np.nan))


def picture(seed: int, *, faces: bool = True) -> Image:
    image = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), np.uint8)
    image = np.repeat(np.repeat(image, 10, 0), 10, 1)
    image[0, 0] = 255 if faces else 0
    return image


@pytest.fixture
def recognizer(tiny_model: Path) -> Recognizer:
    return Recognizer(tiny_model, detector=Quarters())


def same(one: Predictions, other: Predictions) -> bool:
    return np.array_equal(one.boxes, other.boxes) and np.allclose(one.probabilities, other.probabilities, atol=1e-6)


def test_a_path_bytes_and_an_array_give_the_same(recognizer: Recognizer, tmp_path: Path) -> None:
    image = picture(1)
    path = tmp_path / "ein Bild ü.png"
    path.write_bytes(encode(image))
    found = [recognizer.predict(each) for each in (path, str(path), path.read_bytes(), image)]
    assert len(found[0]) == 4
    assert all(same(found[0], other) for other in found[1:])
    np.testing.assert_allclose(found[0].probabilities.sum(1), 1, atol=1e-5)
    assert len({tuple(row) for row in found[0].probabilities.tolist()}) == 4, "the answer must follow the face"


def test_a_list_gives_what_its_pictures_give_alone_through_one_call(
    recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [picture(1), picture(2, faces=False), picture(3)]
    alone = [recognizer.predict(image) for image in images]
    asked: list[int] = []
    predict = recognizer.classifier.predict
    monkeypatch.setattr(
        recognizer.classifier,
        "predict",
        lambda crops, **options: (asked.append(len(crops)), predict(crops, **options))[1],
    )
    together = recognizer.predict(images)
    assert asked == [8]
    assert [len(each) for each in together] == [4, 0, 4]
    assert all(same(one, other) for one, other in zip(alone, together, strict=True))


def test_nobody_found_is_an_empty_result(recognizer: Recognizer) -> None:
    found = recognizer.predict(picture(1, faces=False))
    assert len(found) == 0
    assert found.labels == recognizer.label_set.labels
    assert recognizer.predict([]) == []
    assert [len(each) for each in recognizer.predict([picture(1, faces=False)])] == [0]


def test_min_face_reaches_the_detector(tiny_model: Path) -> None:
    assert len(Recognizer(tiny_model, detector=Quarters(), min_face=61).predict(picture(1))) == 0
    assert len(Recognizer(tiny_model, detector=Quarters(), min_face=60).predict(picture(1))) == 4


def test_without_a_detector_the_picture_is_the_face(tiny_model: Path) -> None:
    recognizer = Recognizer(tiny_model, detector="none")
    image = picture(1)
    found = recognizer.predict(image)
    assert found.boxes.tolist() == [[0, 0, 160, 120]]
    assert found.scores.tolist() == [1]
    gray = np.random.default_rng(0).integers(0, 256, (48, 48), np.uint8)
    exact = recognizer.classifier.predict(gray[None])  # a crop of the model's own size is not touched
    np.testing.assert_allclose(recognizer.predict(gray).probabilities, exact, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (300, 2), (48, 48)])
def test_without_a_detector_any_shape_is_a_face(tiny_model: Path, shape: tuple[int, int]) -> None:
    assert len(Recognizer(tiny_model, detector="none").predict(np.zeros((*shape, 3), np.uint8))) == 1


def test_a_head_by_name(tiny_model: Path) -> None:
    found = Recognizer(tiny_model, detector=Quarters(), head="fer2013").predict(picture(1))
    assert found.label_set.name == "fer2013"
    assert found.probabilities.shape == (4, 7)


def test_eight_threads_give_what_one_gives(recognizer: Recognizer) -> None:
    images = [picture(seed, faces=seed % 3 > 0) for seed in range(24)]
    serial = [recognizer.predict(image) for image in images]
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(recognizer.predict, images))
    assert all(same(one, other) for one, other in zip(serial, parallel, strict=True))


def test_eight_threads_give_what_one_gives_with_mtcnn(tiny_model: Path, samples: Path) -> None:
    recognizer = Recognizer(tiny_model, threads=1)
    image = read_image(samples / "astronaut.jpg")
    images = [np.ascontiguousarray(image[shift : shift + 300, 60 + shift : 360 + shift]) for shift in range(0, 32, 4)]
    serial = [recognizer.predict(each) for each in images]
    assert all(len(each) == 1 for each in serial)
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(recognizer.predict, images))
    assert all(same(one, other) for one, other in zip(serial, parallel, strict=True))


def test_wrong_use_is_named(tiny_model: Path) -> None:
    with pytest.raises(UsageError, match="expected a detector out of mtcnn, .*none, got 'mtcn'; did you mean 'mtcnn'"):
        Recognizer(tiny_model, detector="mtcn")
    with pytest.raises(UsageError, match="expected a head of tiny out of ferplus, fer2013, got 'emotion'"):
        Recognizer(tiny_model, detector="none", head="emotion")
    with pytest.raises(UsageError, match="expected a model out of"):
        Recognizer("mien-huge", detector="none")
    with pytest.raises(UsageError, match="expected min_face of 1 pixel or more, got 0"):
        Recognizer(tiny_model, detector="none", min_face=0)


def test_a_changed_weight_file_is_refused(tiny_model: Path) -> None:
    data = bytearray(tiny_model.read_bytes())
    data[-3] ^= 1
    tiny_model.write_bytes(bytes(data))
    with pytest.raises(ModelError, match="sha256"):
        Recognizer(tiny_model, detector="none")


def test_what_is_no_picture_is_named(recognizer: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"got no such file"):
        recognizer.predict(tmp_path / "gone.jpg")
    with pytest.raises(InputError, match="not one"):
        recognizer.predict(b"not a picture")
    with pytest.raises(InputError, match="expected a path, bytes, an array or a list of them, got int"):
        recognizer.predict(7)  # type: ignore[call-overload]
    with pytest.raises(InputError, match="expected a path, bytes, an array or a list of them, got NoneType"):
        recognizer.predict([None])  # type: ignore[list-item]
