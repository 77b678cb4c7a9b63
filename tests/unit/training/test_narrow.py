"""Narrower blocks take over the channels that weigh most."""

from pathlib import Path

import pytest
import torch
from torch import nn

from mien.core.errors import TrainingError
from mien.nets import build_trunk
from mien.nets.resnet import ResNet
from mien.training.narrow import narrowed
from mien.training.pretrained import load_weights


def net(inner: tuple[int, ...] = (), *, seed: int = 0, **options: object) -> ResNet:
    """Random, batch norms and all."""
    torch.manual_seed(seed)
    made = ResNet(widths=(16, 32), blocks=(1, 2), inner=inner, **options)  # type: ignore[arg-type]
    for each in made.modules():
        if isinstance(each, nn.BatchNorm2d):
            for value in (each.weight, each.bias, each.running_mean, each.running_var):
                nn.init.uniform_(value, 0.5, 1.5)  # type: ignore[arg-type]
    return made.eval()


@pytest.mark.parametrize("options", [{}, {"batch_norm": False}, {"attention": "cbam"}])
def test_channels_that_do_nothing_go_and_nothing_changes(options: dict[str, object], tmp_path: Path) -> None:
    wide, narrow = net(**options), net((12, 20), seed=1, **options)
    idle = {16: [0, 3, 7, 15], 32: [1, 2, 4, 8, 9, 11, 16, 22, 25, 27, 30, 31]}
    for name, each in wide.named_modules():
        if name.endswith(".second.0"):
            with torch.no_grad():
                each.weight[:, idle[each.in_channels]] = 0  # type: ignore[index]
    torch.save(wide.state_dict(), tmp_path / "wide.pth")
    notes = load_weights(narrow, str(tmp_path / "wide.pth"), net="resnet")
    assert notes == ["of 80 channels within blocks, the 52 that weigh most were kept"]
    images = torch.randn(2, 1, 24, 24)
    with torch.no_grad():
        torch.testing.assert_close(narrow(images), wide(images), atol=1e-5, rtol=1e-5)


def test_equal_widths_are_left_alone() -> None:
    state = net().state_dict()
    same, notes = narrowed(net(seed=1), state)
    assert notes == [] and all(same[name] is value for name, value in state.items())


def test_wider_blocks_and_other_stages_do_not_fit(tmp_path: Path) -> None:
    torch.save(net((8, 8)).state_dict(), tmp_path / "narrow.pth")
    with pytest.raises(TrainingError, match="expected weights of the net 'resnet' in .*narrow.pth, got others"):
        load_weights(net(), str(tmp_path / "narrow.pth"), net="resnet")
    other = build_trunk("resnet", in_channels=1, size=24, options={"widths": (16, 24), "blocks": (1, 2)})
    with pytest.raises(TrainingError, match="got others; of another shape"):
        load_weights(other, str(tmp_path / "narrow.pth"), net="resnet")  # type: ignore[arg-type]
