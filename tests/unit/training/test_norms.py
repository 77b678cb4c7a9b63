"""Batch norm over all processes' shares; in one process it is torch's. Two processes: tests/e2e/test_ddp.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from mien.core.errors import UsageError
from mien.training.norms import WholeBatchNorm, WholeBatchNorms


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[None]:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def test_values_gradients_and_running_figures_are_those_of_torch(alone: None) -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3 * 20, 5), nn.BatchNorm1d(5, momentum=0.3))
    synced = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3 * 20, 5), nn.BatchNorm1d(5, momentum=0.3))
    synced.load_state_dict(plain.state_dict())
    assert WholeBatchNorms("cpu").apply(synced) is synced
    assert isinstance(synced[0], WholeBatchNorm)
    found = []
    for net in (plain, synced):
        torch.manual_seed(1)
        images = torch.randn(6, 3, 4, 5, requires_grad=True)
        out = [net(images + 2), net(3 * images)]
        sum((each**3).sum() for each in out).backward()
        found.append([*out, images.grad, *(each.grad for each in net.parameters()), *net.state_dict().values()])
        net.eval()
        found[-1].append(net(images))
    for expected, got in zip(*found, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)
    assert list(synced.state_dict()) == list(plain.state_dict())


def test_norms_that_do_more_are_refused_on_the_cpu() -> None:
    with pytest.raises(
        UsageError, match="expected plain batch norms for sync_batchnorm on the CPU, got BatchNormAct2d"
    ):
        WholeBatchNorms("cpu").apply(nn.Sequential(BatchNormAct2d(3)))
