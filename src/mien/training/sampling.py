"""Which faces an epoch draws, in which order."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from mien.training.data import Faces

SAMPLINGS = ("as-is", "balanced", "sqrt")
LANES = 16  # row groups that the faces of a batch come from in turns
TOGETHER = 2  # row groups of a lane whose faces are shuffled with each other


def draw_order(ids: Tensor, *, sampling: str, generator: torch.Generator) -> Tensor:
    """Indices of an epoch's faces, as many as there are.

    Args:
        ids: (N,) class ids of the first head, -1 where there is none.
        sampling: as-is (each face once, shuffled); balanced (each class as often as any other); sqrt (each class in
            proportion to the root of its count, half way between). The last two draw with replacement; faces without
            a label keep the share that they have.
        generator: source of chance, on the CPU.

    Returns:
        (N,) int64.
    """
    if sampling == "as-is":
        return torch.randperm(len(ids), generator=generator)
    return torch.multinomial(draw_weights(ids, sampling=sampling), len(ids), replacement=True, generator=generator)


def in_groups(order: Tensor, groups: Tensor, *, generator: torch.Generator) -> Tensor:
    """The faces of an epoch in an order in which only few row groups of their files are needed at a time.

    Row groups are shuffled and dealt to lanes; in each lane the faces of a few groups that follow each other keep the
    order that they were drawn in; the lanes give a face each in turns. So a batch has faces of `LANES * TOGETHER`
    groups chosen by chance; and of several processes, if their number divides that of the lanes and that the batch,
    each reads groups of its own.

    Args:
        order: (N,) indices of the faces, as `draw_order` gives them.
        groups: (M,) the row group of each face.
        generator: source of chance, on the CPU.

    Returns:
        (N,) the same indices.
    """
    count = int(groups.max()) + 1
    place = torch.randperm(count, generator=generator)[groups[order]]
    lanes = min(LANES, count)
    lane = place % lanes
    # Lanes change their groups at different times, so that reading is spread evenly.
    block = (place // lanes + lane * TOGETHER // lanes) // TOGETHER
    by_lane = (lane * (block.max() + 1) + block).argsort(stable=True)
    lane = lane[by_lane]
    sizes = torch.bincount(lane, minlength=lanes)
    turn = torch.arange(len(order)) - (sizes.cumsum(0) - sizes)[lane]
    return order[by_lane[(turn * lanes + lane).argsort()]]


def draw_weights(ids: Tensor, *, sampling: str) -> Tensor:
    """(N,) float64, in proportion to which faces are drawn: 1 on average over the labelled, and over the others."""
    ids = ids.cpu()
    labelled = ids >= 0
    weights = torch.ones(len(ids), dtype=torch.float64)
    if labelled.any():
        counts = torch.bincount(ids[labelled]).double()[ids[labelled]]
        drawn = 1 / counts if sampling == "balanced" else 1 / counts.sqrt()
        weights[labelled] = drawn / drawn.mean()
    return weights


def notes_on_data(faces: "Faces", *, batch: int) -> tuple[str, ...]:
    """What to say of training faces before they are learnt: classes that none shows, a batch that they do not fill."""
    notes = []
    for head, labels in faces.label_sets.items():
        counts = faces.targets[head].soft.sum(0).tolist()
        unseen = [label for label, count in zip(labels, counts, strict=True) if not count]
        if unseen:
            those = "it" if len(unseen) == 1 else "they"
            notes.append(f"no training face shows {', '.join(unseen)} (head {head}): {those} will hardly be predicted")
    if batch > len(faces):
        notes.append(f"a batch of {batch} is larger than the {len(faces)} training faces: each step takes all of them")
    return tuple(notes)
