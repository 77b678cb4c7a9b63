"""What becomes of a model's answer where a part of the face is covered. No torch; any model that answers will do."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from mien.core.errors import UsageError
from mien.core.types import Floats

Pictures = npt.NDArray[np.uint8]
Predict = Callable[[Pictures], Floats]

PATCH, STRIDE = 1 / 4, 1 / 12  # of the face's side


def occlusion(
    predict: Predict,
    pictures: Pictures,
    classes: Sequence[int] | npt.NDArray[np.intp],
    *,
    patch: int | None = None,
    stride: int | None = None,
    batch: int = 64,
    clips: bool = False,
) -> Floats:
    """How much less probable a class becomes where a grey patch covers the face (Zeiler and Fergus 2014).

    Each pixel's value is the mean fall of the class's probability over all places of the patch that cover it
    (doi:10.1007/978-3-319-10590-1_53). The patch has the mean grey, or colour, of the face: black would be a signal.

    Args:
        predict: pictures -> (n, K) probabilities.
        pictures: (n, H, W) grey or (n, H, W, 3) RGB uint8; of clips (n, T, H, W) or (n, T, H, W, 3), of which one
            frame is covered at a time.
        classes: (n,) ids of the class that each map is for.
        patch: its side in pixels; a quarter of the picture's if None.
        stride: how far it moves; a twelfth of the picture's side if None.
        batch: how many pictures, or clips, are looked at together.
        clips: whether `pictures` are clips.

    Returns:
        (n, H, W) float32, of clips (n, T, H, W); negative where covering makes the class more probable.

    Raises:
        UsageError: a patch larger than the picture, or a stride below 1.
    """
    first = 2 if clips else 1
    height, width = pictures.shape[first : first + 2]
    side = min(height, width)
    patch, stride = patch or math.ceil(side * PATCH), stride or max(1, round(side * STRIDE))
    if not 1 <= patch <= side or stride < 1:
        raise UsageError(f"expected a patch in 1..{side} pixels and a stride of 1 or more, got {patch} and {stride}")
    frames = pictures.shape[1] if clips else 1
    spots = [
        (frame, y, x)
        for frame in range(frames)
        for y in _starts(height, patch, stride)
        for x in _starts(width, patch, stride)
    ]
    maps = np.empty((len(pictures), frames, height, width), np.float32)
    for out, picture, which in zip(maps, pictures, classes, strict=True):
        out[:] = _falls(predict, picture if clips else picture[None], int(which), spots, patch, batch, clips=clips)
    return maps if clips else maps[:, 0]


def _falls(
    predict: Predict,
    frames: Pictures,
    which: int,
    spots: list[tuple[int, int, int]],
    patch: int,
    batch: int,
    *,
    clips: bool,
) -> Floats:
    """(T, H, W) of one face, whose frames these are."""
    whole = frames if clips else frames[0]
    before = float(predict(whole[None])[0, which])
    total, times = np.zeros(frames.shape[:3]), np.zeros(frames.shape[:3])
    means = np.rint(frames.mean((1, 2))).astype(np.uint8)  # (T,) or (T, 3)
    for start in range(0, len(spots), batch):
        some = spots[start : start + batch]
        covered = np.repeat(frames[None], len(some), 0)
        for one, (t, y, x) in zip(covered, some, strict=True):
            one[t, y : y + patch, x : x + patch] = means[t]
        after = predict(covered if clips else covered[:, 0])[:, which]
        for (t, y, x), probability in zip(some, after.tolist(), strict=True):
            total[t, y : y + patch, x : x + patch] += before - probability
            times[t, y : y + patch, x : x + patch] += 1
    found: Floats = (total / np.maximum(times, 1)).astype(np.float32)
    return found


def _starts(length: int, patch: int, stride: int) -> list[int]:
    """Where the patch begins: every `stride` pixels until it reaches the end, past which its last place may stand."""
    steps = math.ceil((length - patch) / stride) + 1
    return [step * stride for step in range(steps)]
