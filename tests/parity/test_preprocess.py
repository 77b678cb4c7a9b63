"""Crops against OpenCV's own resampling, and inference against training: a net must see the same face in both."""

import cv2
import numpy as np
import pytest

from mien.core.types import Faces
from mien.runtime.card import CropGeometry, InputSpec
from mien.runtime.preprocess import crop_faces, fit_crops, to_tensor

GRAY = InputSpec(size=48, color="gray", mean=(0.5,), std=(0.25,))
RGB = InputSpec(size=48, color="rgb", mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def smooth_picture(height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return cv2.GaussianBlur(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), (0, 0), 4)


def crop(image: np.ndarray, box: tuple[int, ...], spec: InputSpec) -> np.ndarray:
    one = Faces(np.array([box], np.float32), np.ones(1, np.float32), np.full((1, 5, 2), np.nan, np.float32))
    return crop_faces(image, one, spec, CropGeometry(scale=1.0))[0]


@pytest.mark.parametrize("side", [48, 50, 61, 71, 73, 96, 119, 121, 144, 200, 240, 333, 480, 500, 767, 800, 1000])
@pytest.mark.parametrize("spec", [GRAY, RGB], ids=["gray", "rgb"])
def test_a_shrunk_box_equals_area_averaging(side: int, spec: InputSpec) -> None:
    image = smooth_picture(1010, 1020)
    found = crop(image, (7, 3, 7 + side, 3 + side), spec)
    part = image[3 : 3 + side, 7 : 7 + side]
    if spec.color == "gray":
        part = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    wanted = cv2.resize(part, (48, 48), interpolation=cv2.INTER_AREA)
    # Right at the border area averaging knows nothing beyond the box, and a crop of the photograph does.
    assert np.abs(found.astype(int) - wanted)[1:-1, 1:-1].max() <= 2
    assert np.abs(found.astype(int) - wanted).max() <= 6


@pytest.mark.parametrize("side", [12, 20, 24, 36, 47])
def test_a_grown_box_equals_bilinear_resampling(side: int) -> None:
    image = smooth_picture(120, 150)
    found = crop(image, (40, 30, 40 + side, 30 + side), GRAY)
    part = cv2.cvtColor(image[30 : 30 + side, 40 : 40 + side], cv2.COLOR_RGB2GRAY)
    wanted = cv2.resize(part, (48, 48), interpolation=cv2.INTER_LINEAR)
    rim = 48 // side + 1
    assert np.abs(found.astype(int) - wanted)[rim:-rim, rim:-rim].max() <= 2


def test_a_face_cut_out_before_equals_one_cut_out_now() -> None:
    """`fit_crops` of a cut-out (a training face) and `crop_faces` of the photograph (inference) agree."""
    image = smooth_picture(600, 700)
    for side in (96, 150, 300):
        box = (100, 120, 100 + side, 120 + side)
        before = fit_crops(image[None, 120 : 120 + side, 100 : 100 + side], GRAY)[0]
        assert np.abs(crop(image, box, GRAY).astype(int) - before)[1:-1, 1:-1].max() <= 2


@pytest.mark.parametrize("spec", [GRAY, RGB], ids=["gray", "rgb"])
def test_training_and_inference_normalise_alike(spec: InputSpec) -> None:
    torch = pytest.importorskip("torch")
    from mien.training.config import TrainConfig
    from mien.training.data import normalise

    shape = (3, 48, 48, *((3,) if spec.color == "rgb" else ()))
    crops = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    images = torch.from_numpy(crops.reshape(3, 48, 48, -1).transpose(0, 3, 1, 2).copy()).float() / 255
    trained = normalise(images, TrainConfig(input=spec)).numpy()
    np.testing.assert_allclose(to_tensor(crops, spec), trained, atol=2e-6)
