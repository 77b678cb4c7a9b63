"""Batch norm over the batch of all processes."""

from typing import Any

import torch
from lightning.pytorch.plugins.layer_sync import LayerSync
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mien.core.errors import UsageError


class _Sum(torch.autograd.Function):
    """The sum over all processes; what each loses by it is the sum over all of them, too."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        torch.distributed.all_reduce(total)
        return total


def sum_over_processes(values: Tensor) -> Tensor:
    """The sum of each process's values, with a gradient; all processes call it."""
    total: Tensor = _Sum.apply(values)
    return total


class WholeBatchNorm(_BatchNorm):
    """Batch norm whose mean and variance are those of all processes' shares, which are equally large.

    What torch's `SyncBatchNorm` does on GPUs alone, by sums that have gradients on any device.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of axes after the channels."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, ...) of this process -> the same, normalised."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        axes, shape = [0, *range(2, x.ndim)], (1, -1, *(1,) * (x.ndim - 2))
        n = x.numel() // x.shape[1] * torch.distributed.get_world_size()
        mean = sum_over_processes(x.sum(axes)) / n
        centred = x - mean.view(shape)
        var = sum_over_processes(centred.square().sum(axes)) / n
        if self.track_running_stats:
            self._follow(mean.detach(), var.detach() * n / max(1, n - 1))
        out: Tensor = centred * torch.rsqrt(var + self.eps).view(shape)
        if self.affine:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out.to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, var: Tensor) -> None:
        self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        momentum = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked or 1)
        self.running_mean.lerp_(mean, momentum)  # type: ignore[union-attr]
        self.running_var.lerp_(var, momentum)  # type: ignore[union-attr]


class WholeBatchNorms(LayerSync):
    """Puts them into a net before it is trained by several processes on a device, `cpu` or `cuda`."""

    def __init__(self, device: str) -> None:
        self.device = device

    def apply(self, model: nn.Module) -> nn.Module:
        """On GPUs torch's own."""
        if self.device == "cuda":
            converted: nn.Module = convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
            return converted
        for parent in list(model.modules()):
            for name, child in parent.named_children():
                if isinstance(child, _BatchNorm):
                    setattr(parent, name, _of(child))
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """They are left in the net, which is done with; weights have the same names."""
        return model


def _of(norm: _BatchNorm) -> WholeBatchNorm:
    if type(norm) not in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
        raise UsageError(
            f"expected plain batch norms for sync_batchnorm on the CPU, got {type(norm).__name__}: train this net on "
            "GPUs, or without"
        )
    made = WholeBatchNorm(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    state: dict[str, Any] = norm.state_dict()
    made.load_state_dict(state)
    made.train(norm.training)
    for ours, theirs in zip(made.parameters(), norm.parameters(), strict=True):
        ours.requires_grad_(theirs.requires_grad)
    return made
