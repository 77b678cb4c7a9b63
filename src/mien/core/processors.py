"""How much of the machine this process may use, and shall."""

import os

from mien.core.errors import UsageError


def available_processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # what a container or scheduler grants; not known on Windows and macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_workers(workers: int | None, time_limit: float) -> None:
    """Raise UsageError for a number of processes, or a limit in seconds on what one does, that cannot be."""
    if workers is not None and not 0 <= workers <= 256:
        raise UsageError(f"expected 0 to 256 workers, got {workers}")
    if not time_limit > 0:
        raise UsageError(f"expected a time limit above 0 s, got {time_limit:g}")
