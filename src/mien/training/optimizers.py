"""Optimisers by name, what they move, and sharpness-aware steps around any of them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from timm.optim.muon import Muon
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from mien.core.registry import Registry

if TYPE_CHECKING:
    from mien.training.config import TrainConfig

# What suits each optimiser where the settings name no rate.
LEARNING_RATES = {"sgd": 0.15, "adam": 1e-3, "adamw": 1e-3, "rmsprop": 1e-4, "muon": 3e-3}

Groups = Sequence[dict[str, Any]]

OPTIMIZERS: Registry[Optimizer] = Registry("optimizer")


def make_optimizer(groups: Groups, config: "TrainConfig") -> Optimizer:
    """The optimiser that the settings name, over groups of parameters that carry their own `weight_decay`."""
    return OPTIMIZERS.create(config.optimizer, groups=groups, config=config)


@OPTIMIZERS.register("sgd")
def sgd(*, groups: Groups, config: "TrainConfig") -> Optimizer:
    """Stochastic gradient descent with Nesterov momentum (Sutskever et al. 2013)."""
    return torch.optim.SGD(groups, config.learning_rate, momentum=config.momentum, nesterov=config.momentum > 0)


@OPTIMIZERS.register("adam")
def adam(*, groups: Groups, config: "TrainConfig") -> Optimizer:
    """Adam (Kingma and Ba 2015, arXiv:1412.6980); weight decay is added to the gradient."""
    return torch.optim.Adam(groups, config.learning_rate, betas=_pair(config.betas))


@OPTIMIZERS.register("adamw")
def adamw(*, groups: Groups, config: "TrainConfig") -> Optimizer:
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101); weight decay apart from the gradient."""
    return torch.optim.AdamW(groups, config.learning_rate, betas=_pair(config.betas))


@OPTIMIZERS.register("rmsprop")
def rmsprop(*, groups: Groups, config: "TrainConfig") -> Optimizer:
    """RMSprop (Tieleman and Hinton 2012) with momentum."""
    return torch.optim.RMSprop(groups, config.learning_rate, momentum=config.momentum)


@OPTIMIZERS.register("muon")
def muon(*, groups: Groups, config: "TrainConfig") -> Optimizer:
    """Muon (Jordan et al. 2024): each matrix moves by the orthogonal matrix nearest to its momentum.

    Kernels of convolutions count as matrices, outputs x (inputs x places), and rates are as large as AdamW's (Liu et
    al. 2025, arXiv:2502.16982); norms and biases move by AdamW with Nesterov's step. Weight decay is apart from the
    gradient.
    """
    return Muon(groups, config.learning_rate, momentum=config.momentum, nesterov=True, betas=_pair(config.betas))


def _pair(betas: Sequence[float]) -> tuple[float, float]:
    return betas[0], betas[1]


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Give each group its rate: that of the schedule times its own `lr_scale`, if it has one."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)


def total_norm(gradients: Sequence[Tensor]) -> Tensor:
    """Length of all gradients together as one vector, (); not finite if a single value is not."""
    length: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(list(gradients))))
    return length


class SharpnessAware:
    """Sharpness-aware minimisation (Foret et al. 2021, arXiv:2010.01412).

    The gradient that the optimiser sees is that at w + rho g / |g|, the worst place near the weights w to first order,
    with g the gradient at w and |g| its length over all parameters:

        climb(loss at w);  loss at the new place .backward();  come_back();  optimizer.step()

    Each micro-batch of an accumulated step, and each process of several, climbs by its own gradient, as in the paper's
    m-sharpness.
    """

    def __init__(self, net: nn.Module, rho: float) -> None:
        self.net = net
        self.rho = rho
        self._origin: Mapping[nn.Parameter, Tensor] = {}

    def climb(self, loss: Tensor) -> None:
        """Move the weights to the worst place nearby; leaves `grad` alone, and frees the graph of the loss."""
        moved = [each for each in self.net.parameters() if each.requires_grad]
        with torch.autocast(loss.device.type, enabled=False):
            found = torch.autograd.grad(loss, moved, allow_unused=True)
        # Weights cast under autocast are kept for a whole step: those of the old place must not be taken for the new.
        torch.clear_autocast_cache()
        steps = {each: gradient for each, gradient in zip(moved, found, strict=True) if gradient is not None}
        length = total_norm(list(steps.values()))
        with torch.no_grad():
            self._origin = {each: each.clone() for each in steps}
            torch._foreach_add_(list(steps), torch._foreach_mul(list(steps.values()), self.rho / (length + 1e-12)))

    @torch.no_grad()
    def come_back(self) -> None:
        """Put the weights back where they were, to the bit; does nothing where none has moved."""
        for each, origin in self._origin.items():
            each.copy_(origin)
        self._origin = {}


@contextlib.contextmanager
def norms_unmoved(net: nn.Module) -> Iterator[None]:
    """Batch norms use the batch's statistics inside, and do not learn from it."""
    norms = [each for each in net.modules() if isinstance(each, _BatchNorm) and each.track_running_stats]
    for each in norms:
        each.track_running_stats = not each.training
    try:
        yield
    finally:
        for each in norms:
            each.track_running_stats = True
