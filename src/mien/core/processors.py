"""How much of the machine this process may use."""

import os


def available_processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # what a container or scheduler grants; not known on Windows and macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
