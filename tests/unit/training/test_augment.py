"""Augmentation: what each change does, and that chance comes from the generator alone."""

import cv2
import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.transforms.v2 import functional as vision

from mien.core.errors import UsageError
from mien.training.augment import Augmentation, augment
from mien.training.degrade import blur_matrix, jpeg, luma, resample, resolution_matrix
from mien.training.mixing import mix_weights

NOTHING = Augmentation(flip=0, rotation=0, zoom=0, shift=0, brightness=0, contrast=0, erase=0, degrade=1)
DEGRADED = {"downscale": 0.7, "blur": 0.05, "noise": 0.1, "jpeg": 90.0}
ADDED = {"yaw": 40.0, "exposure": 1.0, "gamma": 0.6, "gray": 1.0, **DEGRADED}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def faces(n: int = 6, size: int = 24, channels: int = 1) -> torch.Tensor:
    return torch.randint(0, 256, (n, channels, size, size), generator=generator(7), dtype=torch.uint8)


def smooth_faces(n: int, size: int = 48, channels: int = 1) -> torch.Tensor:
    """Uneven light and edges, as in a photograph rather than in noise."""
    coarse = torch.rand(n, channels, 6, 6, generator=generator(7))
    return functional.interpolate(coarse, size=size, mode="bicubic").mul(255).clamp(0, 255).round().byte()


def only(name: str, amount: float) -> Augmentation:
    return Augmentation(**(vars(NOTHING) | {name: amount}))


def test_all_switched_off_gives_the_faces_themselves():
    torch.testing.assert_close(augment(faces(), NOTHING, size=24, generator=generator()), faces() / 255)


def test_flip_alone_mirrors():
    flipped = augment(faces(), only("flip", 1.0), size=24, generator=generator())
    torch.testing.assert_close(flipped, faces().flip(3) / 255)


@pytest.mark.parametrize("name", ["rotation", "zoom", "shift", "brightness", "contrast", "erase", *ADDED])
def test_each_change_alone_changes_the_faces_and_stays_in_range(name):
    old = {"rotation": 20.0, "zoom": 0.3, "shift": 0.2, "brightness": 0.3, "contrast": 0.5, "erase": 1.0}
    given = faces(channels=3)
    changed = augment(given, only(name, (old | ADDED)[name]), size=24, generator=generator())
    assert (changed - given / 255).abs().mean() > 0.01
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_each_face_draws_its_own_change():
    one_face = faces(1).repeat(8, 1, 1, 1)
    for config in (Augmentation(), *(only(name, ADDED[name]) for name in ADDED if name != "gray")):
        changed = augment(one_face, config, size=24, generator=generator())
        assert len({each.numpy().tobytes() for each in changed}) >= 6  # two may lose the same few pixels


def test_the_generator_decides_everything_whatever_the_threads():
    config = Augmentation(**ADDED)
    first, other = (augment(faces(), config, size=20, generator=generator(seed)) for seed in (1, 2))
    assert first.shape == (6, 1, 20, 20)
    assert not torch.equal(first, other)
    threads = torch.get_num_threads()
    try:
        torch.manual_seed(5)
        torch.set_num_threads(2)
        assert torch.equal(first, augment(faces(), config, size=20, generator=generator(1)))
    finally:
        torch.set_num_threads(threads)


def test_what_is_off_draws_nothing():
    """So that a training with the settings that were there first gives what it always gave."""
    plain, more = generator(), generator()
    augment(faces(), Augmentation(), size=24, generator=plain)
    assert torch.rand(1, generator=plain).item() == pytest.approx(0.545996, abs=1e-6)
    augment(faces(), Augmentation(degrade=0.9, border="edge"), size=24, generator=more)
    torch.rand(1, generator=more)
    assert torch.equal(plain.get_state(), more.get_state())


@pytest.mark.parametrize("name", DEGRADED)
def test_a_share_of_the_faces_is_degraded(name):
    given = smooth_faces(400, 24) + faces(400) // 16
    config = Augmentation(**(vars(NOTHING) | {"degrade": 0.3, name: DEGRADED[name]}))
    changed = (augment(given, config, size=24, generator=generator()) - given / 255).abs().amax((1, 2, 3)) > 1e-3
    # A face can draw so little that nothing is seen.
    assert 0.22 <= changed.float().mean() <= 0.36


def test_a_turned_face_is_narrower_and_its_far_side_shorter():
    white = torch.full((200, 1, 64, 64), 255, dtype=torch.uint8)
    seen = augment(white, only("yaw", 40.0), size=64, generator=generator()) > 0.5
    width, heights = seen[:, 0, 32].sum(1), seen[:, 0].sum(1)  # (B,), (B, S)
    assert 48 <= width.min() <= 52  # 64 cos 40 degrees, seen in perspective
    assert width.max() == 64
    middle = width < 60
    left = torch.stack([heights[i, int(seen[i, 0, 32].int().argmax()) + 2] for i in range(200)])
    right = torch.stack([heights[i, 61 - int(seen[i, 0, 32].flip(0).int().argmax())] for i in range(200)])
    assert ((left - right).abs()[middle] >= 4).all()  # one side is farther away
    assert 0.35 <= (left > right)[middle].float().mean() <= 0.65  # either one


def test_a_border_continues_the_picture():
    white = torch.full((20, 1, 24, 24), 255, dtype=torch.uint8)
    for border, dark in (("black", True), ("edge", False), ("reflection", False)):
        config = Augmentation(**(vars(NOTHING) | {"shift": 0.3, "border": border}))
        assert (augment(white, config, size=24, generator=generator()).min() < 0.1) == dark


def test_exposure_is_drawn_in_stops():
    gray = torch.full((4000, 1, 2, 2), 100, dtype=torch.uint8)
    seen = augment(gray, only("exposure", 1.0), size=2, generator=generator())[:, 0, 0, 0]
    stops = 2.2 * torch.log2(seen / (100 / 255))
    assert stops.min() == pytest.approx(-1, abs=0.01)
    assert stops.max() == pytest.approx(1, abs=0.01)
    assert stops.std() == pytest.approx(1 / 3**0.5, rel=0.03)  # of a uniform distribution


def test_gamma_keeps_black_and_white():
    ends = torch.tensor([0, 128, 255], dtype=torch.uint8).repeat(9, 1, 3, 1)
    seen = augment(ends, only("gamma", 0.5), size=3, generator=generator())
    assert torch.equal(seen[..., 0], torch.zeros(9, 1, 3))
    assert torch.equal(seen[..., 2], torch.ones(9, 1, 3))
    exponent = seen[:, 0, 0, 1].log() / torch.tensor(128 / 255).log()
    assert 1 / 1.5 <= exponent.min() < 1 < exponent.max() <= 1.5


def test_grey_pictures_have_torchvisions_luma():
    given = faces(channels=3)
    seen = augment(given, only("gray", 1.0), size=24, generator=generator())
    assert torch.equal(seen[:, 0], seen[:, 1])
    torch.testing.assert_close(seen, vision.rgb_to_grayscale(given / 255, 3), atol=2e-3, rtol=0)


def test_noise_has_the_deviation_that_was_drawn():
    gray = torch.full((500, 1, 32, 32), 128, dtype=torch.uint8)
    seen = augment(gray, only("noise", 0.1), size=32, generator=generator())
    deviation = seen.flatten(1).std(1)
    assert deviation.max() == pytest.approx(0.1, rel=0.05)
    assert deviation.mean() == pytest.approx(0.05, rel=0.06)
    assert seen.mean() == pytest.approx(128 / 255, abs=1e-3)


@pytest.mark.parametrize("sigma", [0.5, 1.3, 2.5])
def test_blur_is_torchvisions_away_from_the_edge(sigma):
    x = faces(2, 48, 3) / 255
    ours = resample(x, blur_matrix(torch.tensor([0.0, sigma]), 48))
    theirs = vision.gaussian_blur(x[1:], [25, 25], [sigma, sigma])
    torch.testing.assert_close(ours[0], x[0])
    torch.testing.assert_close(ours[1:, :, 12:-12, 12:-12], theirs[:, :, 12:-12, 12:-12], atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", [1, 16, 20, 37, 48])
def test_resolution_is_lost_as_opencv_loses_it(side):
    x = np.random.default_rng(0).random((48, 48), np.float32)
    small = cv2.resize(x, (side, side), interpolation=cv2.INTER_AREA)
    expected = cv2.resize(small, (48, 48), interpolation=cv2.INTER_LINEAR)
    ours = resample(torch.from_numpy(x)[None, None], resolution_matrix(torch.tensor([float(side)]), 48))
    torch.testing.assert_close(ours[0, 0], torch.from_numpy(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("quality", [5, 20, 50, 75, 95])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_what_a_jpeg_file_keeps(quality, channels):
    given = (smooth_faces(4, 44, channels).int() + faces(4, 44, channels) // 8).clamp(0, 255).byte()
    ours = jpeg(given / 255, torch.full((4,), float(quality))) * 255
    file = [cv2.imencode(".jpg", each.permute(1, 2, 0).flip(2).numpy(), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            for each in given]  # fmt: skip
    read = [cv2.imdecode(each, cv2.IMREAD_UNCHANGED).reshape(44, 44, channels)[:, :, ::-1].copy() for each in file]
    theirs = torch.from_numpy(np.stack(read)).permute(0, 3, 1, 2)
    lost = (theirs - given.float()).abs().mean()
    # Grey values differ where a coefficient falls on the edge between two steps, colours also by how they are spread.
    assert (ours - theirs).abs().mean() < (0.5 if channels == 1 else 2)
    assert (ours - given).abs().mean() == pytest.approx(lost.item(), rel=0.02)


def test_mixup_shares_follow_the_beta_distribution():
    pixels, own, partner = mix_weights(20_000, Augmentation(mixup=0.4), size=4, generator=generator())
    assert torch.equal(pixels.flatten(), own)
    assert sorted(partner.tolist()) == list(range(20_000))
    assert own.mean().item() == pytest.approx(0.5, abs=0.01)
    assert own.var().item() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.03)  # of Beta(a, a)


def test_cutmix_shares_are_the_areas_that_are_left():
    weights, share, _ = mix_weights(3000, Augmentation(cutmix=1.0), size=48, generator=generator())
    assert weights.shape == (3000, 1, 48, 48)
    assert set(weights.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(weights.mean((1, 2, 3)), share)
    # What is cut off at the edge stays with the face: more than half is its own, which uniform areas alone would give.
    assert 0.55 < share.mean() < 0.75
    hole = 1 - weights[:, 0]
    for row, column in zip(hole.amax(2), hole.amax(1), strict=True):  # a filled rectangle: rows times columns
        assert (row.diff().abs().sum() <= 2) and (column.diff().abs().sum() <= 2)
    assert torch.equal(hole, hole.amax(2)[:, :, None] * hole.amax(1)[:, None, :])


def test_both_kinds_of_mixtures_and_none_are_drawn_face_by_face():
    config = Augmentation(mixup=0.8, cutmix=1.0, mix=0.6)
    weights, share, _ = mix_weights(4000, config, size=24, generator=generator())
    flat = weights.flatten(1)
    whole = (flat == 1).all(1)
    even = (flat.amin(1) == flat.amax(1)) & ~whole
    assert (share[whole] == 1).all()
    assert whole.float().mean() == pytest.approx(0.4, abs=0.04)
    assert even.float().mean() == pytest.approx(0.3, abs=0.04)


def test_luma_of_grey_is_the_grey_value():
    torch.testing.assert_close(luma(torch.full((1, 3, 2, 2), 0.3)), torch.full((1, 1, 2, 2), 0.3))


@pytest.mark.parametrize(
    "bad",
    [{"flip": 1.5}, {"rotation": -1.0}, {"shift": float("nan")}, {"jpeg": 100.0}, {"mix": 2.0}, {"border": "white"}],
)
def test_a_setting_out_of_range_is_named(bad):
    with pytest.raises(UsageError, match=rf"augment\.{next(iter(bad))}"):
        Augmentation(**bad)


def test_what_is_drawn_for_a_face_depends_on_its_place_in_the_batch_alone():
    config = Augmentation(**(vars(Augmentation()) | ADDED | {"gray": 0.5}))
    given, rows = faces(7, channels=3), torch.tensor([1, 3, 5])
    chance, other = generator(), generator()
    whole = augment(given, config, size=24, generator=chance)
    some = augment(given[rows], config, size=24, generator=other, batch=7, rows=rows)
    torch.testing.assert_close(some, whole[rows], atol=1e-5, rtol=0)
    assert torch.equal(chance.get_state(), other.get_state())
