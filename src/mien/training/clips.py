"""Clips in batches: frames as rows of resident pictures, changed alike over time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mien.core.errors import UsageError
from mien.datasets.clips import Clips
from mien.nets.heads import INPUTS
from mien.runtime.card import CLIP, IMAGE


@dataclass(frozen=True, eq=False)
class ClipRows:
    """Which resident pictures N clips are made of.

    Attributes:
        frames: (N, T) rows in order of time.
        peak: (N,) rows, what a net's input `image` sees.
        inputs: what the net takes, see `mien.nets.heads.inputs_of`.
    """

    frames: Tensor
    peak: Tensor
    inputs: tuple[str, ...] = INPUTS

    @classmethod
    def of(cls, clips: Clips) -> "ClipRows":
        """The rows of a table's clips."""
        return cls(torch.from_numpy(clips.frames), torch.from_numpy(clips.peak))

    def __len__(self) -> int:
        return len(self.peak)

    def rows(self, index: Tensor) -> Tensor:
        """Clips (B,) -> rows (B, P) of the pictures that the net sees of each: its frames, then its peak."""
        parts = {CLIP: self.frames[index], IMAGE: self.peak[index].unsqueeze(1)}
        return torch.cat([parts[each] for each in (CLIP, IMAGE) if each in self.inputs], 1)

    def split(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """(B, P, C, S, S), in the order of `rows` -> one tensor for each of `inputs`."""
        parts = {CLIP: pictures[:, : self.frames.shape[1]], IMAGE: pictures[:, -1]}
        return tuple(parts[each] for each in self.inputs)


def fit_to_net(clips: ClipRows | None, inputs: Sequence[str]) -> ClipRows | None:
    """The rows that a net of these inputs sees.

    Raises:
        UsageError: the data are clips and the net takes none, or the other way round.
    """
    if clips is None and CLIP in inputs:
        raise UsageError(
            "expected input.frames of 1 or more for a net that takes clips, got 0: say how many, such as "
            "--set input.frames=8"
        )
    if clips is not None and CLIP not in inputs:
        raise UsageError(
            f"expected a net that takes clips for input.frames={clips.frames.shape[1]}, got one of single pictures: "
            "leave input.frames at 0"
        )
    return None if clips is None else replace(clips, inputs=tuple(inputs))


def change_alike(
    pictures: Tensor, change: Callable[[Tensor, torch.Generator], Tensor], generator: torch.Generator
) -> Tensor:
    """Change all pictures of a clip in the same way.

    Args:
        pictures: (B, P, C, H, W).
        change: draws a change for each picture of (B, C, H, W).
        generator: gives the seed of the chance that all P share: one rotation, one light, one pattern of noise.

    Returns:
        (B, P * C, S, S): pictures one behind another, so that what mixes two faces mixes two clips.
    """
    seed = int(torch.randint(1 << 62, (), generator=generator))
    return torch.cat([change(each, torch.Generator().manual_seed(seed)) for each in pictures.unbind(1)], 1)
