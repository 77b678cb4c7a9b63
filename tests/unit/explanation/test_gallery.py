"""Galleries of a model that is known: which faces, for which class, and what their mean is."""

import numpy as np

from mien.core.labels import LabelSet
from mien.explanation.gallery import galleries


class Bright:
    """Says `light` as far as a face is; its map is the left half for dark, the right half for light."""

    name = "bright"

    def label_set(self, head=None):
        return LabelSet("b", ("dark", "light", "none"))

    def predict(self, crops, *, head=None):
        light = crops.reshape(len(crops), -1).mean(1) / 255
        return np.stack([1 - light, light, 0 * light], 1).astype(np.float32)

    def maps(self, crops, classes, *, method, head=None):
        maps = np.zeros((len(crops), 8, 8), np.float32)
        for each, which in zip(maps, classes, strict=True):
            each[:, 4 * which : 4 * which + 4] = 0.5
        return maps


def faces():
    images = np.repeat(np.arange(0, 200, 20, dtype=np.uint8)[:, None, None], 64, 1).reshape(10, 8, 8)
    return images, np.array([0, 0, 0, 0, 0, 1, 1, 1, -1, -1])


def test_each_class_is_explained_for_itself():
    told = []
    dark, light = galleries(Bright(), *faces(), show=2, tell=lambda done, total: told.append((done, total)))
    assert (dark.label, dark.n, light.label, light.n) == ("dark", 5, "light", 3)
    assert set(dark.rows) <= set(range(5)) and set(light.rows) <= {5, 6, 7} and len(dark.rows) == 2
    assert dark.shown.label == ("dark", "dark")
    assert dark.top == ("dark", "dark") and set(light.top) <= {"dark", "light"}
    np.testing.assert_array_equal(dark.mean_face, np.full((8, 8), 40))
    np.testing.assert_array_equal(light.mean_map, np.repeat([[0, 0, 0, 0, 1, 1, 1, 1]], 8, 0))
    np.testing.assert_array_equal(dark.crops[:, 0, 0], faces()[0][dark.rows, 0, 0])
    assert told == [(5, 8), (8, 8)]


def test_more_than_are_wanted_are_drawn_by_lot():
    images = np.zeros((50, 8, 8), np.uint8)
    one, same, other = (galleries(Bright(), images, np.zeros(50, int), most=6, seed=seed)[0] for seed in (0, 0, 1))
    assert one.n == 6 and len(set(one.rows.tolist())) == 6
    assert one.rows.tolist() == same.rows.tolist() != other.rows.tolist()
