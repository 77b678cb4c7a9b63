"""The cascade of forgetting: in order, by its seed, and on a copy."""

from itertools import pairwise

import numpy as np
import torch

from mien.explanation.randomisation import randomise
from mien.nets import build_trunk
from mien.nets.heads import MultiHead


def made():
    torch.manual_seed(0)
    return MultiHead(
        build_trunk("resnet", in_channels=1, size=16, options={"widths": (4, 8), "blocks": (1, 1)}), {"a": 3}
    )


def test_a_method_that_does_not_look_at_the_net_stays_the_same():
    picture = np.random.default_rng(0).random((2, 6, 6)).astype(np.float32)
    found = randomise(made(), lambda net: picture, stages=3)
    np.testing.assert_allclose(found.similarity, 1, atol=1e-6)
    assert found.layers[0] == "heads.a"
    assert found.layers[-1] == "stem.0"


def test_layers_are_forgotten_from_the_heads_down_and_stay_so():
    net = made()
    seen = []

    def explain(each):
        seen.append({name: value.detach().clone() for name, value in each.named_parameters()})
        return np.random.default_rng(0).random((1, 4, 4)).astype(np.float32)

    randomise(net, explain, stages=4)
    original, *later = seen
    changed = [{name for name, value in each.items() if not torch.equal(value, original[name])} for each in later]
    assert changed[0] == {"heads.a.weight", "heads.a.bias"}
    assert all(a < b for a, b in pairwise(changed))
    weights = {name for name in original if original[name].ndim > 1}  # those of a new norm are as they were
    assert weights <= changed[-1]
    assert all(torch.equal(value, original[name]) for name, value in net.named_parameters())


def test_the_seed_decides():
    def explain(net):
        return net.heads["a"].weight.detach().numpy()[None].copy()

    net, state = made(), torch.get_rng_state()
    one, same, other = (randomise(net, explain, stages=2, seed=seed).similarity for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)
