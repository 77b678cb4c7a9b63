"""The page: whole, escaped, and by itself."""

import re
from html.parser import HTMLParser

import pytest

from mien.reporting.drawing import Drawing
from mien.reporting.page import FigureView, Section, TableView, render_page

NASTY = '<script>alert("x")</script>'


class Outline(HTMLParser):
    """Tags, links and anchors of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.anchors, self.text = [], [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        found = dict(attributes)
        self.links += [found[name] for name in ("href", "src", "xlink:href") if name in found]
        if "id" in found:
            self.anchors.append(found["id"])

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def page():
    drawing = Drawing("one", b"", "", '<svg viewBox="0 0 1 1"><path id="w1"/></svg>', "<svg><path id='n1'/></svg>")
    figure = FigureView(f"Title {NASTY}", f"Reading {NASTY}", drawing, f"Finding {NASTY}")
    table = TableView((NASTY, "n"), (("a", "1"), (NASTY, "2")), f"Caption {NASTY}")
    sections = [Section("First & only", text=(NASTY,), tables=(table,), figures=(figure,)), Section("Second")]
    return render_page(NASTY, sections, subtitle=NASTY, facts=[(NASTY, NASTY)], foot=NASTY)


def test_whatever_a_data_set_is_called_it_is_text(page):
    found = Outline(page)
    assert "script" not in found.tags
    assert found.text.count(NASTY) == 13  # the title is there twice


def test_contents_lead_to_the_sections(page):
    found = Outline(page)
    assert found.links == ["#first-only", "#second"]
    assert {"first-only", "second", "figure-one"} <= set(found.anchors)


def test_figures_stand_in_the_page_as_they_are(page):
    assert '<svg viewBox="0 0 1 1"><path id="w1"/></svg>' in page
    assert "<svg><path id='n1'/></svg>" in page


def test_it_needs_no_network_and_follows_light_dark_paper_and_width(page):
    assert not re.search(r"(?:src|href|url)\s*[=(]\s*[\"']?(?:https?:)?//", page)
    assert "default-src 'none'" in page
    for media in ("prefers-color-scheme: dark", "print", "max-width: 640px"):
        assert f"@media ({media})" in page or f"@media {media}" in page
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
