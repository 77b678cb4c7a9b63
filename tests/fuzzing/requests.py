"""The script: START STOP REPORT http|stream; damaged requests, or damaged frames of a WebSocket, for a live server."""

import contextlib
import json
import re
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from layouts.faces import face

from fuzzing.cases import command, high_water_mb, work
from fuzzing.damage import ODD, binary, mutate, text
from mien.core.images import encode

SEED = 20131201
PATIENCE_S = 20.0  # for an answer
WAIT_S = 0.05  # for more of it, before this side says that nothing else comes
_HANDSHAKE = (
    b"GET /stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_TARGETS = (
    "/", "/health", "/models", "/metrics", "/openapi.json", "/main.js", "/sample.jpg", "/../../../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd", "/jobs/x", "/jobs/x/table?format=csv", "/jobs/..%2f..%2fetc/table?format=json",
)  # fmt: skip


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[int, int]]:
    """The port and the number of a server in a process of its own; it must end well, and have opened nothing."""
    report, log = folder / "watched.json", folder / "log.txt"
    line, environment = command("fuzzing.served", str(report))
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout is not None
        said = re.search(r":(\d+)/", process.stdout.readline())
        assert said, log.read_text("utf-8")
        yield int(said[1]), process.pid
        assert process.poll() is None, "the server died"
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        process.wait(60)
        seen = json.loads(report.read_text("utf-8"))
        assert not seen, seen[:5]
        assert "Traceback" not in log.read_text("utf-8"), log.read_text("utf-8")[-3000:]
    finally:
        process.kill()
        process.communicate()


def request(rng: np.random.Generator, pictures: list[bytes]) -> bytes:
    """A whole request of some route."""
    kind = rng.integers(4)
    query = ODD[int(rng.integers(len(ODD)))].encode("utf-8", "replace")[:200].replace(b"\r", b"").replace(b"\n", b"")
    if kind == 0:
        return (
            b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            % _TARGETS[int(rng.integers(len(_TARGETS)))].encode()
        )
    if kind == 1:
        method = (b"OPTIONS", b"HEAD", b"DELETE", b"PUT", b"TRACE", b"CONNECT")[int(rng.integers(6))]
        return (
            b"%b /jobs/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: http://localhost\r\n\r\n" % method
        )
    picture = pictures[int(rng.integers(len(pictures)))]
    if rng.random() < 0.5:
        picture = binary(picture, rng)
    field, path = (
        (b"video", b"/videos") if kind == 2 else (b"images", b"/predict?annotated=%b&heat=1&abstain=0.5" % query)
    )
    body = (
        b'--x\r\nContent-Disposition: form-data; name="%b"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        % field
        + picture
        + b"\r\n--x--\r\n"
    )
    if rng.random() < 0.2:
        body = binary(body, rng)
    if rng.random() < 0.2:
        length = b"Transfer-Encoding: chunked"
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        length = b"Content-Length: %d" % len(body)
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%b\r\n" % (path, length)
    return head + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + body


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """A request whose head, or whose bytes anywhere, are damaged; two thirds of them."""
    kind = rng.integers(3)
    if kind == 0:
        return data
    head, _, body = data.partition(b"\r\n\r\n")
    return text(head, rng) + b"\r\n\r\n" + body if kind == 1 else mutate(data, rng)


def frame(rng: np.random.Generator, pictures: list[bytes]) -> bytes:
    """A frame of a WebSocket, RFC 6455: its kind, its length and what it holds may be wrong."""
    picture = pictures[int(rng.integers(len(pictures)))]
    odd = ODD[int(rng.integers(len(ODD)))].encode("utf-8", "surrogatepass")
    content = (picture, binary(picture, rng), b'{"heat": true}', text(b'{"heat": true}', rng), odd, b"[" * 50_000)
    held = content[int(rng.integers(len(content)))]
    opcode = int(rng.choice([0, 1, 1, 2, 2, 2, 3, 8, 9, 10, 15]))
    first = (0x80 if rng.random() < 0.9 else 0) | opcode | (0x40 if rng.random() < 0.05 else 0)
    said = len(held) if rng.random() < 0.9 else int(rng.choice([0, 125, 65535, 1 << 31, (1 << 63) - 1]))
    masked = 0x80 if rng.random() < 0.95 else 0
    if said < 126:
        length = bytes([masked | said])
    elif said < 1 << 16:
        length = bytes([masked | 126]) + struct.pack(">H", said)
    else:
        length = bytes([masked | 127]) + struct.pack(">Q", said)
    key = b"\1\2\3\4" if masked else b""
    values = np.frombuffer(held, np.uint8) ^ np.resize(np.frombuffer(key or b"\0", np.uint8), len(held))
    return bytes([first]) + length + key + values.tobytes()


def ask(port: int, data: bytes) -> bytes:
    """What comes back for some bytes, up to the end of the connection; if it stays open, this side ends it."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as link, contextlib.suppress(ConnectionError):
        link.sendall(data)
        while select.select([link], [], [], WAIT_S)[0]:
            if not (part := link.recv(1 << 16)):
                return answer
            answer += part
        link.shutdown(socket.SHUT_WR)  # it waits for more, which does not come
        while part := link.recv(1 << 16):
            answer += part
    return answer


def through(kind: str, start: int, stop: int, report: Path) -> None:
    pictures = [encode(face("fear", seed=1), ".jpg"), encode(face("anger", seed=2, color=True), ".png"), b"GIF89a"]
    folder = report.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    with serving(folder) as (port, pid):

        def case(number: int) -> str:
            rng = np.random.default_rng((SEED, number, kind == "http"))
            if kind == "http":
                answer = ask(port, damaged(request(rng, pictures), rng))
            else:
                frames = b"".join(frame(rng, pictures) for _ in range(int(rng.integers(1, 4))))
                close = b"\x88\x80\0\0\0\0"
                answer = ask(port, (_HANDSHAKE if rng.random() < 0.9 else text(_HANDSHAKE, rng)) + frames + close)
            code = answer[9:12].decode("latin-1") if answer.startswith(b"HTTP/1.") else "none"
            assert code == "none" or (code.isdecimal() and code[0] in "1234") or code == "503", answer[:300]
            assert b"root:" not in answer and b"secret " not in answer
            if number % 50 == 0 or number == stop - 1:
                well = ask(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert well.startswith(b"HTTP/1.1 200"), well[:300]
                assert high_water_mb(pid) < 1024
            return code if kind == "http" else f"handshake {code}"

        work(case, start, stop, report)
        print(f"server: {high_water_mb(pid):.0f} MB at most")


def main(start: str, stop: str, report: str, *kinds: str) -> None:
    for kind in kinds:
        through(kind, int(start), int(stop), Path(report, f"{kind}.json") if len(kinds) > 1 else Path(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
