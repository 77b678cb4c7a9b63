"""Copies are found however they were changed, other pictures are not, and no shortcut loses a pair."""

from itertools import combinations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.datasets import duplicates
from mien.datasets.duplicates import Fingerprints, groups_of, groups_of_keys, near_pairs


def pairs(images, **options):
    return set(zip(*(each.tolist() for each in near_pairs(Fingerprints.of(np.stack(images)), **options)), strict=True))


def scene(seed, size=48):
    """A picture like no other: a few random blobs of light."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 5)).astype(np.uint8)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def changed(image, how):
    if how == "brighter, less contrast":
        return (image * 0.5 + 90).astype(np.uint8)
    if how == "noisy":
        noise = np.random.default_rng(9).normal(0, 8, image.shape)
        return np.clip(image + noise, 0, 255).astype(np.uint8)
    if how == "cropped anew":
        return cv2.resize(image[1:, 1:], image.shape[::-1])
    if how == "jpeg":
        return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_GRAYSCALE)
    return image[:, ::-1]


@pytest.mark.parametrize("how", ["brighter, less contrast", "noisy", "cropped anew", "jpeg", "mirrored"])
def test_a_changed_copy_is_found_among_others(how):
    others = [scene(seed) for seed in range(30)]
    assert pairs([*others, changed(others[7], how)]) == {(7, 30)}


def test_size_and_colour_do_not_matter():
    small, large = scene(1), scene(1, 96)
    color = np.repeat(large[:, :, None], 3, 2)
    prints = Fingerprints.concatenate([Fingerprints.of(small[None]), Fingerprints.of(color[None])])
    assert [each.tolist() for each in near_pairs(prints)] == [[0], [1]]
    assert prints.spread == pytest.approx([small.std(), large.std()], rel=0.05)


def test_no_pair_within_the_distance_is_lost():
    """Looking up bands finds what comparing all with all finds."""
    rng = np.random.default_rng(0)
    base = rng.integers(0, 1 << 63, 40, dtype=np.uint64)
    flips = np.zeros(400, np.uint64)
    for row in range(400):
        for bit in rng.choice(64, rng.integers(0, 14), replace=False):
            flips[row] |= np.uint64(1) << np.uint64(bit)
    hashes = np.repeat(base, 10) ^ flips
    for mirrored in (False, True):
        mask = duplicates._MIRROR if mirrored else np.uint64(0)
        asked = hashes ^ mask
        expected = {
            (a, b) for a, b in combinations(range(len(hashes)), 2) if (int(asked[a]) ^ int(hashes[b])).bit_count() <= 11
        }
        found = set()
        for band in range(4):
            for first, second in duplicates._candidates(hashes, band, distance=11, mirrored=mirrored):
                found |= set(zip(first.tolist(), second.tolist(), strict=True))
        assert found == expected
        assert mirrored or len(expected) > 300


def test_the_hash_of_a_mirror_image_follows_from_the_hash():
    images = np.stack([scene(seed) for seed in range(20)])
    mirrored = Fingerprints.of(np.ascontiguousarray(images[:, :, ::-1])).hashes
    differ = duplicates._bits(Fingerprints.of(images).hashes ^ duplicates._MIRROR ^ mirrored)
    assert differ.max() <= 2  # frequencies that are nearly nought


@given(st.lists(st.integers(0, (1 << 64) - 1), max_size=9))
def test_bits_are_counted_with_either_numpy(numbers):
    words = np.array(numbers, np.uint64)
    expected = [number.bit_count() for number in numbers]
    assert duplicates._bits(words).tolist() == expected
    with pytest.MonkeyPatch.context() as older:
        older.delattr(np, "bitwise_count", raising=False)
        assert duplicates._bits(words).tolist() == expected


def test_distance_nought_asks_for_the_same_hash():
    image = scene(3)
    assert pairs([image, image, scene(4)], distance=0) == {(0, 1)}


def test_large_buckets_are_cut_and_portions_lose_nothing(monkeypatch):
    monkeypatch.setattr(duplicates, "_PAIRS_AT_ONCE", 7)
    assert pairs([scene(5)] * 9) == set(combinations(range(9), 2))
    monkeypatch.setattr(duplicates, "_MOST_IN_BUCKET", 3)
    found = near_pairs(Fingerprints.of(np.stack([scene(5)] * 9)))
    assert groups_of(9, *found).tolist() == [0] * 9  # fewer pairs, the same group


def test_few_pictures_or_none():
    assert pairs([scene(0)]) == set()
    empty = Fingerprints.of(np.empty((0, 48, 48), np.uint8))
    assert len(empty) == 0 and len(near_pairs(empty)[0]) == 0


@given(st.integers(1, 12), st.data())
def test_groups_are_what_pairs_connect(n, data):
    edges = data.draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=15))
    expected = list(range(n))
    for a, b in edges * n:
        low = min(expected[a], expected[b])
        expected[a] = expected[b] = low
    first, second = (np.array([edge[side] for edge in edges], np.int64) for side in (0, 1))
    assert groups_of(n, first, second).tolist() == expected


@given(st.lists(st.binary(min_size=1, max_size=1), max_size=12))
def test_groups_of_keys_are_named_by_their_first(keys):
    assert groups_of_keys(keys).tolist() == [keys.index(key) for key in keys]
