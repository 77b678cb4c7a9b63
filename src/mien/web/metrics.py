"""What the server counts, in the form of Prometheus. No picture, name or address is in it."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

_SECONDS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24)


class Metrics:
    """The counters of one app."""

    CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "mien_requests", "Requests by route and status.", ["route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "mien_request_seconds", "Time until the answer.", ["route"], buckets=_SECONDS, registry=registry
        )
        self.pictures = Counter("mien_pictures", "Pictures that were looked at.", registry=registry)
        self.faces = Counter("mien_faces", "Faces found in pictures and live frames.", registry=registry)
        self.frames = Counter("mien_live_frames", "Live frames that were looked at.", registry=registry)
        self.dropped = Counter("mien_live_frames_dropped", "Live frames that a newer one replaced.", registry=registry)
        self.frame_seconds = Histogram(
            "mien_live_frame_seconds", "Time of a live frame in the server.", buckets=_SECONDS, registry=registry
        )
        self.streams = Gauge("mien_streams", "Cameras that are connected.", registry=registry)
        self.waiting = Gauge("mien_waiting", "Requests that wait for a worker or are with one.", registry=registry)
        self.jobs = Counter("mien_jobs", "Videos by how they ended.", ["state"], registry=registry)
        self.jobs_waiting = Gauge("mien_jobs_waiting", "Videos that wait or are read.", registry=registry)

    def requested(self, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All counters, as Prometheus reads them."""
        return generate_latest(self._registry)
