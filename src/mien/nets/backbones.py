"""Any backbone of timm (Wightman 2019, doi:10.5281/zenodo.4414861) as a trunk, by its timm name."""

import difflib
import math
from typing import Any

import timm
import torch
from torch import Tensor, nn

from mien.core.errors import UsageError, first_line

# What timm's factory takes and mien decides.
OURS = ("cache_dir", "checkpoint_path", "features_only", "img_size", "in_chans", "num_classes")
# Which sizes of pictures a net takes.
ANY, OWN, ONE = "any", "own", "one"


def knows(name: str) -> bool:
    """Whether timm has a net of this name; a tag of its weights may follow, as in ``"resnet50.a1_in1k"``."""
    return bool(timm.is_model(name))


def names_like(name: str) -> list[str]:
    """Up to three names of timm's that are spelt much like this one."""
    return difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.75)


class TimmNeck(nn.Module):
    """Sums up as timm defines it for the net: pooling or class token, norm, hidden layers, all but the classifier.

    The layers belong to the backbone; this knows them without owning them, so that they are counted once.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._model: tuple[Any] = (model,)  # in a tuple, a module is not registered

    def forward(self, features: Tensor) -> Tensor:
        """What the backbone's call gives -> (B, width)."""
        summary: Tensor = self._model[0].forward_head(features, pre_logits=True)
        return summary


class Backbone(nn.Module):
    """A net of timm without its classifier.

    Its call gives what timm's `forward_features` gives: a map (B, F, h, w) or (B, h, w, F), or tokens (B, P + h w, F)
    after P of another kind, such as the class token. `shown` is the map (B, F, h, w) of each.

    Args:
        name: in timm's list.
        in_channels: 1 for grey, 3 for colour.
        size: side of the pictures. Nets of convolutions take any from `smallest` on, transformers this one only.
        options: further arguments of timm's factory, such as `drop_path_rate`, `global_pool` or `dynamic_img_size`.
    """

    def __init__(self, name: str, /, *, in_channels: int = 1, size: int = 48, **options: Any) -> None:
        super().__init__()
        self.name = name
        self.model, sizes = _create(name, in_channels, size, options)
        self.neck: nn.Module = TimmNeck(self.model)
        self.prefix = int(getattr(self.model, "num_prefix_tokens", 0))
        # Where a stage of the net ends, for those who train some of them only.
        self.stage_ends = tuple(f"model.{each['module']}" for each in _feature_info(self.model) if each.get("module"))

        self.model.eval()
        # A smaller picture than the stride of the last map would be but a part of a place.
        stride = max((int(each["reduction"]) for each in _feature_info(self.model)), default=1)
        if sizes == ANY:
            self.smallest = self._smallest_from(stride, in_channels)
        else:
            self.smallest = stride if sizes == OWN else size
        if size < self.smallest:
            raise UsageError(f"expected pictures of {self.smallest} pixels or more for the net {name!r}, got {size}")
        # Some nets of convolutions join maps that fit one another at multiples of their stride only.
        odd = (self.smallest + 1, self.smallest + stride // 2)
        self.any_size = sizes == ANY and all(self._takes(each, in_channels) for each in odd)
        vector, shown = self._look(in_channels, self.smallest if self.any_size else size)
        self.channels, self.width = shown.shape[1], vector.shape[1]
        self.model.train()

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, S, S) -> maps or tokens, as the net has them."""
        features: Tensor = self.model.forward_features(images)
        return features

    def shown(self, features: Tensor) -> Tensor:
        """What the call gives -> the map (B, F, h, w)."""
        if features.ndim == 4:
            return features.permute(0, 3, 1, 2) if _is_channels_last(self.model) else features
        places = features[:, self.prefix :].transpose(1, 2)  # (B, F, h * w)
        side = math.isqrt(places.shape[2])
        return places.reshape(places.shape[0], places.shape[1], side, side)

    def _look(self, in_channels: int, size: int) -> tuple[Tensor, Tensor]:
        """The vector and the map of a black picture; UsageError where the net gives none."""
        try:
            with torch.no_grad():
                features = self(torch.zeros(1, in_channels, size, size))
                vector, shown = self.neck(features), self.shown(features)
        except Exception as error:  # whatever the net's own code raises
            raise UsageError(
                f"expected a timm net with one feature map that takes pictures of {size} pixels, got {self.name!r}: "
                f"{first_line(error)}"
            ) from error
        if vector.ndim != 2 or shown.ndim != 4:
            raise UsageError(f"expected options with which {self.name!r} gives a vector and a map, got others")
        return vector, shown

    def _smallest_from(self, stride: int, in_channels: int) -> int:
        """The smallest side from `stride` on that the net takes, found by trying; all sides from there on are taken."""
        if self._takes(stride, in_channels):
            return stride
        refused, taken = stride, stride * 2
        while not self._takes(taken, in_channels):
            refused, taken = taken, taken * 2
            if taken > 1024:
                self._look(in_channels, 224)  # says why
                raise UsageError(f"expected a timm net that takes pictures, got {self.name!r}")
        while taken - refused > 1:
            middle = (refused + taken) // 2
            refused, taken = (refused, middle) if self._takes(middle, in_channels) else (middle, taken)
        return taken

    def _takes(self, size: int, in_channels: int) -> bool:
        try:
            self._look(in_channels, size)
        except UsageError:
            return False
        return True


def _create(name: str, in_channels: int, size: int, options: dict[str, Any]) -> tuple[Any, str]:
    """The net, and which sizes it takes: `ANY`, its `OWN` (given when it is made), or the `ONE` of its weights."""
    if ours := [key for key in options if key in OURS or key.startswith("pretrained")]:
        raise UsageError(
            f"expected options of the net {name!r} itself, got {', '.join(ours)}: size and channels are those of "
            "`input`, pretrained weights are named by `weights`"
        )
    try:
        cfg = timm.get_pretrained_cfg(name)
    except RuntimeError as error:
        raise UsageError(f"expected a tag of {name.partition('.')[0]!r} that timm knows, got: {error}") from error
    given = {"num_classes": 0, "in_chans": in_channels, **options}
    if cfg is None or not cfg.fixed_input_size:
        return timm.create_model(name, **given), ANY
    try:
        model = _create_at(name, size, given)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        one = int(cfg.input_size[-1])
        if size != one:
            raise UsageError(
                f"expected pictures of {one} pixels for the net {name!r}, got {size}: set input.size={one}"
            ) from error
        return timm.create_model(name, **given), ONE
    return model, ANY if options.get("dynamic_img_size") else OWN


def _create_at(name: str, size: int, given: dict[str, Any]) -> Any:
    """A net that is made for pictures of one side, which TypeError says it cannot be told."""
    try:
        model = timm.create_model(name, img_size=size, **given)
    except TypeError:
        raise
    except Exception as error:  # whatever the net's own code raises
        raise UsageError(
            f"expected pictures of a side that the net {name!r} takes, got {size}: {first_line(error)}"
        ) from error
    patch = getattr(getattr(model, "patch_embed", None), "patch_size", None)
    if isinstance(patch, tuple) and size > patch[0] and size % patch[0]:
        raise UsageError(f"expected a side in multiples of {patch[0]} pixels for the net {name!r}, got {size}")
    return model


def _feature_info(model: Any) -> list[dict[str, Any]]:
    return list(getattr(model, "feature_info", None) or [])


def _is_channels_last(model: Any) -> bool:
    stated = getattr(model, "output_fmt", "NCHW")
    return str(getattr(stated, "value", stated)).upper() == "NHWC"
