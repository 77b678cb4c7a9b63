"""The pages of the documentation, all of them and all that is in them: see tests/e2e/test_documentation.py."""

import time
from pathlib import Path

import pytest
from kitchen import Kitchen, cook
from pages import PAGES, ROOT, blocks
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
    else:
        done = cook(DONE[name], thorough=True)
    assert done.failed == []
    assert done.left_out == []


def test_a_newcomer_has_a_prediction_a_net_and_a_report_in_time(
    kitchen: Kitchen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the page says, and no shorter trainings: what docs/start.md promises of two cores."""
    kitchen.lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    begin = time.process_time()
    done = cook(DONE["docs/start.md"], thorough=True, shorten=False, until="## With real faces")
    seconds = time.process_time() - begin
    assert done.failed == []
    assert (tmp_path / "report.html").is_file()
    print(f"prediction, net and report: {seconds:.0f} s of processor time")
    assert seconds < 10 * 60
