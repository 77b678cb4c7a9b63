"""Tasks that bring their actors down: begun anew with care, so that one input costs a row with its error.

A decoder may crash over a file, or never come back. Ray then begins the task again, with the same end, for ever. So
each task says when it is begun, by a file in the result's folder; one that was begun `TRIES` times and never finished
is done with each input in a process that can be lost. A machine that was switched off costs a try, too, and no more.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator

from mien.pipeline.distributed.result import Folder

TRIES = 2
LIMIT_S = 300.0  # between two signs of life: some pictures, or a frame of a clip
_BEGUN = "_begun"
_HUNG = 3  # what an actor ends with that was ended by `Watch`


def begun(folder: Folder, task: str) -> int:
    """Say that a task is begun. Returns how often it was before."""
    name = f"{_BEGUN}/{task}"
    said = folder.read(name) or b""
    before = int(said) if said.isdigit() else 0  # damaged: it costs another try
    folder.write(name, str(before + 1).encode())
    return before


def forget(folder: Folder) -> None:
    """All tasks are done."""
    folder.remove(_BEGUN)


class Watch:
    """Ends this process where a task gives no sign of life for too long; Ray then begins it again.

    Nothing else helps against native code that does not return.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s, self._last_s = limit_s, time.monotonic()
        self._over = threading.Event()

    def alive(self, *_: object) -> None:
        """A sign of life."""
        self._last_s = time.monotonic()

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """For the time of the block."""
        self.alive()
        self._over.clear()
        thread = threading.Thread(target=self._look, name="mien-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _look(self) -> None:
        while not self._over.wait(min(self._limit_s / 4, 5.0)):
            if time.monotonic() - self._last_s > self._limit_s:
                os._exit(_HUNG)
