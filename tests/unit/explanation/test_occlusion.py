"""Occlusion against captum's, against a model that sees one quadrant, and on clips."""

import numpy as np
import pytest
import torch
from captum.attr import Occlusion

from mien.core.errors import UsageError
from mien.explanation.occlusion import occlusion


def sees_a_quadrant(pictures):
    """The probability of class 1 is how bright the lower left quarter is."""
    half = pictures.shape[-1] // 2
    bright = pictures[..., half:, :half].reshape(len(pictures), -1).mean(1) / 255
    return np.stack([1 - bright, bright], 1).astype(np.float32)


def test_it_is_that_of_captum():
    weights = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 16 * 16)).astype(np.float32)) / 60

    def answer(images):
        return (images.flatten(1) @ weights.T).softmax(1)

    pictures = np.random.default_rng(2).integers(0, 256, (3, 16, 16), np.uint8)
    ours = occlusion(
        lambda some: answer(torch.from_numpy(some / 255).float()).numpy(), pictures, [1, 0, 1], patch=5, stride=2
    )
    for found, picture, which in zip(ours, pictures, [1, 0, 1], strict=True):
        given = torch.from_numpy(picture[None, None] / 255).float()
        theirs = Occlusion(answer).attribute(
            given,
            sliding_window_shapes=(1, 5, 5),
            strides=(1, 2, 2),
            baselines=float(np.rint(picture.mean())) / 255,
            target=which,
        )
        np.testing.assert_allclose(found, theirs[0, 0].numpy(), atol=1e-5)


def test_it_lies_where_the_model_looks():
    pictures = np.random.default_rng(0).integers(0, 40, (2, 24, 24), np.uint8)
    pictures[:, 12:, :12] += 200
    maps = np.maximum(occlusion(sees_a_quadrant, pictures, [1, 1], patch=4, stride=2), 0)
    assert (maps[:, 14:, :10].sum((1, 2)) > 0).all()
    assert maps[:, :8].max() == 0 and maps[:, :, 16:].max() == 0
    assert (maps[:, 12:, :12].sum((1, 2)) > 0.8 * maps.sum((1, 2))).all()


def test_of_a_clip_it_lies_in_the_frame_that_counts():
    clips = np.zeros((1, 3, 16, 16), np.uint8)
    clips[:, :, 4:9, 4:9] = 250

    def last_frame(some):
        bright = (some[:, -1].reshape(len(some), -1).max(1) / 255).astype(np.float32)
        return np.stack([1 - bright, bright], 1)

    maps = occlusion(last_frame, clips, [1], patch=8, stride=4, clips=True)
    assert maps.shape == (1, 3, 16, 16)
    assert np.abs(maps[:, :2]).max() == 0
    assert maps[0, 2, 6, 6] > 0.2


def test_colour_is_covered_by_its_own_mean():
    picture = np.zeros((1, 8, 8, 3), np.uint8)
    picture[..., 0] = 200  # as red as its mean: covering changes nothing
    maps = occlusion(lambda some: some.reshape(len(some), -1).astype(np.float32)[:, :3] / 255, picture, [0])
    assert np.abs(maps).max() == 0


@pytest.mark.parametrize(("patch", "stride"), [(9, 1), (3, -1)])
def test_a_patch_that_does_not_fit_is_refused(patch, stride):
    with pytest.raises(
        UsageError, match=f"expected a patch in 1..8 pixels and a stride of 1 or more, got {patch} and {stride}"
    ):
        occlusion(sees_a_quadrant, np.zeros((1, 8, 8), np.uint8), [0], patch=patch, stride=stride)
