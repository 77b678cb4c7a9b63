"""How often one client may ask: a bucket a client, which fills evenly and holds a few seconds' worth."""

import math
import time
from collections import OrderedDict

_BURST_S = 3.0  # of requests that may come at once: a page loads a dozen files
_CLIENTS = 10_000  # remembered; the one that was away longest is forgotten first


class Rates:
    """Counts the requests of each client.

    Args:
        per_s: requests a second; 0 for any number.
    """

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._most = max(1.0, per_s * _BURST_S)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client -> requests left, when that was

    def take(self, client: str, now_s: float | None = None) -> int:
        """Count one request: 0 if it may go on, else the whole seconds to wait."""
        if not self._per_s:
            return 0
        now_s = time.monotonic() if now_s is None else now_s
        left, then_s = self._buckets.pop(client, (self._most, now_s))
        left = min(self._most, left + (now_s - then_s) * self._per_s)
        allowed = left >= 1
        self._buckets[client] = (left - allowed, now_s)
        if len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        return 0 if allowed else math.ceil((1 - left) / self._per_s)
