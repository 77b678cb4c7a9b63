"""Nets of clips: what a net of pictures sees in each frame, read in order by a recurrent layer, or averaged."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mien.core.errors import UsageError
from mien.core.registry import unknown
from mien.nets.heads import Trunk, inputs_of
from mien.runtime.card import CLIP, IMAGE

CELLS: dict[str, Callable[..., nn.Module]] = {"lstm": nn.LSTM, "gru": nn.GRU}
NO_CELL = ""  # the frames are not read in order
POOLING = ("attention", "last", "mean")

# What sees a frame unless another net is named: small, for a clip costs as much as all of its frames.
FRAME_NET = "resnet"
FRAME_OPTIONS = {"widths": (16, 32, 64), "blocks": (1, 1, 1)}


class AttentionPooling(nn.Module):
    """A weighted mean over time, whose weights are learnt from what is seen at each time.

    a_t = softmax_t(u . tanh(W h_t + b)), s = sum_t a_t h_t (Yang et al. 2016, doi:10.18653/v1/N16-1174).

    Args:
        width: length of the vectors h_t.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, width)
        self.context = nn.Linear(width, 1, bias=False)

    def weights(self, states: Tensor) -> Tensor:
        """(B, T, width) -> (B, T), which sum to 1 over time."""
        scores: Tensor = self.context(torch.tanh(self.project(states)))  # (B, T, 1)
        return scores.squeeze(2).softmax(1)

    def forward(self, states: Tensor) -> Tensor:
        """(B, T, width) -> (B, width)."""
        return (self.weights(states).unsqueeze(2) * states).sum(1)


class LastState(nn.Module):
    """The state after the last frame; of a layer that reads both ways, each direction's own last.

    Args:
        bidirectional: whether the second half of each vector was read backwards.
    """

    def __init__(self, *, bidirectional: bool) -> None:
        super().__init__()
        self.bidirectional = bidirectional

    def forward(self, states: Tensor) -> Tensor:
        """(B, T, width) -> (B, width)."""
        if not self.bidirectional:
            return states[:, -1]
        half = states.shape[2] // 2
        return torch.cat((states[:, -1, :half], states[:, 0, half:]), 1)


class MeanState(nn.Module):
    """The mean over time."""

    def forward(self, states: Tensor) -> Tensor:
        """(B, T, width) -> (B, width)."""
        return states.mean(1)


class OverTime(nn.Module):
    """Sums up the feature maps of a clip: each by the neck of the net that made it, then all in order.

    Args:
        neck: (B, F, h, w) -> (B, width), of the net of pictures.
        width: length of that vector.
        cell, layers, hidden, bidirectional, dropout, pooling: see `ClipNet`.
    """

    def __init__(
        self,
        neck: nn.Module,
        width: int,
        *,
        cell: str,
        layers: int,
        hidden: int,
        bidirectional: bool,
        dropout: float,
        pooling: str,
    ) -> None:
        super().__init__()
        self.neck = neck
        self.dropout = nn.Dropout(dropout)
        self.recurrent: nn.Module | None = None
        self.width = width
        if cell != NO_CELL:
            between = dropout if layers > 1 else 0.0
            self.recurrent = CELLS[cell](
                width, hidden, layers, batch_first=True, dropout=between, bidirectional=bidirectional
            )
            self.width = hidden * (1 + bidirectional)
        self.pool: nn.Module = MeanState()
        if pooling == "attention":
            self.pool = AttentionPooling(self.width)
        elif pooling == "last":
            self.pool = LastState(bidirectional=bidirectional)

    def states(self, features: Tensor) -> Tensor:
        """(B, T, F, h, w) -> (B, T, width), what was understood by the time of each frame, or of it alone."""
        vectors = self.neck(features.flatten(0, 1))  # (B * T, width of a frame)
        # With the batch's own size, not -1, the exported net takes batches of any size.
        steps = self.dropout(vectors.reshape(features.shape[0], features.shape[1], vectors.shape[1]))
        states: Tensor = steps if self.recurrent is None else self.recurrent(steps)[0]
        return states

    def forward(self, features: Tensor) -> Tensor:
        """(B, T, F, h, w) -> (B, width)."""
        summary: Tensor = self.pool(self.states(features))
        return summary


class ClipNet(nn.Module):
    """A net of pictures over the frames of a clip, and an LSTM or GRU over what it saw (Donahue et al. 2015).

    doi:10.1109/CVPR.2015.7298878; LSTM: Hochreiter and Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735; GRU: Cho et
    al. 2014, arXiv:1406.1078. The feature map that is exported is that of the last frame.

    Args:
        build: makes a net of pictures: `mien.nets.build_trunk`.
        cell: ``"lstm"``, ``"gru"``, or `NO_CELL`: each frame is seen for itself (see `cnn_mean`).
        in_channels: 1 for grey, 3 for colour.
        size: side of the frames in pixels.
        net, options: which net sees the frames, by name, and its options; a small residual net if not said, which stays
            small where options such as `batch_norm` change it.
        layers: recurrent layers, one on another.
        hidden: length of their states.
        bidirectional: read the clip backwards, too, and put both states side by side.
        dropout: share of what enters a recurrent layer that is dropped in training.
        pooling: how states become one vector: ``"attention"``, ``"last"`` or ``"mean"``.
    """

    inputs = (CLIP,)

    def __init__(
        self,
        build: Callable[..., Trunk],
        cell: str,
        /,
        *,
        in_channels: int = 1,
        size: int = 48,
        net: str = FRAME_NET,
        options: Mapping[str, Any] | None = None,
        layers: int = 1,
        hidden: int = 128,
        bidirectional: bool = False,
        dropout: float = 0.0,
        pooling: str = "attention",
    ) -> None:
        super().__init__()
        if pooling not in POOLING:
            raise UsageError(unknown("pooling over time", pooling, POOLING))
        if layers < 1 or hidden < 1 or not 0 <= dropout < 1:
            raise UsageError(
                f"expected layers and hidden of 1 or more and dropout in 0..1 (1 excluded), got {layers}, {hidden} and "
                f"{dropout}"
            )
        own = FRAME_OPTIONS if net == FRAME_NET else {}
        frame = build(net, in_channels=in_channels, size=size, options={**own, **(options or {})})
        if inputs_of(frame) != (IMAGE,):
            raise UsageError(f"expected a net of single pictures for the frames, got {net!r}, which takes clips")
        self.channels, self.smallest, self.any_size = frame.channels, frame.smallest, frame.any_size
        over_time = OverTime(
            take_neck(frame),
            frame.width,
            cell=cell,
            layers=layers,
            hidden=hidden,
            bidirectional=bidirectional,
            dropout=dropout,
            pooling=pooling,
        )
        self.neck: nn.Module = over_time
        self.width = over_time.width
        self.frame: Any = frame  # an nn.Module, which is registered by this

    def forward(self, clips: Tensor) -> Tensor:
        """(B, T, C, S, S) -> (B, T, F, h, w), the feature map of each frame."""
        features: Tensor = self.frame(clips.flatten(0, 1))
        maps: Tensor = features.reshape(*clips.shape[:2], *features.shape[1:])
        return maps

    def shown(self, features: Tensor) -> Tensor:
        """(B, T, F, h, w) -> (B, F, h, w), the map of the last frame."""
        show: Callable[[Tensor], Tensor] = getattr(self.frame, "shown", lambda same: same)
        return show(features[:, -1])

    def attention(self, clips: Tensor) -> Tensor:
        """How much each frame counts: (B, T, C, S, S) -> (B, T), which sum to 1.

        Raises:
            UsageError: the net pools without attention.
        """
        over_time = self.neck
        if not isinstance(over_time, OverTime) or not isinstance(over_time.pool, AttentionPooling):
            raise UsageError("expected a net with pooling=attention for weights over time, got one without")
        return over_time.pool.weights(over_time.states(self(clips)))


def cnn_mean(
    build: Callable[..., Trunk],
    /,
    *,
    in_channels: int = 1,
    size: int = 48,
    net: str = FRAME_NET,
    options: Mapping[str, Any] | None = None,
) -> ClipNet:
    """The mean over the frames of a clip of what a net of pictures sees in each: their order does not count.

    With linear heads, the logits of a clip are the mean of those of its frames: a net of single pictures, judged by
    clips. What a `ClipNet` with the same net of pictures can tell beyond it, it tells by time.
    """
    return ClipNet(build, NO_CELL, in_channels=in_channels, size=size, net=net, options=options, pooling="mean")


def take_neck(trunk: Trunk) -> nn.Module:
    """Move a net's neck out of it, so that whoever sums up its feature maps owns it alone."""
    neck = trunk.neck
    trunk.neck = nn.Identity()
    return neck
