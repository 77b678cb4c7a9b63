"""The pages of the documentation, done as they stand there: each page's blocks in order, in a folder of its own.

`kitchen` lays out what a reader is supposed to have (a photograph, recordings, data sets in small, runs). What the
pages call DIR is one of these data sets. `mien` runs in this process. Trainings, and what stands on them, take their
time and are left to `make soak` (tests/soak/test_documentation.py), where nothing is left out; a training lasts an
epoch there, of whatever length it is on the page.
"""

from pathlib import Path

import pytest
from kitchen import Kitchen, cook
from pages import PAGES, ROOT, blocks

# Pages with something to run, by name; others are read by tests/unit/test_documentation.py alone.
DONE = {
    page.relative_to(ROOT).as_posix(): page
    for page in PAGES
    if any(not block.not_run and (block.is_shell or block.language == "python") for block in blocks(page))
}


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Kitchen:
    """What all pages find, without what takes a training."""
    return Kitchen(tmp_path_factory.mktemp("kitchen"))


@pytest.mark.parametrize("name", DONE)
def test_the_page_works_as_it_stands_there(
    name: str, kitchen: Kitchen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kitchen.lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    done = cook(DONE[name], thorough=False)
    assert done.failed == []
