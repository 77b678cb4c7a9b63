"""Galleries show the faces that the analysis names, with their labels and what was said."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from mien.core.labels import LABEL_SETS
from mien.evaluation import PredictionTable
from mien.evaluation.errors import find_errors
from mien.evaluation.metrics import wilson
from mien.reporting.figures_evaluation import conditions
from mien.reporting.galleries import GALLERIES, confused_gallery, error_galleries, hardest_gallery, suspects_gallery
from mien.reporting.style import NARROW, WIDE

FER = LABEL_SETS["fer2013"]


@pytest.fixture
def found():
    """Twelve faces that are angry by their label and sad by the model, surer and surer; one that is right."""
    p = np.full((13, 7), 0.01, np.float32)
    said = np.array([FER.index("sadness")] * 12 + [0])
    sure = 0.5 + 0.03 * np.arange(13)
    p[np.arange(13), said] = sure
    p[np.arange(13), FER.index("neutral")] += 1 - p.sum(1)
    ids = np.array([f"i{k}" for k in range(13)])
    table = PredictionTable(ids, np.full(13, "test"), np.zeros(13, np.int16), p, FER)
    return find_errors(table, second={"i3": "sadness", "i4": "sadness"})


IMAGES = np.stack([np.full((20, 20), 10 * k, np.uint8) for k in range(13)])  # the grey level tells the row


def shown(figure):
    return [int(np.asarray(image.get_array()).mean()) // 10 for image in figure.axes[0].images]


def words(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_row_a_pair_the_surest_first(found):
    wide, narrow = (confused_gallery(found, IMAGES, width) for width in (WIDE, NARROW))
    assert shown(wide) == [11, 10, 9, 8, 7, 6, 5, 4, 3, 2] and shown(narrow) == [11, 10, 9, 8]
    assert "anger\nas sadness\n12 (92%)" in words(wide) and "p = 0.83" in words(wide)


def test_captions_say_the_label_and_what_was_said(found):
    assert shown(suspects_gallery(found, IMAGES, WIDE)) == [4, 3]
    assert words(suspects_gallery(found, IMAGES, WIDE)) == ["anger", "as sadness 0.62", "anger", "as sadness 0.59"]
    assert len(shown(hardest_gallery(found, IMAGES, WIDE))) == 13


def test_a_line_above_says_what_is_shown_where_the_picture_stands_alone(found):
    figure = suspects_gallery(found, IMAGES, WIDE, head="why these")
    assert words(figure)[-1] == "why these" and shown(figure) == [4, 3]


def test_only_pictures_that_show_something_are_drawn(found):
    assert list(error_galleries(found, IMAGES)) == ["confused", "hardest", "confident", "suspects"]
    right = find_errors(found.predictions.select([12]), conditions={"brightness": [3.0]})
    pictures = error_galleries(right, IMAGES[12:])
    assert list(pictures) == ["hardest", "conditions"] and set(pictures) < set(GALLERIES)
    assert all(each.startswith(b"\x89PNG") for each in pictures.values())


def test_conditions_stand_side_by_side_with_the_edges_of_their_bins():
    here, there = ([(low, high, wilson(8, 10)) for low, high in edges] for edges in (((0, 3), (3, 9000)), ((1, 4),)))
    figure = conditions({"yaw": {"a": here, "b": here}, "brightness": {"a": here, "b": there}}, WIDE)
    same, other = figure.axes
    assert [each.get_text() for each in same.get_xticklabels()] == ["0", "3", "9,000"]
    assert same.lines[0].get_xdata().tolist() == [0, 1] and same.get_title() == "turn of the head (degrees)"
    assert [each.get_text() for each in other.get_xticklabels()] == ["lowest", "highest"]  # they saw different faces
