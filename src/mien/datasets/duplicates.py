"""Find the copies of a picture among many: equal in every pixel, or nearly so, mirrored ones too.

A near copy is found in two steps. The perceptual hash of a picture is the signs of its 64 lowest frequencies (DCT of
32 x 32 grey, without the mean), so brightness and contrast do not matter to it; pictures whose hashes differ in few
bits are candidates. Then the pixels decide: the correlation of the two 32 x 32 pictures, which again brings both to
one brightness and contrast. No step compares every picture with every other.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mien.core.images import to_gray

DISTANCE = 11  # bits of 64 in which the hashes of copies may differ; what 99 % of FER2013's near copies stay within
SIMILARITY = 0.95  # least correlation: of 60 pairs of FER2013 just above it, all show one photograph, cropped anew

SIDE = 32
_BITS = 64
_BANDS, _BAND_BITS = 4, 16
_FREQUENCIES = 9  # in each direction; enough for the 64 lowest
_PAIRS_AT_ONCE = 1 << 17  # candidates held at a time: a megabyte a column, which stays in the processor's cache
_PICTURES_AT_ONCE = 2048
_MOST_IN_BUCKET = 4096  # of one key; beyond it, where all look alike, each is compared with so many of them

Ids = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """What is kept of n pictures to compare them by: about a kilobyte each.

    Attributes:
        small: (n, 32, 32) uint8 grey. hashes: (n,) uint64. spread: (n,) float32 standard deviation of the grey values.
    """

    small: npt.NDArray[np.uint8]
    hashes: Hashes
    spread: npt.NDArray[np.float32]

    @classmethod
    def of(cls, images: npt.NDArray[np.uint8], *, tell: Callable[[int], None] = lambda done: None) -> "Fingerprints":
        """Of pictures (n, H, W) or (n, H, W, 3) of any size; `tell` is called with how many were seen."""
        small = np.empty((len(images), SIDE, SIDE), np.uint8)
        spread = np.empty(len(images), np.float32)
        for row, image in enumerate(images):
            gray = image if image.ndim == 2 else to_gray(image)
            spread[row] = gray.std()
            cv2.resize(gray, (SIDE, SIDE), dst=small[row], interpolation=cv2.INTER_AREA)
            if (row + 1) % _PICTURES_AT_ONCE == 0:
                tell(row + 1)
        parts = [_hash(small[at : at + _PICTURES_AT_ONCE]) for at in range(0, len(small), _PICTURES_AT_ONCE)]
        return cls(small, np.concatenate([np.empty(0, np.uint64), *parts]), spread)

    @classmethod
    def concatenate(cls, parts: Sequence["Fingerprints"]) -> "Fingerprints":
        """Those of several collections, one after the other."""
        return cls(
            np.concatenate([each.small for each in parts]),
            np.concatenate([each.hashes for each in parts]),
            np.concatenate([each.spread for each in parts]),
        )

    def select(self, which: Ids) -> "Fingerprints":
        """Those of some pictures."""
        return Fingerprints(self.small[which], self.hashes[which], self.spread[which])

    def __len__(self) -> int:
        return len(self.small)


def near_pairs(
    prints: Fingerprints,
    *,
    distance: int = DISTANCE,
    similarity: float = SIMILARITY,
    tell: Callable[[float], None] = lambda share: None,
) -> tuple[Ids, Ids]:
    """The pairs of pictures that are nearly the same, or nearly each other's mirror image.

    Args:
        prints: of the pictures.
        distance: most bits, 0 to 11, in which their hashes may differ.
        similarity: least correlation of their pixels.
        tell: called with the share that is done.

    Returns:
        Numbers of the first and of the second picture of each pair, the first the lower, each pair once.
    """
    n, found = len(prints), [np.empty(0, np.int64)]
    for mirrored in (False, True):
        close = [np.empty(0, np.int64)]
        for band in range(_BANDS):
            for first, second in _candidates(prints.hashes, band, distance=distance, mirrored=mirrored):
                close.append(first * n + second)
            tell((mirrored * _BANDS + band + 1) / (2 * _BANDS))
        for first, second in _in_parts(np.unique(np.concatenate(close)), n):
            kept = _correlation(prints.small, first, second, mirrored=mirrored) >= similarity
            found.append(first[kept] * n + second[kept])
    pairs = np.unique(np.concatenate(found))
    return pairs // max(n, 1), pairs % max(n, 1)


def groups_of(n: int, first: Ids, second: Ids) -> Ids:
    """Number the groups that pairs join n pictures to: (n,), each group named by its lowest picture."""
    group = np.arange(n)
    while True:
        low = np.minimum(group[first], group[second])
        before = group.copy()
        for side in (first, second):
            np.minimum.at(group, group[side], low)  # whole groups move at once
            np.minimum.at(group, side, low)
        group = group[group]
        if np.array_equal(group, before):
            return group


def groups_of_keys(keys: Sequence[bytes]) -> Ids:
    """Number the groups of equal keys: (n,), each group named by its first."""
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(key, row) for row, key in enumerate(keys)], np.int64)


def _frequencies() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The cosines (9, 32), and the vertical and horizontal number of the 64 lowest frequencies above the mean."""
    at = np.arange(SIDE)
    cosines = np.cos(np.pi * (2 * at + 1) * np.arange(_FREQUENCIES)[:, None] / (2 * SIDE)).astype(np.float32)
    vertical, horizontal = (each.ravel() for each in np.indices((_FREQUENCIES, _FREQUENCIES)))
    lowest = np.argsort(vertical**2 + horizontal**2, kind="stable")[1 : _BITS + 1]
    return cosines, vertical[lowest], horizontal[lowest]


_COSINES, _VERTICAL, _HORIZONTAL = _frequencies()


def _pack(bits: npt.NDArray[np.bool_]) -> Hashes:
    """(n, 64) bits as (n,) numbers."""
    octets = np.ascontiguousarray(np.packbits(bits, axis=1, bitorder="little"))
    return octets.view("<u8")[:, 0].astype(np.uint64)


# A mirror image has the same frequencies; those that are odd in the horizontal change their sign.
_MIRROR = _pack((_HORIZONTAL % 2 == 1)[None])[0]


def _hash(small: npt.NDArray[np.uint8]) -> Hashes:
    spectrum = _COSINES @ small.astype(np.float32) @ _COSINES.T
    return _pack(spectrum[:, _VERTICAL, _HORIZONTAL] > 0)


def _candidates(hashes: Hashes, band: int, *, distance: int, mirrored: bool) -> Iterator[tuple[Ids, Ids]]:
    """Pairs whose hashes differ in at most `distance` bits, and in a band of 16 bits in a quarter of those at most.

    Each close pair differs so little in one of the 4 bands at least. So pictures are looked up by a band, with none,
    one, ... of its bits changed. The first of a pair is the lower; a pair may come several times.
    """
    asked = hashes ^ _MIRROR if mirrored else hashes
    shift = np.uint64(band * _BAND_BITS)
    keys, wanted = (((each >> shift) & np.uint64(0xFFFF)).astype(np.int64) for each in (hashes, asked))
    order = np.argsort(keys, kind="stable")
    in_order = hashes[order]
    sizes = np.bincount(keys, minlength=1 << _BAND_BITS)
    ends = np.cumsum(sizes)
    for changed in _words(distance // _BANDS):
        bucket = wanted ^ changed
        # The other picture of a pair finds it, too: one of the two is enough.
        counts = np.where(keys <= bucket, np.minimum(sizes[bucket], _MOST_IN_BUCKET), 0)
        for rows, partners in _portions(counts):
            lasts = np.cumsum(partners)
            at = np.repeat(ends[bucket[rows]] - lasts, partners) + np.arange(lasts[-1])
            close = np.flatnonzero(_bits(np.repeat(asked[rows], partners) ^ in_order[at]) <= distance)
            first, second = rows[np.searchsorted(lasts, close, side="right")], order[at[close]]
            apart = first != second
            yield np.minimum(first, second)[apart], np.maximum(first, second)[apart]


def _words(most: int) -> list[int]:
    """The 16-bit numbers with at most so many bits set."""
    return [word for word in range(1 << _BAND_BITS) if word.bit_count() <= most]


def _portions(counts: Ids) -> Iterator[tuple[Ids, Ids]]:
    """The rows that have partners and how many, cut so that each part has about `_PAIRS_AT_ONCE` of them."""
    rows = np.flatnonzero(counts)
    if not len(rows):
        return
    parts = np.cumsum(counts[rows]) // _PAIRS_AT_ONCE
    for part in np.split(rows, np.flatnonzero(np.diff(parts)) + 1):
        yield part, counts[part]


def _bits(words: Hashes) -> npt.NDArray[np.uint8]:
    """How many bits are set in each number."""
    counts: npt.NDArray[np.uint8]
    if hasattr(np, "bitwise_count"):  # from numpy 2 on
        counts = np.bitwise_count(words)
    else:
        octets = np.array([octet.bit_count() for octet in range(256)], np.uint8)
        counts = octets[words.view(np.uint8)].reshape(-1, 8).sum(1, dtype=np.uint8)
    return counts


def _in_parts(pairs: Ids, n: int) -> Iterator[tuple[Ids, Ids]]:
    for at in range(0, len(pairs), _PICTURES_AT_ONCE):
        part = pairs[at : at + _PICTURES_AT_ONCE]
        yield part // n, part % n


def _correlation(small: npt.NDArray[np.uint8], first: Ids, second: Ids, *, mirrored: bool) -> npt.NDArray[np.float32]:
    """Pearson's correlation of the pixels of each pair: 1 for copies, whatever their brightness and contrast."""
    one = small[first][:, :, ::-1] if mirrored else small[first]
    a, b = (each.reshape(len(first), -1).astype(np.float32) for each in (one, small[second]))
    a -= a.mean(1, keepdims=True)
    b -= b.mean(1, keepdims=True)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products: npt.NDArray[np.float32] = np.einsum("ij,ij->i", a, b)
    return np.where(lengths > 0, products / np.where(lengths > 0, lengths, 1), 0).astype(np.float32)
