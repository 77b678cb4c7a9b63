"""Teachers that answer beside each step, for the very faces that the student sees (Beyer et al. 2022).

Beyer, Zhai, Royer, Markeeva, Anil, Kolesnikov 2022, "Knowledge distillation: A good teacher is patient and consistent",
doi:10.1109/CVPR52688.2022.01065: an answer that is given once for a face is of little use beside its label, since a
teacher knows its training faces; what it says of a face that was changed, or mixed with another, it was not told. The
targets of a face are as in `distill`, with the nets as they are, not calibrated:

    (1 - w) label + w mean over teachers of softmax(logits / T)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from mien.core.errors import TrainingError
from mien.core.labels import LabelSet
from mien.nets.heads import MultiHead
from mien.runtime.card import InputSpec
from mien.training.data import Targets


@dataclass(frozen=True, eq=False)
class TeachingNet:
    """A trained net.

    Attributes:
        net: in evaluation mode. size: side of the pictures that it learnt from.
        columns: head -> (K,) where the student's labels stand in the net's; heads that the student lacks are left out.
    """

    net: MultiHead
    size: int
    columns: Mapping[str, Tensor]

    @classmethod
    def of(
        cls,
        net: MultiHead,
        seen: InputSpec,
        label_sets: Mapping[str, LabelSet],
        *,
        student: InputSpec,
        wanted: Mapping[str, LabelSet],
    ) -> "TeachingNet":
        """A net that saw `seen` and has these labels, for a student that sees `student` and learns those wanted.

        Raises:
            TrainingError: it saw other colours or values than the student does, or clips, or has no head of its.
        """
        if replace(seen, size=student.size) != student or student.frames:
            raise TrainingError(
                "expected teachers that see what the student sees, its size apart, for distill_on 'batches', got "
                f"{seen.color} with mean {seen.mean} and deviation {seen.std}: take distill_on 'faces'"
            )
        found = {head: labels.columns_in(label_sets[head]) for head, labels in wanted.items() if head in label_sets}
        columns = {head: torch.from_numpy(each) for head, each in found.items() if each.min() >= 0}
        if not columns:
            ours, theirs = ", ".join(wanted), ", ".join(label_sets)
            raise TrainingError(f"expected a teacher with a head out of {ours} and its labels, got {theirs}")
        return cls(net.eval().requires_grad_(False).to(memory_format=torch.channels_last), seen.size, columns)


class Teaching:
    """Nets that answer together; their weights are no part of the student's."""

    def __init__(self, nets: Sequence[TeachingNet], *, weight: float, temperature: float) -> None:
        self._nets = list(nets)
        self._weight = weight
        self._temperature = temperature

    def to(self, device: torch.device) -> None:
        """Move the nets to a device."""
        self._nets = [
            replace(each, net=each.net.to(device), columns={head: c.to(device) for head, c in each.columns.items()})
            for each in self._nets
        ]

    @torch.no_grad()
    def taught(self, images: Tensor, targets: Mapping[str, Targets]) -> dict[str, Targets]:
        """Targets with the nets' share in them.

        Args:
            images: (B, C, S, S) as the student sees them; a net that learnt from larger ones gets them enlarged.
            targets: of each head.
        """
        said: dict[str, list[Tensor]] = {}
        for each in self._nets:
            fitting = images
            if images.shape[-1] != each.size:
                fitting = functional.interpolate(images, size=each.size, mode="bilinear", align_corners=False)
            logits, _ = each.net(fitting)
            for head, columns in each.columns.items():
                said.setdefault(head, []).append((logits[head][:, columns].float() / self._temperature).softmax(1))
        given = {head: share_of(targets[head], torch.stack(each).mean(0), self._weight) for head, each in said.items()}
        return {**targets, **given}


def share_of(labels: Targets, answers: Tensor, weight: float) -> Targets:
    """Targets with a share of answers (N, K); where there is no label, the answer alone, weighing that share."""
    known = labels.weights > 0
    soft = torch.where(known[:, None], (1 - weight) * labels.soft + weight * answers, answers)
    return replace(labels, soft=soft, weights=torch.where(known, labels.weights, weight))
