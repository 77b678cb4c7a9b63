"""Losses against torch's, torchvision's and torchmetrics' own, and against closed forms."""

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchmetrics.functional.regression import concordance_corrcoef
from torchvision.ops import sigmoid_focal_loss

from mien.core.errors import UsageError
from mien.training.losses import (
    LOSSES,
    choose_loss,
    class_weights,
    concordance,
    concordance_loss,
    cross_entropy,
    focal,
    kl_divergence,
    smooth,
    weighted_mean,
)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def some(n=16, k=7):
    """Logits and distributions."""
    return torch.randn(n, k), torch.randn(n, k).softmax(1)


def one_hot(ids, k=7):
    return functional.one_hot(ids, k).float()


def test_smoothing_and_cross_entropy_equal_torchs():
    logits, ids = torch.randn(16, 7), torch.randint(0, 7, (16,))
    ours = cross_entropy(logits, smooth(one_hot(ids), 0.1)).mean()
    torch.testing.assert_close(ours, functional.cross_entropy(logits, ids, label_smoothing=0.1))


def test_cross_entropy_with_distributions_equals_torchs():
    logits, targets = some()
    torch.testing.assert_close(
        cross_entropy(logits, targets), functional.cross_entropy(logits, targets, reduction="none")
    )


def test_kl_equals_torchs_and_is_cross_entropy_less_entropy():
    logits, targets = some()
    targets[0] = one_hot(torch.tensor(3))  # 0 log 0 is 0
    torch.testing.assert_close(
        kl_divergence(logits, targets), functional.kl_div(logits.log_softmax(1), targets, reduction="none").sum(1)
    )
    entropy = torch.distributions.Categorical(targets[1:]).entropy()
    torch.testing.assert_close(kl_divergence(logits, targets)[1:], cross_entropy(logits, targets)[1:] - entropy)
    torch.testing.assert_close(kl_divergence(targets.clamp_min(1e-30).log(), targets), torch.zeros(16))


def test_focal_without_gamma_is_cross_entropy():
    logits, targets = some()
    torch.testing.assert_close(focal(logits, targets, gamma=0.0), cross_entropy(logits, targets))


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_focal_of_two_classes_equals_torchvisions(gamma):
    x, ids = torch.randn(16), torch.randint(0, 2, (16,))
    logits = torch.stack([torch.zeros(16), x], 1)  # p_1 = sigmoid(x)
    torch.testing.assert_close(
        focal(logits, one_hot(ids, 2), gamma=gamma), sigmoid_focal_loss(x, ids.float(), alpha=-1, gamma=gamma)
    )


def test_focal_takes_each_class_of_a_distribution_at_its_share():
    logits, targets = some()
    by_class = torch.stack([focal(logits, one_hot(torch.full((16,), k))) for k in range(7)], 1)
    torch.testing.assert_close(focal(logits, targets), (targets * by_class).sum(1))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_has_a_gradient_where_a_face_is_sure(gamma):
    logits = torch.tensor([[200.0, 0.0], [-200.0, 0.0]], requires_grad=True)
    focal(logits, one_hot(torch.tensor([0, 0]), 2), gamma=gamma).sum().backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_loss_is_computed_in_float32_and_for_each_face(name):
    logits, targets = some()
    loss = choose_loss(name, focal_gamma=2.0)
    assert loss(logits.bfloat16(), targets).dtype == torch.float32
    torch.testing.assert_close(loss(logits, targets)[:3], loss(logits[:3], targets[:3]))


def test_gamma_is_the_focal_loss_s_and_an_unknown_loss_is_named():
    logits, targets = some()
    torch.testing.assert_close(
        choose_loss("focal", focal_gamma=1.5)(logits, targets), focal(logits, targets, gamma=1.5)
    )
    with pytest.raises(UsageError, match="did you mean 'focal'"):
        choose_loss("fokal", focal_gamma=2.0)


def test_faces_without_a_target_do_not_count():
    logits, targets = some(4)
    losses, weights = cross_entropy(logits, targets), torch.tensor([1.0, 0.0, 1.0, 0.0])
    torch.testing.assert_close(weighted_mean(losses, weights), losses[::2].mean() / 2)
    assert weighted_mean(losses, torch.zeros(4)) == 0


def test_class_weights_in_the_loss_equal_torchs():
    logits, ids = torch.randn(16, 7), torch.randint(0, 7, (16,))
    weights = class_weights("balanced", one_hot(ids).sum(0), beta=0.999)
    ours = weighted_mean(cross_entropy(logits, one_hot(ids)), one_hot(ids) @ weights)
    torch.testing.assert_close(ours, functional.cross_entropy(logits, ids, weight=weights))


def test_balanced_weights_equal_scikit_learns():
    compute = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight
    ids = np.repeat([0, 1, 2], [50, 10, 4])
    ours = class_weights("balanced", torch.tensor([50.0, 10.0, 4.0]), beta=0.9)
    np.testing.assert_allclose(ours, compute("balanced", classes=np.arange(3), y=ids), rtol=1e-6)


@pytest.mark.parametrize("beta", [0.9, 0.999, 0.9999])
def test_effective_numbers_are_those_of_the_paper(beta):
    counts = torch.tensor([5000.0, 500.0, 5.0])
    weights = class_weights("effective", counts, beta=beta)
    paper = (1 - beta) / (1 - beta ** counts.double())
    torch.testing.assert_close((weights / weights[0]).double(), paper / paper[0], rtol=1e-5, atol=0)
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1)


@pytest.mark.parametrize("kind", ["none", "balanced", "effective"])
def test_a_class_without_a_face_weighs_one(kind):
    assert class_weights(kind, torch.tensor([3.0, 0.0, 9.0]), beta=0.99)[1] == 1
    assert class_weights(kind, torch.zeros(3), beta=0.99).tolist() == [1, 1, 1]


def test_concordance_by_hand():
    x, y = torch.tensor([[0.0], [0.5], [1.0]]), torch.tensor([[0.5], [0.5], [1.0]])
    # means 1/2 and 2/3, variances 1/6 and 1/18, covariance 1/12: 2/12 / (1/6 + 1/18 + 1/36) = 2/3
    assert concordance(x, y, torch.ones(3)).item() == pytest.approx(2 / 3)


def test_concordance_equals_torchmetrics():
    # It divides variances by n - 1, which is nothing for many faces.
    x = torch.rand(20_000, 2)
    y = 0.5 * x + 0.3 * torch.rand(20_000, 2)
    torch.testing.assert_close(concordance(x, y, torch.ones(20_000)), concordance_corrcoef(x, y), atol=1e-4, rtol=0)


def test_concordance_is_of_the_faces_that_have_values():
    x, y, weights = torch.rand(6, 2), torch.rand(6, 2), torch.tensor([1.0, 1, 0, 1, 0, 1])
    known = weights > 0
    torch.testing.assert_close(concordance(x, y, weights), concordance(x[known], y[known], torch.ones(4)))
    torch.testing.assert_close(
        concordance_loss(x, y, weights), (1 - concordance(x[known], y[known], torch.ones(4)).mean()) * 4 / 6
    )


@pytest.mark.parametrize("known", [0, 1])
def test_too_few_values_give_no_loss_and_a_finite_gradient(known):
    x, weights = torch.rand(4, 2, requires_grad=True), torch.zeros(4)
    weights[:known] = 1
    loss = concordance_loss(x, torch.rand(4, 2), weights)
    loss.backward()
    assert loss == 0
    assert torch.isfinite(x.grad).all()


def test_equal_values_lose_nothing_and_opposite_ones_two():
    values = torch.rand(8, 2) - 0.5
    values = values - values.mean(0)
    assert concordance_loss(values, values, torch.ones(8)).item() == pytest.approx(0, abs=1e-5)
    assert concordance_loss(-values, values, torch.ones(8)).item() == pytest.approx(2, abs=1e-5)
