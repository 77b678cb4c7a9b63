"""Live frames: the latest wins, faces keep their numbers, and nothing that comes stops the server."""

import json
import threading
import time

import numpy as np
import pytest
from starlette.websockets import WebSocketDisconnect

from mien.core.images import encode

from .conftest import png


def test_frames_come_back_as_faces(client, photograph):
    with client.websocket_connect("/stream", subprotocols=["mien"]) as socket:
        answers = []
        for _ in range(3):
            socket.send_bytes(photograph)
            answers.append(socket.receive_json())
    assert [answer["frame"] for answer in answers] == [0, 1, 2]
    assert [answer["rows"][0]["face_id"] for answer in answers] == [0, 0, 0]
    assert [answer["rows"][0]["frame"] for answer in answers] == [0, 1, 2]
    assert {answer["rows"][0]["label"] for answer in answers} == {"happiness"}
    assert answers[0]["dropped"] == 0
    assert (answers[0]["width"], answers[0]["height"]) == (512, 512)
    assert answers[0]["time_s"] <= answers[1]["time_s"] <= answers[2]["time_s"]
    assert "heat" not in answers[0]


def test_heat_is_switched_on_and_off(client, photograph):
    with client.websocket_connect("/stream") as socket:
        seen = []
        for heat in (True, False):
            socket.send_text(json.dumps({"heat": heat}))
            socket.send_bytes(photograph)
            seen.append(socket.receive_json().get("heat"))
    assert len(seen[0]) == 1
    assert seen[1] is None


def test_no_face_is_a_row_without_one(client):
    with client.websocket_connect("/stream") as socket:
        socket.send_bytes(encode(np.zeros((48, 64, 3), np.uint8), ".jpg"))
        [row] = socket.receive_json()["rows"]
    assert (row["face_id"], row["label"]) == (None, None)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"garbage", "expected a JPEG, PNG, WebP, BMP, TIFF or GIF in the frame, got 7 bytes of something else"),
        (b"", "expected a picture in the frame, got no bytes"),
        (png(60_000, 60_000), "expected at most 4 megapixels in the frame, got 60000 x 60000"),
        (bytes(3_000_000), "expected a frame of at most 2 MB, got 3.0"),
    ],
)
def test_garbage_is_answered_and_the_next_frame_is_read(client, photograph, data, line):
    with client.websocket_connect("/stream") as socket:
        socket.send_bytes(data)
        assert line in socket.receive_json()["error"]
        socket.send_bytes(photograph)
        assert socket.receive_json()["rows"][0]["label"] == "happiness"


@pytest.mark.parametrize("text", ["", "heat", "[]", '{"heat": 1}', '{"cold": true}', "\x00"])
def test_text_that_is_no_setting_is_answered(client, photograph, text):
    with client.websocket_connect("/stream") as socket:
        socket.send_text(text)
        assert 'expected {"heat": true} or a JPEG, got' in socket.receive_json()["error"]
        socket.send_bytes(photograph)
        assert socket.receive_json()["rows"]


def test_the_latest_frame_wins_and_what_was_dropped_is_said(client, photograph, monkeypatch):
    slow, looked = threading.Event(), []
    whole = client.app.state.recognition.run

    async def run(work, number, time_s, data):
        def later(*given):
            looked.append(number)
            slow.wait(10)
            return work(*given)

        return await whole(later, number, time_s, data)

    monkeypatch.setattr(client.app.state.recognition, "run", run)
    with client.websocket_connect("/stream") as socket:
        socket.send_bytes(photograph)
        while not looked:
            time.sleep(0.01)
        for _ in range(5):  # while the first is looked at
            socket.send_bytes(photograph)
        socket.send_text("sync")  # is read after the frames
        assert "error" in socket.receive_json()
        slow.set()
        answers = [socket.receive_json() for _ in range(2)]
    assert [(answer["frame"], answer["dropped"]) for answer in answers] == [(0, 0), (5, 4)]


def test_cameras_have_places(served):
    client = served(max_streams=1)
    with client.websocket_connect("/stream"):
        with client.websocket_connect("/stream") as second, pytest.raises(WebSocketDisconnect) as hung_up:
            second.receive_json()
        assert hung_up.value.code == 1013
        assert hung_up.value.reason == "expected at most 1 cameras at once, got more: try later"
    with client.websocket_connect("/stream") as third:  # the place is free again
        third.send_bytes(b"?")
        assert "error" in third.receive_json()


def test_a_camera_without_frames_gives_up_its_place(client, monkeypatch):
    monkeypatch.setattr("mien.web.stream.IDLE_S", 0.1)
    with client.websocket_connect("/stream") as socket, pytest.raises(WebSocketDisconnect) as hung_up:
        socket.receive_json()
    assert hung_up.value.code == 1000


def test_hanging_up_amid_a_frame_leaves_nothing(client, photograph):
    for _ in range(3):
        with client.websocket_connect("/stream") as socket:
            socket.send_bytes(photograph)
    assert client.get("/health").status_code == 200
    text = client.get("/metrics").text
    assert "mien_streams 0.0" in text
