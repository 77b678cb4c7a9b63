"""A picture that brings a decoder down costs one answer."""

import sys
from collections.abc import Callable

import pytest
from decoders import DEADLY, fragile
from fastapi.testclient import TestClient

Ask = Callable[..., TestClient]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals; this is Windows")


def test_the_server_outlives_its_decoders(served: Ask, photograph: bytes) -> None:
    client = served(decoder=fragile)
    for _ in range(2):
        answer = client.post("/predict", files={"images": ("bad.jpg", photograph + DEADLY)})
        assert answer.status_code == 422
        assert answer.json()["error"] == (
            "expected a picture in bad.jpg that can be decoded, got one that brought its decoder down: convert it"
        )
    several = client.post(
        "/predict", files=[("images", ("bad.jpg", photograph + DEADLY)), ("images", ("good.jpg", photograph))]
    )
    assert several.status_code == 200
    assert [each["faces"] for each in several.json()["pictures"]] == [0, 1]
    assert "brought its decoder down" in several.json()["pictures"][0]["error"]


def test_a_camera_outlives_a_frame(served: Ask, photograph: bytes) -> None:
    client = served(decoder=fragile)
    with client.websocket_connect("/stream") as socket:
        socket.send_bytes(photograph + DEADLY)
        assert "brought its decoder down" in socket.receive_json()["error"]
        socket.send_bytes(photograph)
        assert socket.receive_json()["rows"]
