"""Counts of parameters and operations against arithmetic done by hand."""

import torch
from torch import nn

from mien.nets.heads import GlobalAverage, MultiHead, mac_count, parameter_count


class OneConv(nn.Module):
    channels = width = 4
    smallest, any_size = 1, True
    neck = GlobalAverage()

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, stride=2, padding=1, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(images)


def test_counts_by_hand():
    net = MultiHead(OneConv(), {"a": 3})
    assert parameter_count(net) == 4 * 9 + 4 * 3 + 3
    assert mac_count(net, channels=1, size=8) == 4 * 4 * 4 * 9 + 4 * 3


def test_heads_see_the_mean_of_the_feature_map():
    net = MultiHead(OneConv(), {"a": 3}).eval()
    logits, features = net(torch.randn(2, 1, 8, 8))
    torch.testing.assert_close(logits["a"], net.heads["a"](features.mean((2, 3))))
