"""A net of torch as an `Explainer`: of a run, say."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mien.core.errors import UsageError
from mien.core.labels import LabelSet
from mien.core.registry import unknown
from mien.core.types import Floats
from mien.explanation.attention import BlockAttention, attention_blocks, attention_maps
from mien.explanation.explainer import expect_method, occluded
from mien.explanation.gradcam import net_maps, still
from mien.explanation.maps import to_unit
from mien.explanation.randomisation import Randomised, randomise
from mien.runtime.card import CLIP, IMAGE, InputSpec
from mien.runtime.preprocess import Crops, clips_to_tensor, fit_crops, to_tensor
from mien.runtime.temperature import apply_temperature


class NetExplainer:
    """Explains a net of pictures by all methods, a net of clips by all but attention.

    A net that sees a picture beside the clip, its peak, is shown the clip's last frame; the map of that frame then
    holds what either input says of it.

    Args:
        net: a `MultiHead`.
        input: what it sees.
        label_sets: head -> its labels; the first is the default head.
        name: of the model.
        temperatures: head -> that of its probabilities; 1 where there is none.
    """

    def __init__(
        self,
        net: nn.Module,
        input: InputSpec,
        label_sets: Mapping[str, LabelSet],
        *,
        name: str,
        temperatures: Mapping[str, float] | None = None,
    ) -> None:
        self._takes: tuple[str, ...] = getattr(net, "inputs", (IMAGE,))
        self.name, self.net, self._input = name, net, input
        self._labels, self._temperatures = dict(label_sets), dict(temperatures or {})

    def label_set(self, head: str | None = None) -> LabelSet:
        """The labels of a head's columns; of the first head if None."""
        return self._labels[self._head(head)]

    def predict(self, crops: Crops, *, head: str | None = None) -> Floats:
        """(n, K) calibrated probabilities, as the exported model would give them in float32."""
        chosen = self._head(head)
        batch = 64 // max(1, self._input.frames) or 1
        with still(self.net), torch.no_grad():
            parts = [
                self.net(*self._tensors(crops[start : start + batch]))[0][chosen]
                for start in range(0, len(crops), batch)
            ]
        if not parts:
            return torch.empty(0, len(self._labels[chosen])).numpy()
        raw: Floats = torch.cat(parts).softmax(1).numpy()
        return apply_temperature(raw, self._temperatures.get(chosen, 1.0))

    def maps(self, crops: Crops, classes: Sequence[int], *, method: str, head: str | None = None) -> Floats:
        """See `Explainer.maps`.

        Raises:
            UsageError: attention of a net that has none, or of clips; an unknown method.
        """
        expect_method(method)
        if method == "occlusion":
            return occluded(self, crops, classes, self._input, head=head)
        return self._maps_of(self.net, crops, classes, method=method, head=self._head(head))

    def attention(self, crops: Crops) -> list[BlockAttention]:
        """The weights of each attention layer, see `attention_blocks`."""
        return attention_blocks(self.net, self._tensors(crops))

    def randomise(
        self, crops: Crops, classes: Sequence[int], *, method: str, head: str | None = None, seed: int = 0
    ) -> Randomised:
        """How much the maps of these faces depend on what the net has learnt, see `randomise`."""
        chosen = self._head(head)

        def explain(net: nn.Module) -> Floats:
            if method != "occlusion":
                return self._maps_of(net, crops, classes, method=method, head=chosen)
            other = NetExplainer(net, self._input, self._labels, name=self.name)
            return other.maps(crops, classes, method=method, head=chosen)

        return randomise(self.net, explain, seed=seed)

    def _maps_of(self, net: nn.Module, crops: Crops, classes: Sequence[int], *, method: str, head: str) -> Floats:
        if method == "attention" and CLIP in self._takes:
            raise UsageError(
                f"expected a net of single pictures for the method attention, got {self.name}, which sees clips: "
                "choose gradcam, eigencam or occlusion"
            )
        if not len(crops):
            frames = (self._input.frames,) if CLIP in self._takes else ()
            return torch.empty(0, *frames, self._input.size, self._input.size).numpy()
        if method == "attention":
            return attention_maps(net, self._tensors(crops), name=self.name)
        found = net_maps(net, self._tensors(crops), classes, head=head, method=method)
        if CLIP not in found:
            return found[IMAGE]
        maps = found[CLIP]
        if IMAGE in found:
            maps[:, -1] += found[IMAGE]
        return to_unit(maps)

    def _head(self, head: str | None) -> str:
        chosen = head or next(iter(self._labels))
        if chosen not in self._labels:
            raise UsageError(unknown(f"head of {self.name}", chosen, list(self._labels)))
        return chosen

    def _tensors(self, crops: Crops) -> tuple[Tensor, ...]:
        """What the net takes, in its order."""
        if CLIP not in self._takes:
            return (torch.from_numpy(to_tensor(fit_crops(crops, self._input), self._input)),)
        clips = torch.from_numpy(clips_to_tensor(crops, self._input))
        return tuple(clips if each == CLIP else clips[:, -1] for each in self._takes)
