"""Augmentation: what each change does, and that chance comes from the generator alone."""

import pytest
import torch

from mien.core.errors import UsageError
from mien.training.augment import Augmentation, augment
from mien.training.mixing import mixup_pairs

NOTHING = Augmentation(flip=0, rotation=0, zoom=0, shift=0, brightness=0, contrast=0, erase=0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def faces(n: int = 6, size: int = 24) -> torch.Tensor:
    return torch.randint(0, 256, (n, 1, size, size), generator=generator(7), dtype=torch.uint8)


def test_all_switched_off_gives_the_faces_themselves():
    torch.testing.assert_close(augment(faces(), NOTHING, size=24, generator=generator()), faces() / 255)


def test_flip_alone_mirrors():
    flipped = augment(faces(), Augmentation(**(vars(NOTHING) | {"flip": 1.0})), size=24, generator=generator())
    torch.testing.assert_close(flipped, faces().flip(3) / 255)


@pytest.mark.parametrize("name", ["rotation", "zoom", "shift", "brightness", "contrast", "erase"])
def test_each_change_alone_changes_the_faces_and_stays_in_range(name):
    amount = {"rotation": 20.0, "zoom": 0.3, "shift": 0.2, "brightness": 0.3, "contrast": 0.5, "erase": 1.0}[name]
    changed = augment(faces(), Augmentation(**(vars(NOTHING) | {name: amount})), size=24, generator=generator())
    assert (changed - faces() / 255).abs().mean() > 0.01
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_each_face_draws_its_own_change():
    one_face = faces(1).repeat(8, 1, 1, 1)
    changed = augment(one_face, Augmentation(), size=24, generator=generator())
    assert len({each.numpy().tobytes() for each in changed}) == 8


def test_the_generator_decides_everything():
    first, second, other = (augment(faces(), Augmentation(), size=20, generator=generator(seed)) for seed in (1, 1, 2))
    assert first.shape == (6, 1, 20, 20)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_mixup_shares_follow_the_beta_distribution():
    own, partner = mixup_pairs(20_000, 0.4, generator())
    assert sorted(partner.tolist()) == list(range(20_000))
    assert own.mean().item() == pytest.approx(0.5, abs=0.01)
    assert own.var().item() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), rel=0.03)  # of Beta(a, a)


@pytest.mark.parametrize("bad", [{"flip": 1.5}, {"rotation": -1.0}, {"shift": float("nan")}])
def test_a_setting_out_of_range_is_named(bad):
    with pytest.raises(UsageError, match=rf"augment\.{next(iter(bad))}"):
        Augmentation(**bad)
