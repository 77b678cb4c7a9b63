"""A net of torch as an `Explainer`: of a run, say."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mien.core.errors import UsageError
from mien.core.labels import LabelSet
from mien.core.registry import unknown
from mien.core.types import Floats
from mien.explanation.attention import BlockAttention, attention_blocks, attention_maps
from mien.explanation.explainer import expect_method
from mien.explanation.gradcam import net_maps, still
from mien.explanation.maps import to_unit
from mien.explanation.occlusion import occlusion
from mien.explanation.randomisation import Randomised, randomise
from mien.runtime.card import IMAGE, InputSpec
from mien.runtime.preprocess import Crops, fit_crops, to_tensor
from mien.runtime.temperature import apply_temperature


class NetExplainer:
    """Explains a net of pictures by all methods.

    Args:
        net: a `MultiHead`.
        input: what it sees.
        label_sets: head -> its labels; the first is the default head.
        name: of the model.
        temperatures: head -> that of its probabilities; 1 where there is none.

    Raises:
        UsageError: a net of clips.
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
        takes: tuple[str, ...] = getattr(net, "inputs", (IMAGE,))
        if takes != (IMAGE,):
            raise UsageError(
                f"expected a net of single pictures to explain, got {name}, which sees clips: call "
                "mien.explanation.gradcam.net_maps with clips, or choose another model"
            )
        self.name, self.net, self._input = name, net, input
        self._labels, self._temperatures = dict(label_sets), dict(temperatures or {})

    def label_set(self, head: str | None = None) -> LabelSet:
        """The labels of a head's columns; of the first head if None."""
        return self._labels[self._head(head)]

    def predict(self, crops: Crops, *, head: str | None = None) -> Floats:
        """(n, K) calibrated probabilities, as the exported model would give them in float32."""
        chosen = self._head(head)
        with still(self.net), torch.no_grad():
            parts = [
                self.net(*self._tensors(crops[start : start + 64]))[0][chosen] for start in range(0, len(crops), 64)
            ]
        if not parts:
            return torch.empty(0, len(self._labels[chosen])).numpy()
        raw: Floats = torch.cat(parts).softmax(1).numpy()
        return apply_temperature(raw, self._temperatures.get(chosen, 1.0))

    def maps(self, crops: Crops, classes: Sequence[int], *, method: str, head: str | None = None) -> Floats:
        """See `Explainer.maps`.

        Raises:
            UsageError: attention of a net that has none, or an unknown method.
        """
        expect_method(method)
        if method == "occlusion":
            fitted = fit_crops(crops, self._input)
            return to_unit(occlusion(lambda some: self.predict(some, head=head), fitted, classes))
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
        if not len(crops):
            return torch.empty(0, self._input.size, self._input.size).numpy()
        if method == "attention":
            return attention_maps(net, self._tensors(crops), name=self.name)
        return net_maps(net, self._tensors(crops), classes, head=head, method=method)[IMAGE]

    def _head(self, head: str | None) -> str:
        chosen = head or next(iter(self._labels))
        if chosen not in self._labels:
            raise UsageError(unknown(f"head of {self.name}", chosen, list(self._labels)))
        return chosen

    def _tensors(self, crops: Crops) -> tuple[Tensor]:
        return (torch.from_numpy(to_tensor(fit_crops(crops, self._input), self._input)),)
