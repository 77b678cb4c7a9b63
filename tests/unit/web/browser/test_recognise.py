"""An exported folder, run by node with ONNX Runtime Web, against `mien.Recognizer`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import mien
from mien.core.images import read_image
from mien.verbs.export_web import runtime_missing

EXPORTED = Path(__file__).with_name("exported.mjs")

if runtime_missing() and not os.environ.get("CI"):
    pytest.skip("needs scripts/fetch_web_runtime.py", allow_module_level=True)


@pytest.fixture(scope="module")
def see(js: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    folder = tmp_path_factory.mktemp("page") / "mien-s"
    mien.export("mien-s", format="web", out=folder)
    js(EXPORTED, "open", str(folder))
    return lambda name, *args: js(EXPORTED, name, *args)


@pytest.fixture(scope="module")
def recognizer() -> mien.Recognizer:
    return mien.Recognizer(threads=1)


def compare(see: Callable[..., Any], recognizer: mien.Recognizer, image: np.ndarray, *, within: float = 0.05) -> int:
    """How many faces both find: the same ones.

    An int8 network rounds what it sees: where the last bit decides, a share may move by hundredths, on processors of
    another kind in Python, too.
    """
    got, wanted = see("picture", image), recognizer.predict(image)
    assert len(got) == len(wanted)
    for face, one in zip(got, wanted, strict=True):
        assert face["box"] == pytest.approx(one.boxes[0].tolist(), abs=1)
        assert face["score"] == pytest.approx(one.scores[0], abs=1e-3)
        assert np.abs(np.subtract(face["points"], one.landmarks[0])).max() < 1
        assert face["probabilities"] == pytest.approx(one.probabilities[0].tolist(), abs=within)
    return len(got)


@pytest.mark.parametrize("name", ["astronaut", "grace_hopper"])
def test_a_sample_is_seen_as_in_python(see: Callable[..., Any], recognizer: mien.Recognizer, name: str) -> None:
    assert compare(see, recognizer, read_image(mien.sample(name)), within=0.01) == 1


def test_so_are_small_large_and_several_faces(see: Callable[..., Any], recognizer: mien.Recognizer) -> None:
    image = read_image(mien.sample("astronaut"))
    both = np.hstack([image, image[:, ::-1], cv2.resize(image, (256, 512), interpolation=cv2.INTER_AREA)])
    assert compare(see, recognizer, np.ascontiguousarray(both)) >= 2
    assert compare(see, recognizer, cv2.resize(image, (1300, 1300), interpolation=cv2.INTER_CUBIC)) == 1
    assert compare(see, recognizer, np.ascontiguousarray(image[10:250, 60:420])) == 1


def test_so_are_pictures_that_p_net_sees_in_strips(see: Callable[..., Any], recognizer: mien.Recognizer) -> None:
    half = cv2.resize(read_image(mien.sample("astronaut")), (256, 256), interpolation=cv2.INTER_AREA)
    assert compare(see, recognizer, np.tile(half, (16, 1, 1))) == 16


def test_a_face_that_fills_the_picture_is_found_at_the_second_look(
    see: Callable[..., Any], recognizer: mien.Recognizer
) -> None:
    box = recognizer.predict(mien.sample("astronaut")).boxes[0].round().astype(int)
    image = read_image(mien.sample("astronaut"))[box[1] : box[3], box[0] : box[2]]
    assert compare(see, recognizer, np.ascontiguousarray(image)) == 1


def test_no_face_is_an_empty_list(see: Callable[..., Any]) -> None:
    assert see("picture", np.full((200, 300, 3), 120, np.uint8)) == []
    assert see("picture", np.zeros((1, 1, 3), np.uint8)) == []


def test_wild_photographs_are_seen_as_in_python(
    see: Callable[..., Any], recognizer: mien.Recognizer, data_dir: Path
) -> None:
    paths = sorted((data_dir / "wild" / "images").iterdir())[::80]
    assert sum(compare(see, recognizer, read_image(path)) for path in paths) >= 8


def shifted(image: np.ndarray, x: int, y: int) -> np.ndarray:
    return np.ascontiguousarray(np.roll(image, (y, x), (0, 1)))


def ids(found: list[list[dict[str, Any]]]) -> list[list[int]]:
    return [[face["id"] for face in frame] for frame in found]


def test_a_face_that_moves_keeps_its_id(see: Callable[..., Any], recognizer: mien.Recognizer) -> None:
    image = read_image(mien.sample("astronaut"))
    frames = [shifted(image, 6 * i, 4 * i) for i in range(7)]  # looked for in frames 0, 3 and 6, followed between
    found = see("clip", frames, 40)
    assert ids(found) == [[0]] * 7
    for frame, [face] in zip(frames, found, strict=True):
        [wanted] = recognizer.predict(frame).boxes
        assert np.abs(np.subtract(face["box"], wanted)).max() < 0.15 * (wanted[2] - wanted[0])


def test_probabilities_fade_from_one_face_to_what_takes_its_place(see: Callable[..., Any]) -> None:
    image = read_image(mien.sample("astronaut"))
    dark = (image // 3).astype(np.uint8)
    first, second = (frame[0] for frame in see("clip", [image, dark], 500))
    weight = np.exp(-1)
    wanted = weight * np.array(first["probabilities"]) + (1 - weight) * np.array(second["raw"])
    assert second["probabilities"] == pytest.approx(wanted.tolist(), abs=1e-6)


def test_who_was_gone_for_long_or_is_elsewhere_is_somebody_new(see: Callable[..., Any]) -> None:
    image = read_image(mien.sample("astronaut"))
    nobody = np.full_like(image, 128)
    assert ids(see("clip", [image, nobody, image], 300)) == [[0], [], [0]]
    assert ids(see("clip", [image, nobody, image], 600)) == [[0], [], [1]]
    assert ids(see("clip", [image, shifted(image, 200, 0)], 40)) == [[0], [1]]
