"""The pages of the documentation, all of them and all that is in them: see tests/e2e/test_documentation.py."""

from pathlib import Path

import pytest
from kitchen import Kitchen, cook
from pages import PAGES, ROOT, blocks
from postgresql import running
from serving import serving

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

DONE = {
    page.relative_to(ROOT).as_posix(): page
    for page in PAGES
    if any(not block.not_run and (block.is_shell or block.language == "python") for block in blocks(page))
}


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Kitchen:
    """What all pages find, runs among it."""
    return Kitchen(tmp_path_factory.mktemp("kitchen"), runs=True)


@pytest.mark.parametrize("name", DONE)
def test_the_page_works_as_it_stands_there(
    name: str, kitchen: Kitchen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kitchen.lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    if name == "docs/serving.md":
        with serving() as server:
            done = cook(DONE[name], thorough=True, port=server.port)
    elif name == "docs/searching.md":
        with running() as server:
            done = cook(DONE[name], thorough=True, database=server.url)
    else:
        done = cook(DONE[name], thorough=True)
    assert done.failed == []
    assert done.left_out == []
