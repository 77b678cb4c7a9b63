"""A net without one of its parts: by its name and options, and what of the part is in a net that was built."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from mien.nets import NETS
from mien.nets.fusion import BRANCHES
from mien.nets.temporal import FRAME_NET

RECURRENT = ("cnn-lstm", "cnn-gru")
OF_CLIPS = (*RECURRENT, "cnn-mean")

# What mien and timm call layers that weigh places or channels by what they see.
_ATTENTION = re.compile(r"Attention|Attn|Squeeze|SEModule|SelectiveKernel|EcaModule|EseModule|GlobalContext|Cbam")
_RATE = re.compile(r"drop\w*_rate$")  # timm's options

Options = dict[str, Any]
Net = tuple[str, Options]  # its name and its options


def without(part: str, net: str, options: Mapping[str, Any]) -> Net:
    """A net, and all nets that it is made of, without a part; as they are where they have no option for that.

    >>> without("attention", "resnet-cbam", {})
    ('resnet-cbam', {'attention': 'none'})
    >>> without("temporal", "cnn-gru", {"hidden": 64})
    ('cnn-mean', {'net': 'resnet', 'options': {}})

    Args:
        part: dropout, batchnorm, attention or temporal.
        net: its name.
        options: its options.
    """
    own = dict(options)
    if net == "fusion":
        own["branches"] = {name: _branch(part, each) for name, each in own.get("branches", BRANCHES).items()}
    elif net in OF_CLIPS:
        own["net"], own["options"] = without(part, own.get("net", FRAME_NET), own.get("options") or {})
    return _CHANGES[part](net, own)


def _branch(part: str, settings: Mapping[str, Any]) -> Options:
    net, options = without(part, settings["net"], settings.get("options", {}))
    return {**settings, "net": net, "options": options}


def _no_dropout(net: str, options: Options) -> Net:
    if net in RECURRENT or _is_ours(net):
        return net, {**options, "dropout": 0.0}
    return net, {key: 0.0 if _RATE.search(key) else value for key, value in options.items()}


def _no_batchnorm(net: str, options: Options) -> Net:
    return net, {**options, "batch_norm": False} if _is_ours(net) else options


def _no_attention(net: str, options: Options) -> Net:
    if net in RECURRENT:  # over time, it is how states are pooled
        return net, {**options, "pooling": "mean"} if options.get("pooling", "attention") == "attention" else options
    return net, {**options, "attention": "none"} if _is_ours(net) else options


def _no_time(net: str, options: Options) -> Net:
    """What sees each frame, and the mean over the frames: judged by clips as before."""
    if net not in RECURRENT:
        return net, options
    return "cnn-mean", {key: options[key] for key in ("net", "options")}


def _is_ours(net: str) -> bool:
    """Whether a net is one of pictures out of mien's own, all of which have the same switches."""
    return net in NETS and net not in (*OF_CLIPS, "fusion")


_CHANGES: Mapping[str, Callable[[str, Options], Net]] = {
    "dropout": _no_dropout,
    "batchnorm": _no_batchnorm,
    "attention": _no_attention,
    "temporal": _no_time,
}


def has(part: str, net: nn.Module) -> bool:
    """Whether a net has layers of a part: see `without`."""
    return any(map(_IS_ONE[part], net.modules()))


def _drops(module: nn.Module) -> bool:
    if isinstance(module, nn.RNNBase):
        return module.dropout > 0
    rate = module.p if isinstance(module, _DropoutNd) else getattr(module, "drop_prob", 0.0)  # timm's stochastic depth
    return bool(rate)


_IS_ONE: Mapping[str, Callable[[nn.Module], bool]] = {
    "dropout": _drops,
    "batchnorm": lambda module: isinstance(module, _BatchNorm),
    "attention": lambda module: bool(_ATTENTION.search(type(module).__name__)),
    "temporal": lambda module: isinstance(module, nn.RNNBase),
}
