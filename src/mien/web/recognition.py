"""The recognisers of a server: a fixed number of threads shares the cores, and the event loop stays free.

Strangers' pictures are decoded in as many other processes: one that brings a decoder down costs its own answer alone.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from mien.core.errors import UsageError, WorkerError
from mien.core.types import Image
from mien.pipeline.decoding import Decoders, Start
from mien.pipeline.face_heat import FaceExplainer
from mien.pipeline.live import LiveRecognizer
from mien.pipeline.recognizer import Recognizer
from mien.web.metrics import Metrics
from mien.web.refusals import BUSY_S, Refusal
from mien.web.settings import ServeConfig

# A face before a webcam fills a quarter of the picture's width or more; looking for smaller ones costs twice the time.
LIVE_MIN_FACE = 80

Answer = TypeVar("Answer")


class Recognition:
    """Recognises in `config.threads` threads; what comes on top waits, up to `config.max_waiting` requests.

    Attributes:
        recognizer: of pictures. live: of frames, which looks for larger faces only; both have one classifier.
        explainer: of both.
        stopping: whether new requests are refused, because the server is about to end.
    """

    def __init__(self, config: ServeConfig, metrics: Metrics, *, decoder: Start | None = None) -> None:
        self.recognizer = Recognizer(
            config.model,
            detector=config.detector,
            head=config.head,
            min_face=config.min_face,
            device=config.device,
            threads=1,  # the workers are the threads
        )
        classifier = self.recognizer.classifier
        if classifier.takes_clips:
            raise UsageError(f"expected a model of single pictures to serve, got {classifier.card.name}, one of clips")
        self.live = Recognizer(
            classifier,
            detector=config.detector,
            head=config.head,
            min_face=max(config.min_face, LIVE_MIN_FACE),
            device=config.device,
            threads=1,
        )
        # What is loaded at first use is loaded now: the first person at the page shall not wait, nor the event loop.
        LiveRecognizer(self.live).step(np.zeros((96, 128, 3), np.uint8), 0.0)
        self.explainer = FaceExplainer(self.recognizer, config.model)
        self.stopping = False
        self._config, self._metrics = config, metrics
        self._requests = 0
        self._pool = ThreadPoolExecutor(config.threads, thread_name_prefix="recognise")
        self._decoders = Decoders(config.threads, start=decoder)

    def decode(self, data: bytes, *, name: str) -> Image:
        """A picture out of a stranger's bytes, decoded in another process.

        Raises:
            InputError: it cannot be read. Refusal: there is no process that could.
        """
        try:
            return self._decoders.decode(data, name=name)
        except WorkerError as error:
            raise Refusal(503, str(error), retry_after_s=BUSY_S) from error

    def warm(self) -> None:
        """Start what is else started by the first picture."""
        self._decoders.warm()

    @contextlib.asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """A place for one request, with a worker or in the queue.

        Raises:
            Refusal: the queue is full, or the server is stopping.
        """
        if self.stopping:
            raise Refusal(503, "expected a server that goes on, got one that is stopping: ask again", retry_after_s=5)
        if self._requests >= self._config.threads + self._config.max_waiting:
            raise Refusal(
                503,
                f"expected at most {self._config.max_waiting} waiting requests, got more: ask again in {BUSY_S} s",
                retry_after_s=BUSY_S,
            )
        self._requests += 1
        self._metrics.waiting.inc()
        try:
            yield
        finally:
            self._requests -= 1
            self._metrics.waiting.dec()

    async def run(self, work: Callable[..., Answer], *args: Any) -> Answer:
        """What `work` returns, which a worker carries out.

        Raises:
            Refusal: it took too long.
        """
        future = asyncio.get_running_loop().run_in_executor(self._pool, work, *args)
        try:
            return await asyncio.wait_for(future, self._config.timeout_s)
        except TimeoutError:
            raise Refusal(
                503,
                f"expected an answer within {self._config.timeout_s:g} s, got none: ask again, or send less at once",
                retry_after_s=BUSY_S,
            ) from None

    def close(self) -> None:
        """Let the threads and processes end."""
        self._decoders.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
