"""Optimisers get their settings; sharpness-aware steps against hand computation."""

import copy

import pytest
import torch
from timm.optim import Muon
from torch import nn

from mien.training.config import TrainConfig
from mien.training.optimizers import (
    LEARNING_RATES,
    OPTIMIZERS,
    SharpnessAware,
    make_optimizer,
    norms_unmoved,
    set_learning_rate,
    total_norm,
)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("name", "kind", "own"),
    [
        ("sgd", torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
        ("adam", torch.optim.Adam, {"betas": (0.8, 0.99)}),
        ("adamw", torch.optim.AdamW, {"betas": (0.8, 0.99)}),
        ("rmsprop", torch.optim.RMSprop, {"momentum": 0.8}),
        ("muon", Muon, {"momentum": 0.8, "nesterov": True}),
    ],
)
def test_every_optimiser_gets_its_settings(name, kind, own):
    settings = {"betas": own["betas"]} if "betas" in own else {"momentum": 0.8}
    parameter = nn.Parameter(torch.zeros(1))
    made = make_optimizer(
        [{"params": [parameter], "weight_decay": 0.03}],
        TrainConfig(optimizer=name, learning_rate=0.02, weight_decay=0.5, **settings),
    )
    assert type(made) is kind
    group = made.param_groups[0]
    assert group | own | {"lr": 0.02, "weight_decay": 0.03} == group


def test_muon_moves_a_kernel_by_an_orthogonal_matrix_and_a_bias_as_nadamw_does():
    net = nn.Conv2d(4, 8, 3)
    before = copy.deepcopy(net)
    net(torch.randn(2, 4, 6, 6)).square().mean().backward()
    make_optimizer(
        [{"params": list(net.parameters()), "weight_decay": 0.0}], TrainConfig(optimizer="muon", learning_rate=0.01)
    ).step()
    step = (before.weight - net.weight).detach().flatten(1)
    # As large as an AdamW step: 0.2 for each value of the matrix on the mean square, so 0.2 sqrt(36) a direction.
    lengths = torch.linalg.svdvals(step) / (0.01 * 0.2 * 36**0.5)
    assert lengths.min() > 0.6  # Newton and Schulz's five rounds in bfloat16 come near 1, no nearer
    assert lengths.max() < 1.3
    # The first step of AdamW is the rate, and Nesterov's look ahead adds beta of it.
    torch.testing.assert_close((before.bias - net.bias).abs(), torch.full((8,), 0.019), rtol=1e-3, atol=0)


def test_each_optimiser_has_a_rate_that_suits_it():
    assert set(LEARNING_RATES) == set(OPTIMIZERS)
    assert TrainConfig().learning_rate == 0.15
    assert TrainConfig(optimizer="adam").learning_rate == 1e-3
    assert TrainConfig(optimizer="adam", learning_rate=0.02).learning_rate == 0.02


def test_a_group_learns_at_its_own_scale():
    first, second = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([{"params": [first], "lr_scale": 0.5}, {"params": [second]}], 1.0)
    set_learning_rate(optimizer, 0.2)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.2]


def test_total_norm_equals_torchs():
    parts = [torch.randn(3, 4), torch.randn(5)]
    torch.testing.assert_close(total_norm(parts), torch.cat([each.flatten() for each in parts]).norm())
    assert not torch.isfinite(total_norm([*parts, torch.tensor([float("inf")])]))


class Quadratic(nn.Module):
    """w A w / 2, whose gradient is A w."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([3.0, -1.0]))
        self.a = torch.tensor([[2.0, 0.5], [0.5, 1.0]])

    def forward(self):
        return self.w @ self.a @ self.w / 2


def test_a_sharpness_aware_step_on_a_quadratic():
    net, rho, rate = Quadratic(), 0.4, 0.1
    w, a = net.w.detach().clone(), net.a
    optimizer, sharpness = torch.optim.SGD(net.parameters(), rate), SharpnessAware(net, rho)
    for _ in range(3):
        optimizer.zero_grad()
        sharpness.climb(net())
        assert net.w.grad is None  # the first pass leaves it alone, so that gradients can be accumulated
        net().backward()
        sharpness.come_back()
        assert torch.equal(net.w.detach(), w)
        optimizer.step()
        gradient = a @ w
        w = w - rate * (a @ (w + rho * gradient / gradient.norm()))
        torch.testing.assert_close(net.w.detach(), w)
        w = net.w.detach().clone()


def test_the_ascent_has_length_rho_over_all_that_learns():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    net[0].bias.requires_grad_(False)
    before = {name: each.detach().clone() for name, each in net.named_parameters()}
    SharpnessAware(net, 0.3).climb(net(torch.randn(5, 3)).square().sum())
    moves = {name: each.detach() - before[name] for name, each in net.named_parameters()}
    assert not moves["0.bias"].any()
    torch.testing.assert_close(total_norm(list(moves.values())), torch.tensor(0.3))


def test_a_flat_place_is_stayed_at():
    net = Quadratic()
    with torch.no_grad():
        net.w.zero_()
    SharpnessAware(net, 0.3).climb(net())
    assert torch.equal(net.w.detach(), torch.zeros(2))


def test_under_autocast_the_second_pass_sees_the_moved_weights():
    net, x = nn.Linear(6, 4), torch.randn(8, 6)
    before, sharpness = copy.deepcopy(net), SharpnessAware(net, 2.0)
    with torch.autocast("cpu", torch.bfloat16):  # one context around both passes, as Lightning has it
        sharpness.climb(net(x).float().square().mean())
        moved = copy.deepcopy(net)
        loss = net(x).float().square().mean()
    loss.backward()
    sharpness.come_back()
    assert torch.equal(net.weight, before.weight)
    for each in (before, moved):
        with torch.autocast("cpu", torch.bfloat16):
            each(x).float().square().mean().backward()
    assert torch.equal(net.weight.grad, moved.weight.grad)
    assert not torch.equal(net.weight.grad, before.weight.grad)


def test_batch_norms_learn_from_the_first_pass_alone():
    net, x = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.BatchNorm1d(4)), torch.randn(8, 3)
    net[2].eval()  # a frozen one goes on with what it knows
    wanted = net(x)
    before = {name: each.clone() for name, each in net.named_buffers()}
    with norms_unmoved(net):
        torch.testing.assert_close(net(x), wanted)
    assert all(torch.equal(each, before[name]) for name, each in net.named_buffers())
    net(x)
    assert net[1].num_batches_tracked == before["1.num_batches_tracked"] + 1
    assert net[2].num_batches_tracked == before["2.num_batches_tracked"]
