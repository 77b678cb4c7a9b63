"""A server without a network, asked through its ASGI interface."""

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from mien.core.headers import PNG
from mien.web.app import create_app
from mien.web.settings import ServeConfig

HERE = "http://localhost:8000"
Ask = Callable[..., TestClient]


class Client(TestClient):
    """A client of a server at localhost; the one of Starlette calls a WebSocket's server "testserver"."""

    def __init__(self, app: FastAPI, **options: Any) -> None:
        super().__init__(app, base_url=HERE, **options)

    def websocket_connect(self, url: str, *args: Any, **options: Any) -> Any:
        return super().websocket_connect(HERE.replace("http", "ws") + url, *args, **options)


@pytest.fixture(scope="session")
def client() -> Iterator[TestClient]:
    """The server with its defaults, but for the quicker detector."""
    with Client(create_app(ServeConfig(detector="haar", workers=2))) as client:
        yield client


@pytest.fixture
def served(tiny_model: Path) -> Iterator[Ask]:
    """Makes servers with settings of their own, and a small model."""
    clients: list[TestClient] = []

    def make(*, worker: Any = None, decoder: Any = None, **settings: Any) -> TestClient:
        config = ServeConfig(**{"model": tiny_model, "detector": "none", "workers": 1} | settings)
        app = create_app(config, decoder=decoder, **({"worker": worker} if worker else {}))
        clients.append(Client(app).__enter__())
        return clients[-1]

    yield make
    for each in clients:
        each.__exit__(None, None, None)


@pytest.fixture(scope="session")
def photograph(samples: Path) -> bytes:
    """A JPEG with one face."""
    return (samples / "astronaut.jpg").read_bytes()


def png(width: int, height: int) -> bytes:
    """The beginning of a grey PNG that says it is so large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def error_of(answer: Any) -> str:
    """What a refusal says."""
    assert set(answer.json()) == {"error"}
    return str(answer.json()["error"])
