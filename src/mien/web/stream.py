"""`WS /stream`: frames of a camera in, one JPEG a message; faces out, one JSON a frame. The latest frame wins.

A camera gives frames whether or not the server is ready for them. A frame that comes while another is looked at waits;
if a third comes, it takes the place of the one that waits, and the next answer says how many were dropped so.

A text message such as ``{"heat": true}`` switches heat maps on and off.
"""

import asyncio
import json
import time
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from mien.core.errors import MienError
from mien.pipeline.live import LiveRecognizer, live_rows
from mien.web.contents import check_picture
from mien.web.metrics import Metrics
from mien.web.pictures import packed
from mien.web.recognition import Recognition
from mien.web.refusals import Refusal
from mien.web.settings import MB

PROTOCOL = "mien"
SOURCE = "stream"
MOST_BYTES = 2 * MB  # of a frame
MOST_MEGAPIXELS = 4.0  # of a frame
IDLE_S = 60.0  # after which a camera without frames gives up its place
_AGAIN_LATER = 1013  # RFC 6455's registry: try again later
_MOST_REASON = 120  # bytes that a close frame has room for, roughly


def router(recognition: Recognition, metrics: Metrics, *, most_streams: int) -> APIRouter:
    """The route."""
    routes = APIRouter()
    streams = 0

    @routes.websocket("/stream")
    async def stream(socket: WebSocket) -> None:
        nonlocal streams
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
        if recognition.stopping:
            await socket.close(_AGAIN_LATER, "expected a server that goes on, got one that is stopping: try later")
            return
        if streams >= most_streams:
            await socket.close(_AGAIN_LATER, f"expected at most {most_streams} cameras at once, got more: try later")
            return
        streams += 1
        metrics.streams.inc()
        try:
            await _Camera(socket, recognition, metrics).serve()
        finally:
            streams -= 1
            metrics.streams.dec()

    return routes


class _Camera:
    """One connection."""

    def __init__(self, socket: WebSocket, recognition: Recognition, metrics: Metrics) -> None:
        self._socket, self._recognition, self._metrics = socket, recognition, metrics
        self._recognizer = LiveRecognizer(recognition.live)
        self._began = time.monotonic()
        self._waiting: tuple[int, float, bytes] | None = None  # number, time in seconds, JPEG
        self._came = asyncio.Event()
        self._received = self._dropped = 0
        self._heat = False

    async def serve(self) -> None:
        """Receive and answer until the other side hangs up."""
        tasks = [asyncio.create_task(each()) for each in (self._receive, self._answer)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except WebSocketDisconnect:
            pass
        finally:
            for task in tasks:
                task.cancel()
            # Not gather: cancelled itself, it raises the tasks' own cancellation, which nobody asked for.
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    task.exception()  # seen

    async def _receive(self) -> None:
        until = time.monotonic() + IDLE_S
        while True:
            try:
                message = await asyncio.wait_for(self._socket.receive(), until - time.monotonic())
            except TimeoutError:
                await self._socket.close(1000, "no frame for a minute")
                return
            if message["type"] == "websocket.disconnect":
                return
            if message.get("bytes") is not None:
                until = time.monotonic() + IDLE_S
                self._take(message["bytes"])
            else:
                await self._set(message.get("text") or "")

    def _take(self, data: bytes) -> None:
        if self._waiting is not None:
            self._dropped += 1
            self._metrics.dropped.inc()
        self._waiting = (self._received, time.monotonic() - self._began, data)
        self._received += 1
        self._came.set()

    async def _set(self, text: str) -> None:
        try:
            wanted = json.loads(text)
            if not isinstance(wanted, dict) or set(wanted) - {"heat"} or not isinstance(wanted.get("heat"), bool):
                raise ValueError
        except (ValueError, RecursionError):
            await self._socket.send_json({"error": f'expected {{"heat": true}} or a JPEG, got {text[:40]!r}'})
            return
        self._heat = wanted["heat"] and self._recognition.explainer.quick

    async def _answer(self) -> None:
        while True:
            await self._came.wait()
            self._came.clear()
            assert self._waiting is not None  # set before the event
            (number, time_s, data), self._waiting = self._waiting, None
            dropped, self._dropped = self._dropped, 0
            answer: dict[str, Any] = {"frame": number, "time_s": round(time_s, 3), "dropped": dropped}
            try:
                answer |= await self._recognition.run(self._look, number, time_s, data)
            except Refusal as refusal:
                if refusal.status_code == 503:  # the frame is still being looked at: no other may follow it
                    await self._socket.close(_AGAIN_LATER, refusal.detail[:_MOST_REASON])
                    return
                answer["error"] = refusal.detail
            await self._socket.send_json(answer)

    def _look(self, number: int, time_s: float, data: bytes) -> dict[str, Any]:
        """One frame, from its bytes to its faces. Runs in a worker."""
        began = time.perf_counter()
        if len(data) > MOST_BYTES:
            raise Refusal(413, f"expected a frame of at most {MOST_BYTES / MB:g} MB, got {len(data) / MB:.1f}")
        check_picture(data, "the frame", most_megapixels=MOST_MEGAPIXELS)
        try:
            image = self._recognition.decode(data, name="the frame")
        except MienError as error:
            raise Refusal(422, str(error)) from None
        frame = self._recognizer.step(image, time_s)
        answer: dict[str, Any] = {
            "width": image.shape[1],
            "height": image.shape[0],
            "rows": live_rows(frame, image, source=SOURCE, index=number),
        }
        if self._heat:
            answer["heat"] = packed(self._recognition.explainer.heat(image, frame.faces.faces))
        seconds = time.perf_counter() - began
        self._metrics.frames.inc()
        self._metrics.faces.inc(len(frame.faces))
        self._metrics.frame_seconds.observe(seconds)
        return answer | {"ms": round(1000 * seconds, 1)}
