"""What decides how a server runs, and what it takes at most."""

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from mien.core.errors import UsageError
from mien.core.processors import available_processors

LOOPBACK = "127.0.0.1"
MB = 1_000_000
RATE = 20.0  # requests a second of one client, where others than this machine can reach the server


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """How a server runs.

    Attributes:
        host: the address to listen on; only this machine reaches the default.
        port: 0 takes any that is free.
        model: a name out of `mien models list`, an ONNX file with its card beside it, or a run folder.
        head: which of its label sets; the card's default if None.
        detector: mtcnn, haar, dlib, or none. min_face: in pixels, of pictures and videos.
        device: auto, cpu or cuda.
        workers: threads that recognise; as many as this process may use cores if None.
        api_key: what requests must show, if anything. The page, its files and `/health` need none.
        tls_cert, tls_key: PEM files, for HTTPS.
        allow_host: further names under which the server may be asked for; any address and localhost are.
        allow_origin: other sites whose pages may ask this server, such as ``https://example.org``.
        trust_proxy: addresses of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto count.
        max_upload_mb: of one request with pictures. max_pictures: in it. max_megapixels: of each, and of a frame.
        max_video_mb, max_video_minutes: of one video.
        max_waiting: requests that wait for a worker. max_jobs: videos that wait. max_streams: cameras at once.
        rate: requests a second of one client, 0 for no limit; `RATE`, but none on loopback, if None.
        timeout_s: after which a request is given up: for its next bytes, and for a worker.
        job_minutes: after which a video is given up.
        keep_minutes: how long the table of a video is kept for those who do not fetch and delete it.
    """

    host: str = LOOPBACK
    port: int = 8000
    model: str | os.PathLike[str] = "mien-s"
    head: str | None = None
    detector: str = "mtcnn"
    min_face: int = 40
    device: str = "auto"
    workers: int | None = None
    api_key: str | None = None
    tls_cert: str | os.PathLike[str] | None = None
    tls_key: str | os.PathLike[str] | None = None
    allow_host: tuple[str, ...] = ()
    allow_origin: tuple[str, ...] = ()
    trust_proxy: tuple[str, ...] = ()
    max_upload_mb: float = 32
    max_pictures: int = 64
    max_megapixels: float = 40
    max_video_mb: float = 512
    max_video_minutes: float = 30
    max_waiting: int = 64
    max_jobs: int = 8
    max_streams: int = 16
    rate: float | None = None
    timeout_s: float = 30
    job_minutes: float = 60
    keep_minutes: float = 15

    def __post_init__(self) -> None:
        for name in ("allow_host", "allow_origin", "trust_proxy"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        origins = tuple(each.lower().rstrip("/") for each in self.allow_origin)  # as browsers send them
        object.__setattr__(self, "allow_origin", origins)
        if not 0 <= self.port <= 65535:
            raise UsageError(f"expected a port in 0..65535, got {self.port}")
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"expected --{name.replace('_', '-')} above 0, got {value:g}")
        for name in ("max_waiting", "max_streams", "rate"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise UsageError(f"expected --{name.replace('_', '-')} of 0 or more, got {value:g}")
        if self.api_key is not None and not self.api_key.strip():
            raise UsageError("expected a key, got an empty --api-key or MIEN_API_KEY: give one, or leave it out")
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise UsageError("expected a key of plain ASCII characters, got others: choose another")
        self._check_tls()
        for origin in self.allow_origin:
            if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
                raise UsageError(f"expected an origin such as https://example.org to allow, got {origin!r}")

    def _check_tls(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            given, missing = ("--tls-cert", "--tls-key") if self.tls_key is None else ("--tls-key", "--tls-cert")
            raise UsageError(f"expected {missing} beside {given}, got none: HTTPS needs both")
        for path in (self.tls_cert, self.tls_key):
            if path is not None and not Path(path).is_file():
                raise UsageError(f"expected a PEM file at {os.fspath(path)}, got none: check the path")

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def requests_per_s(self) -> float:
        """How many requests a second one client may make; 0 for any number."""
        return (0 if self.on_loopback else RATE) if self.rate is None else self.rate

    @property
    def threads(self) -> int:
        """How many threads recognise."""
        return self.workers or available_processors()


_POSITIVE = (
    "workers",
    "max_upload_mb",
    "max_pictures",
    "max_megapixels",
    "max_video_mb",
    "max_video_minutes",
    "max_jobs",
    "timeout_s",
    "job_minutes",
    "keep_minutes",
)


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
