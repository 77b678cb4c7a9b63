"""Which faces an epoch draws."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mien.core.labels import LabelSet
from mien.training.data import Faces, Targets
from mien.training.sampling import LANES, TOGETHER, draw_order, draw_weights, in_groups, notes_on_data

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


@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=60).filter(any),
    sampling=st.sampled_from(["as-is", "balanced"]),
)
def test_in_groups_gives_the_same_faces_in_another_order(sizes, sampling):
    groups = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    ids = torch.arange(len(groups)) % 3
    drawn = draw_order(ids, sampling=sampling, generator=generator())
    order = in_groups(drawn, groups, generator=generator(1))
    assert torch.equal(order.sort().values, drawn.sort().values)


def test_in_groups_needs_few_of_them_at_a_time_and_mixes_those():
    groups = torch.arange(200).repeat_interleave(512)
    drawn = draw_order(torch.zeros(len(groups)), sampling="as-is", generator=generator())
    order = groups[in_groups(drawn, groups, generator=generator(1))].numpy()
    firsts = np.array([np.flatnonzero(order == group)[[0, -1]] for group in range(200)])
    events = np.zeros(len(order) + 1, int)
    np.add.at(events, firsts[:, 0], 1)
    np.add.at(events, firsts[:, 1] + 1, -1)
    assert events.cumsum().max() <= (LANES * TOGETHER) + LANES  # a lane that changes may hold the last face of one
    middle = order[128 * 100 : 128 * 101]
    assert 20 <= len(np.unique(middle)) <= LANES * TOGETHER
    assert len(np.unique(order[:128])) >= LANES


@pytest.mark.parametrize("world", [2, 4, 16])
def test_each_process_reads_groups_of_its_own(world):
    groups = torch.arange(320).repeat_interleave(512)
    drawn = draw_order(torch.zeros(len(groups)), sampling="as-is", generator=generator())
    order = groups[in_groups(drawn, groups, generator=generator(1))]
    read = [set(order[rank::world].tolist()) for rank in range(world)]
    assert [len(each) for each in read] == [320 // world] * world
    assert len(set().union(*read)) == 320
