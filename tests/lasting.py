"""Commands of the documentation that run until they are stopped, or on several machines: started, used, ended."""

import os
import re
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence

import cv2
from streams import mjpeg_server

import mien
from mien.core.images import read_image

PATIENCE_S = 120
_FIRST = "10.0.0.1"  # what pages call the first of several machines


def lasts(words: Sequence[str]) -> bool:
    """Whether a command runs until it is stopped."""
    return list(words[:2]) in (["mien", "serve"], ["mien", "live"]) or "http.server" in words


def use(words: Sequence[str]) -> tuple[int, str]:
    """Do such a command in the current folder until it has served its purpose: its exit code, and what it said."""
    if words[1] == "live":
        return _watch(list(words))
    return _ask(list(words))


def _ask(words: list[str]) -> tuple[int, str]:
    """Start a server, get a page from it, and end it by Ctrl-C."""
    port = _free_port()
    if words[0] == "mien":
        if "--port" in words:
            place = words.index("--port")
            del words[place : place + 2]
        whole = [sys.executable, "-m", "mien", *words[1:], "--port", str(port)]
    else:
        whole = [sys.executable, *words[1:-1], str(port)]
    scheme = "https" if "--tls-cert" in words else "http"
    # A page that a server opens would stay open.
    server = subprocess.Popen(
        whole, env=os.environ | {"BROWSER": "true"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        title = _title(f"{scheme}://127.0.0.1:{port}/", server)
        time.sleep(0.5)
        server.send_signal(signal.SIGINT)
        said = server.communicate(timeout=PATIENCE_S)[0]
    finally:
        server.kill()
    if not title.startswith("mien"):
        return 1, f"expected the page of mien, got {title!r}: {said[-500:]}"
    return server.returncode, said[-500:]


def _title(address: str, server: subprocess.Popen[str]) -> str:
    """Of the page at an address, once it answers."""
    context = ssl._create_unverified_context()  # the certificate was made a moment ago
    for _ in range(PATIENCE_S * 10):
        if server.poll() is not None:
            return ""
        try:
            with urllib.request.urlopen(address, context=context if address.startswith("https") else None) as answer:
                found = re.search(r"<title>(.*?)</title>", answer.read().decode())
                return found[1] if found else ""
        except urllib.error.URLError:
            time.sleep(0.1)
    return ""


def _watch(words: list[str]) -> tuple[int, str]:
    """A few seconds of `mien live` without a screen: a clip is its camera, and a stream comes from this machine."""
    picture = cv2.resize(read_image(mien.sample("astronaut"))[:480, :640], (640, 480))
    jpeg = cv2.imencode(".jpg", picture[:, :, ::-1])[1].tobytes()
    with mjpeg_server(jpeg) as stream:
        camera = words[words.index("--camera") + 1] if "--camera" in words else "0"
        instead = stream if camera.startswith("http") else "clip.mp4"
        whole = [sys.executable, "-m", "mien", *words[1:], "--camera", instead, "--seconds", "4"]
        done = subprocess.run(
            whole, env=os.environ | {"SDL_VIDEODRIVER": "dummy"}, capture_output=True, text=True, timeout=PATIENCE_S
        )
    return done.returncode, (done.stderr or done.stdout)[-500:]


def run_together(commands: Sequence[str], more: Sequence[str]) -> tuple[int, str]:
    """Commands of torchrun for several machines, all at once on this one, with further words: the worst exit code."""
    port = _free_port()
    runs = []
    for command in commands:
        words = shlex.split(command.replace(_FIRST, "127.0.0.1"))[1:]
        words[words.index("--master-port") + 1] = str(port)
        whole = [sys.executable, "-m", "torch.distributed.run", *words, *more]
        runs.append(subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    try:
        said = [run.communicate(timeout=5 * PATIENCE_S)[0] for run in runs]
    finally:
        for run in runs:
            run.kill()
    return max(abs(run.returncode) for run in runs), "\n".join(each[-500:] for each in said)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
