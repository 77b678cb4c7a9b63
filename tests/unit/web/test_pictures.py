"""`POST /predict`: every picture its rows, every bad one its clear line."""

import base64
import io
import logging
import time

import numpy as np
import PIL.Image
import pytest

import mien
from mien.core.images import decode, encode, read_image
from mien.pipeline.predict_table import columns
from mien.web.app import create_app
from mien.web.settings import ServeConfig

from .conftest import Client, error_of, png


def ask(client, *files, **options):
    """Send files, each (name, bytes)."""
    parts = [("images", (name, data, "image/jpeg")) for name, data in files]
    return client.post("/predict", files=parts, **options)


def test_a_face_is_found_as_the_recogniser_finds_it(client, photograph, samples):
    answer = ask(client, ("astronaut.jpg", photograph))
    assert answer.status_code == 200
    found = answer.json()
    expected = mien.Recognizer(detector="haar").predict(samples / "astronaut.jpg")
    [row] = found["rows"]
    assert list(row) == list(columns(expected.label_set))
    assert row["label"] == "happiness"
    assert row["source"] == "astronaut.jpg"
    assert [row[side] for side in ("x1", "y1", "x2", "y2")] == pytest.approx(expected.boxes[0].tolist(), abs=0.01)
    assert [row[f"p_{label}"] for label in found["labels"]] == pytest.approx(
        expected.probabilities[0].tolist(), abs=1e-5
    )
    assert found["model"] == "mien-s"
    [picture] = found["pictures"]
    assert (picture["width"], picture["height"], picture["faces"], picture["note"]) == (512, 512, 1, None)


def test_several_pictures_keep_their_order_and_one_that_cannot_be_read_is_a_row(client, photograph, samples):
    other = (samples / "grace_hopper.jpg").read_bytes()
    answer = ask(client, ("b.jpg", other), ("broken.jpg", b"no picture"), ("a.jpg", photograph))
    assert answer.status_code == 200
    rows = answer.json()["rows"]
    assert [row["source"] for row in rows] == ["b.jpg", "broken.jpg", "a.jpg"]
    assert [row["label"] for row in rows] == ["neutral", None, "happiness"]
    assert "expected a JPEG, PNG, WebP, BMP, TIFF or GIF in broken.jpg" in rows[1]["error"]


def test_no_face_is_no_error(client):
    answer = ask(client, ("wall.png", encode(np.full((200, 300, 3), 120, np.uint8), ".png")))
    assert answer.status_code == 200
    [row] = answer.json()["rows"]
    assert (row["face_id"], row["error"]) == (None, None)
    assert answer.json()["pictures"][0]["faces"] == 0


@pytest.mark.parametrize("how", [{"params": {"annotated": "true"}}, {"headers": {"Accept": "image/jpeg"}}])
@pytest.mark.parametrize("heat", ["false", "true"])
def test_the_annotated_picture(client, photograph, samples, how, heat):
    params = how.get("params", {}) | {"heat": heat}
    answer = ask(client, ("a.jpg", photograph), params=params, headers=how.get("headers"))
    assert answer.headers["content-type"] == "image/jpeg"
    drawn, bare = decode(answer.content), read_image(samples / "astronaut.jpg")
    change = np.abs(drawn[::2, ::2].astype(int) - bare).max(2) > 60
    assert change[60:220, 160:420].mean() > 0.1  # around the face
    assert change[350:, :150].mean() < 0.01  # and not elsewhere


def test_heat_says_where_the_model_looked(client, photograph):
    found = ask(client, ("a.jpg", photograph), params={"heat": "true"}).json()
    [row], [heat] = found["rows"], found["pictures"][0]["heat"]
    values = np.frombuffer(base64.b64decode(heat["values"]), np.uint8).reshape(heat["size"], heat["size"])
    assert values.max() == 255
    rows, _ = np.nonzero(values > 200)
    assert rows.mean() > heat["size"] / 2  # a smile is below the middle
    assert abs(heat["x"] - (row["x1"] + row["x2"]) / 2) < heat["side"] / 4
    assert row["y1"] < heat["y"] < row["y2"]


def test_abstaining(client, photograph):
    sure, unsure = (ask(client, ("a.jpg", photograph), params={"abstain": p}).json() for p in (0.1, 1.0))
    assert sure["rows"][0]["label"] == "happiness"
    assert unsure["rows"][0]["label"] is None
    assert unsure["rows"][0]["p_happiness"] > 0.5


@pytest.mark.parametrize(
    ("data", "status", "line"),
    [
        (b"This is a text.\n", 415, "expected a JPEG, PNG, WebP, BMP, TIFF or GIF in a.jpg, got 16 bytes"),
        (b"", 422, "expected a picture in a.jpg, got no bytes: choose another file"),
        (png(60_000, 60_000), 413, "expected at most 40 megapixels in a.jpg, got 60000 x 60000: make it smaller"),
        (png(300, 200)[:60], 422, "expected a whole PNG in a.jpg, got one that is cut off or damaged"),
        (b"\0\0\0\x18ftypheic" + bytes(40), 415, "in a.jpg, got HEIC or AVIF: convert it first"),
        (b"\0\0\0\x18ftypisom" + bytes(40), 415, "in a.jpg, got MP4 or QuickTime: send a video to /videos"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), 415, "got 52 bytes of something else: convert it first"),
    ],
    ids=["text", "empty", "bomb", "cut off", "heic", "video", "other decoders"],
)
def test_bad_pictures_are_refused_in_one_line(client, data, status, line):
    answer = ask(client, ("a.jpg", data))
    assert answer.status_code == status
    assert line in error_of(answer)


def test_a_damaged_jpeg_is_said_to_be_so(client, photograph):
    answer = ask(client, ("half.jpg", photograph[: len(photograph) // 2]))
    assert answer.status_code == 422
    assert error_of(answer) == "expected a whole JPEG in half.jpg, got one that is cut off: copy it again"


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_taken_and_that_is_said(client, photograph, format):
    first = PIL.Image.open(io.BytesIO(photograph))
    file = io.BytesIO()
    first.save(
        file, format, save_all=True, append_images=[PIL.Image.new("RGB", first.size, (i, 0, 0)) for i in (90, 200)]
    )
    found = ask(client, ("a.gif", file.getvalue())).json()
    assert found["pictures"][0]["note"] == "The first of 3 frames; as a video all are read."
    assert found["rows"][0]["label"] == "happiness"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd.jpg", "passwd.jpg"),
        ("C:\\Users\\me\\face.jpg", "face.jpg"),
        ("müde 1.jpg", "müde 1.jpg"),
        ("x" * 500, "x" * 200),
    ],
)
def test_names_hold_no_folders(client, name, kept):
    assert ask(client, (name, b"?" * 20), ("b", b"?")).json()["rows"][0]["source"] == kept


def test_too_many_pictures(served):
    client = served(max_pictures=2)
    face = encode(np.zeros((48, 48, 3), np.uint8), ".png")
    assert ask(client, *[("a.png", face)] * 2).status_code == 200
    answer = ask(client, *[("a.png", face)] * 3)
    assert answer.status_code == 413
    assert error_of(answer) == "expected at most 2 pictures in one request, got 3: send several requests"


def test_one_picture_at_a_time_is_drawn(client, photograph):
    answer = ask(client, ("a.jpg", photograph), ("b.jpg", photograph), params={"annotated": "true"})
    assert answer.status_code == 422
    assert "expected one picture to draw on, got 2" in error_of(answer)


@pytest.mark.parametrize(
    ("send", "line"),
    [
        ({"data": {"images": "text"}}, "expected a valid images"),
        ({"json": {}}, "expected a valid images, got: Field required"),
        ({"content": b"", "headers": {"Content-Type": "multipart/form-data"}}, "boundary"),
        ({"files": [("images", ("a", b"x"))], "params": {"abstain": "7"}}, "expected a valid abstain"),
    ],
)
def test_malformed_requests(client, send, line):
    answer = client.post("/predict", **send)
    assert answer.status_code in (400, 422)
    assert line in error_of(answer)


def test_a_full_queue_is_said_with_when_to_ask_again(served):
    client = served(max_waiting=0)
    recognition = client.app.state.recognition
    recognition._requests = 1  # one is with the only worker
    face = encode(np.zeros((48, 48, 3), np.uint8), ".png")
    answer = ask(client, ("a.png", face))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert error_of(answer) == "expected at most 0 waiting requests, got more: ask again in 1 s"
    recognition._requests = 0
    assert ask(client, ("a.png", face)).status_code == 200
    assert recognition._requests == 0


def test_work_that_takes_too_long_is_given_up(served, monkeypatch):
    client = served(timeout_s=0.2)
    monkeypatch.setattr("mien.web.pictures._look", lambda *_: time.sleep(0.6))
    answer = ask(client, ("a.png", b"x"))
    assert answer.status_code == 503
    assert "expected an answer within 0.2 s" in error_of(answer)
    assert client.get("/health").status_code == 200


def test_a_mistake_of_ours_shows_nothing(tiny_model, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("/secret/place")

    monkeypatch.setattr("mien.web.pictures._look", broken)
    caplog.set_level(logging.CRITICAL)
    app = create_app(ServeConfig(model=tiny_model, detector="none"))
    with Client(app, raise_server_exceptions=False) as client:
        answer = ask(client, ("a.png", b"x"))
    assert answer.status_code == 500
    assert error_of(answer) == "something went wrong in the server: its log says what"
