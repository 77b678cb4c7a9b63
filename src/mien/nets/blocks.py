"""What the nets are put together from: convolutions with all that goes with them, in one style a net."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from mien.core.errors import UsageError
from mien.core.registry import unknown
from mien.nets.attention import attention_of

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
}
POOLS = ("max", "avg", "stride")


@dataclass(frozen=True, kw_only=True)
class Style:
    """What all convolutions of a net have in common.

    Attributes:
        kernel: side of the convolutions, odd.
        batch_norm: normalise what each convolution gives over the batch (Ioffe and Szegedy 2015, arXiv:1502.03167).
        activation: one of `ACTIVATIONS`.
        pool: how a map is halved: by the maximum or the mean of 2 x 2 places, or by a convolution of stride 2.
        reduction: how many times fewer values the hidden layer of channel attention has than the map has channels.
    """

    kernel: int = 3
    batch_norm: bool = True
    activation: str = "relu"
    pool: str = "max"
    reduction: int = 16

    def __post_init__(self) -> None:
        switch(self.batch_norm, "batch_norm")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise UsageError(f"expected an odd kernel of 1 or more, got {self.kernel}")
        if self.reduction < 1:
            raise UsageError(f"expected a reduction of 1 or more, got {self.reduction}")
        if self.activation not in ACTIVATIONS:
            raise UsageError(unknown("activation", self.activation, list(ACTIVATIONS)))
        if self.pool not in POOLS:
            raise UsageError(unknown("pool", self.pool, POOLS))


def conv_norm(inputs: int, outputs: int, kernel: int, *, stride: int = 1, batch_norm: bool = True) -> nn.Sequential:
    """Convolution that keeps the size (but for its stride), then batch normalisation; a bias stands in for it."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=not batch_norm)
    return nn.Sequential(conv, *([nn.BatchNorm2d(outputs)] if batch_norm else []))


def activation_of(style: Style) -> nn.Module:
    """The activation that a style names."""
    return ACTIVATIONS[style.activation]()


def pool_of(style: Style) -> nn.Module:
    """What halves a map beside the convolutions, a last odd row or column counted as a whole: see `halved`."""
    if style.pool == "stride":
        return nn.Identity()
    return (nn.MaxPool2d if style.pool == "max" else nn.AvgPool2d)(2, ceil_mode=True)


def halved(side: int, times: int) -> int:
    """Side of a map of `side` pixels after `times` halvings, by whichever pool."""
    return -(-side // (1 << times))


def conv_block(
    inputs: int, outputs: int, *, style: Style, convolutions: int = 1, attention: str = "none", dropout: float = 0.0
) -> nn.Sequential:
    """Convolutions with norm and activation, attention, a pool that halves the map, dropout.

    (B, inputs, H, W) -> (B, outputs, H / 2, W / 2), rounded up.
    """
    layers: list[nn.Module] = []
    for each in range(convolutions):
        stride = 2 if style.pool == "stride" and each == convolutions - 1 else 1
        conv = conv_norm(inputs, outputs, style.kernel, stride=stride, batch_norm=style.batch_norm)
        layers += [*conv, activation_of(style)]
        inputs = outputs
    parts = OrderedDict(
        convolutions=nn.Sequential(*layers),
        attention=attention_of(attention, outputs, reduction=style.reduction),
        pool=pool_of(style),
        dropout=nn.Dropout(dropout),
    )
    return nn.Sequential(parts)


def dense_layers(
    inputs: int, widths: Sequence[int], *, activation: str = "relu", batch_norm: bool = False, dropout: float = 0.0
) -> nn.Sequential:
    """Linear layers with norm if wanted, activation and dropout: (B, inputs) -> (B, last width)."""
    layers: list[nn.Module] = []
    for width in widths:
        norm = [nn.BatchNorm1d(width)] if batch_norm else []
        layers += [nn.Linear(inputs, width, bias=not batch_norm), *norm, ACTIVATIONS[activation](), nn.Dropout(dropout)]
        inputs = width
    return nn.Sequential(*layers)


def one_each(value: Any, count: int, what: str) -> list[Any]:
    """An option as a list of `count`: a single value stands for all of them.

    Raises:
        UsageError: a list of another length.
    """
    if isinstance(value, str) or not isinstance(value, Sequence):
        return [value] * count
    if len(value) != count:
        raise UsageError(f"expected one {what} for all or {count} of them, got {len(value)}: {list(value)}")
    return list(value)


def switch(value: object, name: str) -> bool:
    """An option that is on or off; UsageError for words, which would all be on."""
    if not isinstance(value, bool):
        raise UsageError(f"expected {name} true or false, got {value!r}")
    return value


def rates(dropout: float | Sequence[float], count: int) -> list[float]:
    """Dropout as a list of `count` rates; UsageError unless all are in 0..1, 1 excluded."""
    each = one_each(dropout, count, "dropout rate")
    if not all(0 <= rate < 1 for rate in each):
        raise UsageError(f"expected dropout rates in 0..1 (1 excluded), got {dropout}")
    return each


def attentions(attention: str | Sequence[str], count: int) -> list[str]:
    """Attention as a list of `count` kinds; ``"self"`` alone stands for the last map, which is small."""
    if attention == "self":
        return ["none"] * (count - 1) + ["self"]
    return one_each(attention, count, "kind of attention")
