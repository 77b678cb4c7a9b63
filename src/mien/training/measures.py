"""What is measured in each epoch, on the training faces as they were drawn and on the validation faces."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score
from torchmetrics.regression import ConcordanceCorrCoef

from mien.core.labels import LabelSet
from mien.runtime.card import AFFECT, VALENCE_AROUSAL
from mien.training.data import Batch, Targets

_TOGETHER = 64  # batches that are counted at once


class Measures(nn.ModuleDict):
    """Metrics by the name that they have in `metrics.csv`.

    What is taken in is counted some batches at a time: a GPU has to be waited for each time, and each takes as long as
    a good part of a small net's step.
    """

    def __init__(self, label_sets: Mapping[str, LabelSet], *, affect: bool) -> None:
        # What is not a number is not left out of a mean: it makes the mean one.
        found: dict[str, Metric] = {f"{split}_loss": MeanMetric(nan_strategy=math.nan) for split in ("train", "valid")}
        for head, labels in label_sets.items():
            for split in ("train", "valid"):
                found[f"{split}_accuracy_{head}"] = _by_class(MulticlassAccuracy, labels, average="micro")
            found[f"valid_macro_f1_{head}"] = _by_class(MulticlassF1Score, labels, average="macro")
        if affect:
            found |= {f"{split}_ccc_{name}": ConcordanceCorrCoef() for split in ("train", "valid") for name in AFFECT}
        super().__init__(found)
        self._waiting: dict[str, list[tuple[Tensor, ...]]] = {}

    def count(self, split: str, logits: Mapping[str, Tensor], batch: Batch, loss: Tensor) -> None:
        """Take in a batch: its loss, and what each head answered."""
        self._add(f"{split}_loss", loss.detach().view(1), torch.full((1,), float(len(batch))))
        for head, targets in batch.targets.items():
            answers = logits[head].detach()
            if head == VALENCE_AROUSAL:
                self._count_affect(split, answers, targets)
                continue
            self._add(f"{split}_accuracy_{head}", answers, targets.ids)
            if split == "valid":
                self._add(f"{split}_macro_f1_{head}", answers, targets.ids)

    def _count_affect(self, split: str, answers: Tensor, targets: Targets) -> None:
        known = targets.weights > 0
        if known.any():
            for column, name in enumerate(AFFECT):
                self._add(f"{split}_ccc_{name}", answers[known, column].float().tanh(), targets.soft[known, column])

    def _add(self, name: str, *values: Tensor) -> None:
        waiting = self._waiting.setdefault(name, [])
        waiting.append(values)
        if len(waiting) == _TOGETHER:
            self._count_waiting(name)

    def _count_waiting(self, name: str) -> None:
        metric: Any = self[name]
        if waiting := self._waiting.pop(name, []):
            metric.update(*(torch.cat(each).to(metric.device) for each in zip(*waiting, strict=True)))

    def collect(self) -> dict[str, float]:
        """What was measured since the last call, by name; starts anew."""
        for name in list(self._waiting):
            self._count_waiting(name)
        collected = {name: float(metric.compute()) for name, metric in self.items()}  # type: ignore[operator]
        self.reset()
        return collected

    def reset(self) -> None:
        """Measure from zero."""
        self._waiting.clear()
        for metric in self.values():
            metric.reset()  # type: ignore[operator]


def selection(measured: Mapping[str, float], select: str) -> float:
    """The figure that makes an epoch the best one, larger is better: the mean over the heads, or minus the loss."""
    if select == "loss":
        return -measured["valid_loss"]
    heads = [value for name, value in measured.items() if name.startswith(f"valid_{select}")]
    return sum(heads) / len(heads)


def _by_class(kind: Callable[..., Metric], labels: LabelSet, *, average: str) -> Metric:
    return kind(len(labels), average=average, ignore_index=-1, validate_args=False)
