"""Which faces an epoch draws."""

import pytest
import torch

from mien.core.labels import LabelSet
from mien.training.data import Faces, Targets
from mien.training.sampling import draw_order, draw_weights, notes_on_data

IDS = torch.tensor([0] * 800 + [1] * 150 + [2] * 50 + [-1] * 200)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def shares(sampling):
    order = torch.cat([draw_order(IDS, sampling=sampling, generator=generator(seed)) for seed in range(40)])
    return (torch.bincount(IDS[order] + 1) / len(order)).tolist()  # of no label, 0, 1, 2


def test_as_is_draws_each_face_once():
    order = draw_order(IDS, sampling="as-is", generator=generator())
    assert torch.equal(order, torch.randperm(len(IDS), generator=generator()))


def test_balanced_draws_each_class_alike_and_leaves_the_others_their_share():
    assert shares("balanced") == pytest.approx([1 / 6, 5 / 18, 5 / 18, 5 / 18], abs=0.01)


def test_the_root_is_half_way():
    roots = [800**0.5, 150**0.5, 50**0.5]
    assert shares("sqrt") == pytest.approx([1 / 6, *(5 / 6 * each / sum(roots) for each in roots)], abs=0.01)


def test_chance_comes_from_the_generator_alone():
    first, again, other = (draw_order(IDS, sampling="balanced", generator=generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len(first) == len(IDS)


def test_without_any_label_every_face_weighs_the_same():
    assert draw_weights(torch.full((4,), -1), sampling="balanced").tolist() == [1, 1, 1, 1]


def test_what_training_will_not_learn_is_said():
    soft = torch.zeros(6, 3)
    soft[:, 0] = 1
    soft[0] = torch.tensor([0.5, 0.5, 0.0])
    labels = {"ferplus": LabelSet("ferplus", ("anger", "fear", "contempt"))}
    faces = Faces(torch.zeros(6, 1, 8, 8), {"ferplus": Targets(soft.argmax(1), soft, torch.ones(6))}, labels)
    assert notes_on_data(faces, batch=6) == (
        "no training face shows contempt (head ferplus): it will hardly be predicted",
    )
    assert notes_on_data(faces, batch=8)[1:] == (
        "a batch of 8 is larger than the 6 training faces: each step takes all of them",
    )
