"""The page of `mien serve` in a real browser: camera, pictures, videos, and what goes wrong with each."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import axe, chromium, film, violations
from clips import Shelf
from playwright.sync_api import Browser, Page, Playwright, Route, expect, sync_playwright
from serving import Server, serving

from mien.core.images import decode, write_image

pytestmark = pytest.mark.slow

PATIENCE_MS = 60_000  # a busy machine takes long to start a camera
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}

PASTE_AND_DROP = """async () => {
    const file = new File([await (await fetch("sample.jpg")).blob()], "pasted.jpg", {type: "image/jpeg"});
    const data = new DataTransfer();
    data.items.add(file);
    document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data}));
    document.dispatchEvent(new DragEvent("drop", {dataTransfer: data}));
}"""
LATE_PERMISSION = """() => {
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wanted) => {
        window.late = await ask(wanted);
        const allowed = new Promise((allow) => (window.allow = allow));
        document.title = document.title === "asked" ? "asked again" : "asked";
        await allowed;
        return late;
    };
}"""
UNPLUGGABLE = """() => {
    const list = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
    navigator.mediaDevices.enumerateDevices = async () => (await list()).filter(() => !window.gone);
}"""
UNPLUG = "document.querySelector('video').srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended'))"
DEVICE_CHANGE = "navigator.mediaDevices.dispatchEvent(new Event('devicechange'))"
COUNT_DECODED = """() => {
    const [make, close] = [window.createImageBitmap, ImageBitmap.prototype.close];
    window.decoded = 0;
    window.createImageBitmap = async (...source) => {
        const bitmap = await make(...source);
        window.decoded++;
        return bitmap;
    };
    ImageBitmap.prototype.close = function () {
        window.decoded--;
        close.call(this);
    };
}"""
LATE_ANSWER = """() => {
    const send = XMLHttpRequest.prototype.send;
    XMLHttpRequest.prototype.send = function (body) {
        const { onload } = this;
        this.onload = () => {
            document.title = "answered";
            window.hear = onload;
        };
        send.call(this, body);
    };
}"""
SMALL = """[...document.querySelectorAll("button, select, input")].filter(
    (each) => each.checkVisibility() && each.getBoundingClientRect().height < 22).length"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser(playwright: Playwright, samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One whose camera films the astronaut."""
    camera = film(samples / "astronaut.jpg", tmp_path_factory.mktemp("camera") / "camera.mjpeg")
    browser = chromium(playwright, camera=camera)
    yield browser
    browser.close()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    yield from opened(browser, server)


@pytest.fixture
def phone(browser: Browser, server: Server) -> Iterator[Page]:
    yield from opened(browser, server, viewport=PHONE, color_scheme="dark", has_touch=True, is_mobile=True)


def opened(browser: Browser, server: Server, **options: Any) -> Iterator[Page]:
    """The page, which must run without a mistake and ask nobody but its server."""
    context = browser.new_context(**{"viewport": DESK} | options)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    mistakes: list[str] = []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.on("console", lambda message: mistakes.append(message.text) if "Content Security" in message.text else None)
    page.on("request", lambda request: asked.append(request.url))
    asked: list[str] = []
    page.goto(server.address)
    page.wait_for_selector("html[data-ready]")
    yield page
    context.close()
    assert mistakes == []
    assert {url for url in asked if not url.startswith((server.address, "blob:", "data:"))} == set()


def saved(page: Page, button: str) -> bytes:
    """The file that a button hands out."""
    with page.expect_download() as download:
        page.click(button)
    return Path(download.value.path()).read_bytes()


def inked(page: Page, canvas: str, *, box: tuple[float, float, float, float] = (0, 0, 1, 1)) -> float:
    """The share of a canvas that is painted, in a part of it."""
    return float(
        page.evaluate(
            """([name, [x1, y1, x2, y2]]) => {
                const canvas = document.querySelector(name);
                const [w, h] = [canvas.width, canvas.height];
                const [left, top] = [Math.floor(x1 * w), Math.floor(y1 * h)];
                const pixels = canvas.getContext("2d").getImageData(left, top, (x2 - x1) * w, (y2 - y1) * h).data;
                let count = 0;
                for (let i = 3; i < pixels.length; i += 4) count += pixels[i] > 0;
                return count / (pixels.length / 4);
            }""",
            [canvas, list(box)],
        )
    )


def test_the_camera_with_its_overlay(page: Page) -> None:
    page.click("#camera-start")
    expect(page.locator("#verdict")).to_contain_text("happiness")
    expect(page.locator("#camera-gauge")).to_have_text(re.compile(r"^\d+ frames/s · \d+ ms$"))
    expect(page.locator("#live")).to_contain_text("One face: happiness")
    expect(page.locator("#bars .likeliest .value")).to_have_text(re.compile(r"\d+\u202f%"))
    face = inked(page, "#camera-stage .overlay", box=(0.3, 0.1, 0.7, 0.6))
    assert 0.005 < face < 0.5  # a box, a tag and bars, about the face
    assert inked(page, "#camera-stage .overlay", box=(0, 0.8, 1, 1)) == 0
    assert inked(page, "#camera-time .timeline") > 0.5
    page.click("label:has(#camera-heat)")
    page.wait_for_timeout(2500)
    assert inked(page, "#camera-stage .overlay", box=(0.3, 0.1, 0.7, 0.6)) > face + 0.02
    page.click("label:has(#camera-mirror)")
    page.click("#camera-record")
    page.wait_for_timeout(2500)
    rows = list(csv.DictReader(io.StringIO(saved(page, "#camera-record").decode())))
    assert {row["label"] for row in rows} == {"happiness"}
    assert {row["face_id"] for row in rows} == {"0"}
    assert [int(row["frame"]) for row in rows] == list(range(len(rows)))
    page.evaluate(UNPLUG)
    expect(page.locator("#camera-title")).to_have_text("The camera was unplugged")
    page.evaluate(DEVICE_CHANGE)
    expect(page.locator("#verdict")).to_contain_text("happiness")
    page.click("#camera-stop")
    expect(page.locator("#verdict")).to_have_text("The camera is off")
    expect(page.locator("#camera-start")).to_be_visible()


def films(page: Page) -> bool:
    """Whether the camera is on, a moment from now."""
    page.wait_for_timeout(1000)
    return bool(page.evaluate("document.querySelector('video').srcObject?.active ?? false"))


def test_a_camera_that_is_allowed_too_late_stays_off(page: Page) -> None:
    page.evaluate(LATE_PERMISSION)
    page.click("#camera-start")
    page.click("#tab-pictures")
    expect(page).to_have_title("asked")
    page.evaluate("allow()")
    assert not films(page)
    assert page.evaluate("late.active") is False
    page.click("#tab-camera")
    expect(page.locator("#camera-start")).to_be_enabled()
    page.click("#camera-start")
    expect(page).to_have_title("asked again")
    page.evaluate("allow()")
    expect(page.locator("#camera-stop")).to_be_visible()


def test_an_unplugged_camera_goes_on_once_it_is_back_and_someone_looks(page: Page) -> None:
    page.evaluate(UNPLUGGABLE)
    page.click("#camera-start")
    expect(page.locator("#camera-stop")).to_be_visible()
    page.evaluate(f"window.gone = true; {UNPLUG}")
    page.evaluate(DEVICE_CHANGE)  # of the unplugging itself
    assert not films(page)
    expect(page.locator("#camera-title")).to_have_text("The camera was unplugged")
    page.click("#tab-pictures")
    page.evaluate(f"window.gone = false; {DEVICE_CHANGE}")
    assert not films(page)
    page.click("#tab-camera")
    expect(page.locator("#camera-stop")).to_be_visible()
    assert films(page)


def test_pictures_from_file_to_table(page: Page, samples: Path, tmp_path: Path) -> None:
    wall, text = tmp_path / "wall.png", tmp_path / "text.jpg"
    write_image(wall, np.full((200, 300, 3), 90, np.uint8))
    text.write_text("This is no picture.")
    page.click("#tab-pictures")
    files = [samples / "astronaut.jpg", samples / "grace_hopper.jpg", wall, text]
    page.set_input_files("#pictures-file", [str(each) for each in files])
    tiles = page.locator("#pictures-strip button")
    expect(tiles).to_have_count(4)
    expect(tiles.nth(0)).to_have_attribute("aria-label", "astronaut.jpg: happiness")
    expect(tiles.nth(1)).to_have_attribute("aria-label", "grace_hopper.jpg: neutral")
    expect(tiles.nth(2)).to_have_attribute("aria-label", "wall.png: no face found")
    expect(tiles.nth(3)).to_have_attribute("aria-label", "text.jpg: not readable")
    expect(page.locator("#verdict")).to_contain_text("happiness")
    bare = inked(page, "#pictures-stage .overlay")
    page.click("label:has(#pictures-heat)")
    assert inked(page, "#pictures-stage .overlay") > bare + 0.01
    drawn = decode(saved(page, "#pictures-save"))
    assert drawn.shape == (512, 512, 3)
    tiles.nth(2).click()
    expect(page.locator("#pictures-caption")).to_have_text("No face found.")
    tiles.nth(3).click()
    expect(page.locator("#pictures-caption")).to_contain_text(
        "expected a JPEG, PNG, WebP, BMP, TIFF or GIF in text.jpg"
    )
    expect(page.locator("#verdict")).to_have_text("Not readable")
    rows = list(csv.DictReader(io.StringIO(saved(page, "#pictures-table").decode())))
    assert [row["label"] for row in rows] == ["happiness", "neutral", "", ""]
    assert [bool(row["error"]) for row in rows] == [False, False, False, True]
    assert list(rows[0])[:9] == ["source", "frame", "time_s", "face_id", "x1", "y1", "x2", "y2", "score"]
    page.click("#pictures-clear")
    expect(page.locator("#pictures-choose")).to_be_focused()
    page.click("#tab-camera")
    page.evaluate(PASTE_AND_DROP)
    expect(page.locator("#pictures-strip button[aria-label='pasted.jpg: happiness']")).to_have_count(2)
    expect(page.locator("#tab-pictures")).to_have_attribute("aria-selected", "true")


def test_pictures_are_decoded_only_while_they_are_looked_at(page: Page, samples: Path, tmp_path: Path) -> None:
    strange = tmp_path / "strange.tiff"  # which Chromium cannot show
    write_image(strange, decode((samples / "grace_hopper.jpg").read_bytes())[:400])
    page.evaluate(COUNT_DECODED)
    page.click("#tab-pictures")
    page.set_input_files("#pictures-file", [str(samples / "astronaut.jpg"), str(strange)])
    tiles, canvas = page.locator("#pictures-strip button"), page.locator("#pictures-canvas")
    expect(tiles.nth(1)).to_have_attribute("aria-label", "strange.tiff: neutral")
    for tile, height in ((1, "800"), (0, "512")):  # small ones are drawn in twice their size
        tiles.nth(tile).click()
        expect(canvas).to_have_attribute("height", height)
        assert inked(page, "#pictures-canvas") == 1
    assert inked(page, "#pictures-stage .overlay") > 0
    assert decode(saved(page, "#pictures-save")).shape == (512, 512, 3)
    assert page.evaluate("decoded") == 0


def test_a_video_from_upload_to_timeline(page: Page, clips: Shelf) -> None:
    page.click("#tab-videos")
    page.set_input_files("#videos-file", str(clips["motion"].path))
    expect(page.locator("#videos-working")).to_be_visible()
    expect(page.locator("#videos-summary")).to_contain_text("On average", timeout=120_000)
    assert inked(page, "#videos-time .timeline") > 0.5
    rows = list(csv.DictReader(io.StringIO(saved(page, "#videos-csv").decode())))
    assert len({row["frame"] for row in rows}) == len(clips["motion"])
    assert rows[0]["source"] == "motion.mp4"
    page.click("#videos-delete")
    expect(page.locator("#videos-choose")).to_be_visible()
    page.set_input_files("#videos-file", {"name": "clip.mp4", "mimeType": "video/mp4", "buffer": b"This is no video."})
    expect(page.locator("#toast")).to_contain_text(
        "expected a video such as MP4, WebM, Matroska, AVI or GIF in clip.mp4"
    )


def test_a_video_outlasts_questions_without_an_answer(page: Page, clips: Shelf) -> None:
    page.click("#tab-videos")
    page.route("**/jobs/*", lambda route: route.abort())
    page.set_input_files("#videos-file", str(clips["motion"].path))
    expect(page.locator("#videos-detail")).to_have_text("No answer: asking again")
    page.unroute("**/jobs/*")
    expect(page.locator("#videos-summary")).to_contain_text("On average", timeout=120_000)


def test_a_video_that_is_given_up_leaves_no_job(page: Page, clips: Shelf) -> None:
    def deleted(done: Callable[[], None]) -> bool:
        with page.expect_response(lambda answer: answer.request.method == "DELETE") as answer:
            done()
        return answer.value.status == 204

    def broken(route: Route) -> None:
        if route.request.method == "GET":
            route.fulfill(status=404, json={"error": "No such job."})
        else:
            route.continue_()

    page.click("#tab-videos")
    page.route("**/jobs/*", broken)
    assert deleted(lambda: page.set_input_files("#videos-file", str(clips["motion"].path)))
    expect(page.locator("#toast")).to_have_text("No such job.")
    page.unroute("**/jobs/*")

    page.evaluate(LATE_ANSWER)
    page.set_input_files("#videos-file", str(clips["motion"].path))
    expect(page).to_have_title("answered")
    page.click("#videos-cancel")
    assert deleted(lambda: page.evaluate("hear()"))
    expect(page.locator("#videos-choose")).to_be_visible()


def test_an_upload_that_is_cancelled_midway_is_not_finished(page: Page) -> None:
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 100_000}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    page.click("#tab-videos")
    page.set_input_files("#videos-file", {"name": "clip.mp4", "mimeType": "video/mp4", "buffer": bytes(3_000_000)})
    expect(page.locator("#videos-detail")).to_contain_text("% of 3.0 MB")
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/videos")):
        page.click("#videos-cancel")


def test_by_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#tab-camera")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tab-pictures")).to_be_focused()
    expect(page.locator("#pictures")).to_be_visible()
    page.keyboard.press("End")
    expect(page.locator("#videos")).to_be_visible()
    page.keyboard.press("Home")
    page.keyboard.press("Tab")
    expect(page.locator("#theme")).to_be_focused()
    for theme in ("light", "dark", None):
        page.keyboard.press("Enter")
        assert page.evaluate("document.documentElement.dataset.theme ?? null") == theme
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # starts the camera
    expect(page.locator("#camera-stop")).to_be_visible()


def test_accessibility(page: Page) -> None:
    source = axe()
    found = violations(page, source)
    page.click("#tab-videos")
    found += violations(page, source)
    page.click("#tab-pictures")
    page.click("#pictures-sample")
    page.wait_for_selector(".verdict-share")
    found += violations(page, source)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_timeout(300)  # colours fade
    found += violations(page, source)
    assert found == []


def test_on_a_phone(phone: Page) -> None:
    def overflow() -> int:
        return int(phone.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    assert overflow() == 0
    phone.click("#camera-start")
    expect(phone.locator("#verdict")).to_contain_text("happiness")
    assert overflow() == 0
    assert phone.evaluate(SMALL) == 0
    phone.click("#tab-pictures")
    phone.click("#pictures-sample")
    phone.wait_for_selector("#pictures-tools:not([hidden])")
    assert overflow() == 0
    phone.click("#tab-videos")
    assert overflow() == 0


def test_a_camera_that_does_not_start(page: Page) -> None:
    for error, title in {
        "NotAllowedError": "The camera is not allowed here",
        "NotFoundError": "There is no camera",
        "NotReadableError": "Another program holds the camera",
        "AbortError": "The camera does not start",
    }.items():
        page.evaluate(
            "name => navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', name) }", error
        )
        page.click("#camera-start")
        expect(page.locator("#camera-title")).to_have_text(title)
        expect(page.locator("#live")).to_contain_text(title)
        expect(page.locator("#camera-start")).to_be_enabled()
    page.evaluate("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})")  # no localhost, no HTTPS
    page.click("#camera-start")
    expect(page.locator("#camera-title")).to_have_text("The camera needs a safe address")
    expect(page.locator("#camera-text")).to_contain_text("--tls-cert")


def test_permission_denied_by_the_browser_itself(playwright: Playwright, server: Server) -> None:
    browser = chromium(playwright, more=["--use-fake-device-for-media-stream", "--deny-permission-prompts"])
    for page in opened(browser, server):
        page.click("#camera-start")
        expect(page.locator("#camera-title")).to_have_text("The camera is not allowed here")
    browser.close()


def test_a_server_that_is_gone_and_back_and_wants_a_key(browser: Browser) -> None:
    with serving("--detector", "haar", MIEN_API_KEY="open sesame") as first:
        context = browser.new_context(viewport=DESK)
        page = context.new_page()
        page.goto(first.address)
        expect(page.locator("#key")).to_be_visible()
        page.fill("#key-value", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#key-value")).to_have_value("")
        page.fill("#key-value", "open sesame")
        page.keyboard.press("Enter")
        page.wait_for_selector("html[data-ready]")
        page.click("#camera-start")
        expect(page.locator("#verdict")).to_contain_text("happiness")
        first.process.kill()
        first.process.wait()
        expect(page.locator("#link")).to_have_attribute("data-state", "lost")
        expect(page.locator("#verdict")).to_have_text("No answer")
    with serving("--detector", "haar", "--port", str(first.port), MIEN_API_KEY="open sesame"):
        expect(page.locator("#verdict")).to_contain_text("happiness")
        expect(page.locator("#link")).to_have_attribute("data-state", "ready")
        context.close()
