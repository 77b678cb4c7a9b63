"""Counts of parameters and operations against arithmetic done by hand."""

import pytest
import torch
from torch import nn

from mien.nets.attention import SelfAttention
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


class Layer(nn.Module):
    """A layer that sees a picture (1, C, S, S) in the shape that it takes."""

    def __init__(self, layer: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.layer, self.shape = layer, shape

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layer(images.reshape(self.shape))


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (nn.Conv1d(4, 6, 3, groups=2), (1, 4, 64), 6 * 62 * 2 * 3),
        (nn.Conv2d(4, 6, (3, 1), stride=2), (1, 4, 8, 8), 6 * 3 * 4 * 4 * 3),
        (nn.Conv3d(4, 6, 2), (1, 4, 4, 4, 4), 6 * 27 * 4 * 8),
        (nn.Linear(8, 5), (1, 32, 8), 32 * 8 * 5),
        (nn.GRU(16, 10, num_layers=2, batch_first=True), (1, 16, 16), 16 * 3 * 10 * (16 + 10 + 10 + 10)),
        (nn.LSTM(16, 10, batch_first=True, bidirectional=True), (1, 16, 16), 16 * 2 * 4 * 10 * (16 + 10)),
        (SelfAttention(4), (1, 4, 8, 8), 64 * 4 * (3 * 4 + 4) + 2 * 64 * 64 * 4),
        (
            nn.TransformerEncoderLayer(8, 2, 24, batch_first=True),
            (1, 32, 8),
            32 * 8 * (4 * 8 + 2 * 24) + 2 * 32 * 32 * 8,
        ),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, nn.Module) else "",
)
def test_operations_of_every_kind_of_layer(layer, shape, macs):
    net = Layer(layer, shape).train()
    assert mac_count(net, channels=4, size=8) == macs
    assert all(each.device.type == "cpu" for each in net.parameters())
    assert net.training, "it is left as it was"


def test_heads_see_the_mean_of_the_feature_map():
    net = MultiHead(OneConv(), {"a": 3}).eval()
    logits, features = net(torch.randn(2, 1, 8, 8))
    torch.testing.assert_close(logits["a"], net.heads["a"](features.mean((2, 3))))
