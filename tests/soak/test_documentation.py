"""The pages of the documentation, all of them and all that is in them: see tests/e2e/test_documentation.py."""

import functools
import http.server
import threading
from pathlib import Path

import pytest
from browsing import chromium
from bucket import stored
from kitchen import Kitchen, cook, fill
from pages import PAGES, ROOT, blocks
from postgresql import running
from serving import serving

import mien
from mien.verbs.export_web import runtime_missing

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
    elif name == "docs/scale.md":
        with stored("bucket") as files:
            fill("bucket", files)
            done = cook(DONE[name], thorough=True, bucket=True)
    else:
        done = cook(DONE[name], thorough=True)
    assert done.failed == []
    assert done.left_out == []


def test_a_page_of_ones_own_recognises_as_docs_in_the_browser_says(tmp_path: Path) -> None:
    """The page's script as it stands there, between a picture, what shows a camera's, and a look at what came out."""
    sync_api = pytest.importorskip("playwright.sync_api")
    [script] = [block.text for block in blocks(ROOT / "docs" / "in-the-browser.md") if block.language == "js"]
    if runtime_missing():
        pytest.skip("needs scripts/fetch_web_runtime.py")
    mien.export("mien-s", format="web", out=tmp_path / "page")
    imports, _, rest = script.partition("\n\n")
    (tmp_path / "page" / "own.html").write_text(
        f"""<img id="image" src="sample.jpg"><canvas id="video"></canvas><script type="module">
        {imports}
        const image = document.getElementById("image"), video = document.getElementById("video");
        await image.decode();
        [video.width, video.height] = [image.naturalWidth, image.naturalHeight];
        video.getContext("2d").drawImage(image, 0, 0);
        {rest}
        document.title = JSON.stringify([faces[0].label, next.faces[0].label]);
        </script>""",
        "utf-8",
    )
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "page"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, sync_api.sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = chromium(playwright)
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/own.html")
        page.wait_for_function("document.title !== ''", timeout=180_000)
        assert page.title() == '["happiness","happiness"]'
        browser.close()
        server.shutdown()
