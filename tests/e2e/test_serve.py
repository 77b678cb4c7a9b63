"""`mien serve` as a process: how it starts, what it refuses, and how it ends."""

import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from clips import Shelf
from serving import command, environment, serving

from mien.cli.app import main


def test_it_says_where_it_is_serves_and_ends_when_told(samples: Path) -> None:
    with serving("--detector", "haar", "--timeout-s", "2", MIEN_API_KEY="key") as server:
        assert server.address == f"http://localhost:{server.port}/"
        with httpx.Client(base_url=server.address, headers={"X-API-Key": "key"}, timeout=60) as client:
            assert client.get("/health").json()["status"] == "ok"
            assert "<title>mien" in client.get("/").text
            answer = client.post("/predict", files={"images": (samples / "astronaut.jpg").read_bytes()})
            assert answer.json()["rows"][0]["label"] == "happiness"
        assert httpx.get(f"{server.address}models").status_code == 401
        only_this_machine_reaches(server.port)
        who_asks_nothing_is_not_waited_for(server.port)
        server.process.send_signal(signal.SIGTERM)
        out, err = server.process.communicate(timeout=30)
        assert server.process.returncode == 0
        assert (out, err) == ("", "")


def only_this_machine_reaches(port: int) -> None:
    outside = socket.gethostbyname(socket.gethostname())
    if not outside.startswith("127."):
        with pytest.raises(OSError), socket.create_connection((outside, port), 2):
            pass


def who_asks_nothing_is_not_waited_for(port: int) -> None:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 30) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: loc")  # and no more
        again = socket.create_connection(("127.0.0.1", port), 30)
        again.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            answer += again.recv(10_000)
        assert answer.startswith(b"HTTP/1.1 200 ")
        again.sendall(b"G")  # of a second request
        with socket.create_connection(("127.0.0.1", port), 30) as slow:
            slow.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\nX-API-Key: key\r\n")
            slow.sendall(b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x")
            assert slow.recv(100).startswith(b"HTTP/1.1 408 ")
        assert idle.recv(100) == b""
        with again:
            assert again.recv(100) == b""
    assert time.monotonic() - began < 25


def test_a_stopping_server_finishes_its_videos_and_hands_them_out(clips: Shelf) -> None:
    with serving("--detector", "haar") as server, httpx.Client(base_url=server.address, timeout=60) as client:
        job = client.post("/videos", files={"video": ("clip.mp4", clips["motion"].path.read_bytes())}).json()
        server.process.send_signal(signal.SIGTERM)
        while (state := client.get(f"/jobs/{job['id']}").json())["state"] in ("queued", "running"):
            assert client.get("/health").status_code == 503
            time.sleep(0.1)
        assert state["state"] == "done"
        assert client.get(f"/jobs/{job['id']}/table?format=json").json()[0]["source"] == "clip.mp4"  # as the page does
        assert client.get(f"/jobs/{job['id']}/table").text.startswith("source,frame,time_s,face_id")
        server.process.wait(30)
        assert server.process.returncode == 0


def test_a_port_in_use_is_said_before_a_model_is_loaded() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = command("--port", str(port), "--model", "no-such-model")
        done = subprocess.run(words, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == (
        f"mien: expected a free port at 127.0.0.1:{port}, got: Address already in use: give --port N, or 0 for any\n"
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--model", "no-such"], "expected a model"),
        (["--detector", "no-such"], "expected a detector"),
        (["--head", "no-such"], "head"),
        (
            ["--host", "no.such.host.invalid"],
            "expected an address of this machine as --host, got 'no.such.host.invalid'",
        ),
        (["--api-key", ""], "expected a key, got an empty --api-key or MIEN_API_KEY"),
        (["--tls-cert", "pyproject.toml", "--tls-key", "pyproject.toml"], "expected a PEM certificate and its key in"),
        (["--rate", "-1"], "expected --rate of 0 or more, got -1"),
    ],
)
def test_wrong_use_is_one_line(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert main(["serve", "--port", "0", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert line in error


def test_https(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "1"]
    subprocess.run([*made, "-keyout", key, "-out", cert, *subject], check=True, capture_output=True)
    with serving("--detector", "none", "--tls-cert", str(cert), "--tls-key", str(key)) as server:
        assert server.address.startswith("https://localhost:")

        assert httpx.get(f"{server.address}health", verify=ssl.create_default_context(cafile=cert)).status_code == 200
