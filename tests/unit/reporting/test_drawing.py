"""A figure in all its forms."""

import re
import subprocess
import sys
from xml.etree import ElementTree

import cv2
import matplotlib
import numpy as np
import pytest

from mien.reporting.drawing import render, render_png
from mien.reporting.style import NARROW, WIDE, new_figure


def simple(width):
    figure = new_figure(width, 2)
    axes = figure.subplots()
    axes.plot([1, 2], [3, 4])
    axes.imshow(np.eye(4))
    axes.set_title("a < b & $c$")
    return figure


@pytest.fixture(scope="module")
def drawing():
    return render("simple", simple)


def test_files_are_whole(drawing):
    picture = cv2.imdecode(np.frombuffer(drawing.png, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (352, 1568, 3)  # 2 by 9.6 inches, and a margin
    assert (picture[0, 0] == 255).all() and (picture[:16] == 255).all() and picture[16:].min() < 255
    assert render_png(simple) == drawing.png
    root = ElementTree.fromstring(drawing.svg)
    assert root.attrib["viewBox"] == f"0 0 {72 * WIDE:.1f} 144"
    assert "".join(root.itertext()).count("a < b & $c$") == 1  # text, not paths nor formulas


def test_markup_for_a_page_follows_its_colours_and_width(drawing):
    for markup, width in ((drawing.wide, WIDE), (drawing.narrow, NARROW)):
        tag = markup[: markup.index(">")]
        assert tag.startswith("<svg")
        assert f'viewBox="0 0 {72 * width:.1f} 144"' in tag
        assert " width=" not in tag
        assert " height=" not in tag
        assert "var(--ink)" in markup
        assert "#1c2530" not in markup
        assert "<metadata" not in markup


def test_figures_of_one_page_share_no_names(drawing):
    other = render("other", simple)
    names = [
        set(re.findall(r' id="([^"]+)"', each)) for each in (drawing.wide, drawing.narrow, other.wide, other.narrow)
    ]
    assert all(names)
    assert sum(map(len, names)) == len(set().union(*names))


def test_what_is_drawn_twice_is_the_same(drawing):
    assert render("simple", simple) == drawing


def test_nothing_of_pyplot_and_no_setting_is_left_behind():
    before = dict(matplotlib.rcParams)
    render("simple", simple)
    assert dict(matplotlib.rcParams) == before
    code = "import sys, mien.reporting.exploration; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
