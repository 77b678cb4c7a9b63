"""The page's files, what the server says of itself, and its description."""

import re

import pytest

import mien
from mien.pipeline.marks import COLORS
from mien.web.app import STATIC

from .conftest import error_of


def test_the_page_and_all_it_names_are_there(client):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    named = set(re.findall(r'(?:src|href)="([\w.]+)"', page.text))
    for module in STATIC.glob("*.js"):
        named.update(re.findall(r'from "\./([\w.]+)"', module.read_text("utf-8")))
    assert {"style.css", "main.js", "overlay.js", "server.js"} <= named
    for name in named:
        assert client.get(f"/{name}").status_code == 200, name


def test_the_page_loads_nothing_from_elsewhere(client):
    for path in STATIC.iterdir():
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "").replace("http://localhost", "")
        assert "//" not in re.sub(r"^\s*//.*$|\s// .*$", "", text, flags=re.M).replace("/**", ""), path.name


def test_the_page_needs_no_inline_code(client):
    text = client.get("/").text
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?! type=\"module\" src=)", text)


def test_colours_are_those_of_drawn_pictures(client):
    text = client.get("/colors.js").text
    found = {name: tuple(map(int, rgb.split(","))) for name, rgb in re.findall(r"(\w+): \[([\d, ]+)\]", text)}
    assert found == COLORS


@pytest.mark.parametrize(
    "path", ["/../settings.py", "/static/main.js", "/..%2fapp.py", "/main.js/", "/.git", "/nothing"]
)
def test_other_paths_are_not_there(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert error_of(answer) == "expected a page or route of this server, got another: see /"


def test_another_method(client):
    answer = client.get("/predict")
    assert answer.status_code == 405
    assert error_of(answer) == "expected another method for this route, got GET: see /openapi.json"


def test_models(client):
    about = client.get("/models").json()
    assert about["model"] == "mien-s"
    assert about["head"] == "ferplus"
    assert about["columns"][:4] == ["source", "frame", "time_s", "face_id"]
    assert set(about["models"]) >= set(mien.models().cards)
    assert about["models"]["mien-s"]["heads"]["ferplus"] == about["labels"]
    assert about["limits"]["upload_bytes"] == 32_000_000
    assert about["live_heat"] is True


def test_health(client):
    assert client.get("/health").json() == {"status": "ok", "version": mien.__version__}


def test_metrics_count(served):
    client = served()
    client.post("/predict", files={"images": b"text"})
    client.get("/nothing")
    text = client.get("/metrics").text
    assert 'mien_requests_total{route="/predict",status="415"} 1.0' in text
    assert 'mien_requests_total{route="other",status="404"} 1.0' in text
    assert "mien_pictures_total 1.0" in text
    assert 'mien_request_seconds_count{route="/predict"} 1.0' in text
    assert "mien_waiting 0.0" in text


def test_the_description_names_every_route(client):
    description = client.get("/openapi.json").json()
    assert set(description["paths"]) == {
        "/predict",
        "/videos",
        "/jobs/{id}",
        "/jobs/{id}/table",
        "/models",
        "/health",
        "/metrics",
    }
    assert "503" in description["paths"]["/predict"]["post"]["responses"]


def test_no_answer_holds_a_path_of_the_server(client):
    for path in ("/models", "/openapi.json", "/health", "/metrics", "/nothing"):
        assert str(STATIC.parents[2]) not in client.get(path).text
