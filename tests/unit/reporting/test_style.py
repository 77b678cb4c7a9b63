"""Colours that differ, names that fit."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from mien.core.labels import CANONICAL
from mien.reporting.style import LABEL_COLORS, color_of, short

# What is left of linear RGB for eyes without one kind of cone: Machado, Oliveira and Fernandes 2009,
# https://doi.org/10.1109/TVCG.2009.113.
EYES = {
    "all cones": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]


def lab(color, eyes):
    """CIE L*a*b* of a colour as some eyes see it."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.array(TO_XYZ) @ np.clip(np.array(eyes) @ linear, 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eyes", EYES)
def test_any_two_emotions_differ_for_all_eyes(eyes):
    seen = {label: lab(color, EYES[eyes]) for label, color in LABEL_COLORS.items()}
    apart = {pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]])) for pair in itertools.combinations(seen, 2)}
    assert min(apart.values()) > 15, min(apart, key=apart.get)


def test_every_emotion_has_a_colour_and_any_other_label_keeps_its_own():
    assert set(LABEL_COLORS) == set(CANONICAL)
    assert color_of("boredom") == color_of("boredom")
    assert color_of("boredom") not in LABEL_COLORS.values()


def test_names_fit():
    assert short("happiness") == "happiness"
    assert short("a" * 40) == "a" * 17 + "…"
    assert short("a\nb\x00") == "a?b?"
