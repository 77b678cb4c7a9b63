"""Reads one video, in a process of its own: ``python -m mien.web.clip_process``, started by `mien.web.jobs`.

It is told on stdin, in one line of JSON, what to read and how, and says on stdout, an object a line, how far it is. It
ends when stdin does: when the server is gone.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

_TELL_S = 0.2  # between two lines
_MOST_BYTES = 8 << 30  # of address space: a header may claim any size


def main() -> int:
    """Read the video that stdin names."""
    told = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_server, daemon=True).start()
    _be_modest()
    from mien.core.errors import MienError

    try:
        say(done=True, **read(**told))
    except MienError as error:
        say(error=_without_paths(str(error), told))
    except MemoryError:
        say(error="expected a video that fits into memory, got a larger one: make its pictures smaller")
    return 0


def read(
    *,
    video: str,
    source: str,
    folder: str,
    model: str,
    head: str | None,
    detector: str,
    min_face: int,
    device: str,
    most_seconds: float,
    most_megapixels: float,
) -> dict[str, Any]:
    """Read a video into ``table.csv`` and ``table.json`` in `folder`; returns what there is to say of it.

    Raises:
        MienError: it cannot be read, or is longer or larger than allowed.
    """
    from mien.core.errors import InputError
    from mien.core.video import frames, probe
    from mien.pipeline.predict_table import Recognized, columns, rows
    from mien.pipeline.recognizer import Recognizer
    from mien.pipeline.sinks import Sink

    info = probe(video)
    if info.width * info.height > most_megapixels * 1e6:
        raise InputError(
            f"expected frames of at most {most_megapixels:g} megapixels in {source}, got {info.width} x {info.height}: "
            "make them smaller"
        )
    total = info.frames
    recognizer = Recognizer(model, detector=detector, head=head, min_face=min_face, device=device)
    table, told_s, seen = columns(recognizer.label_set), 0.0, set()
    say(frames=0, total=total)
    with Sink(Path(folder, "table.csv"), table) as csv_file, Sink(Path(folder, "table.json"), table) as json_file:
        for index, time_s, image in frames(video):
            if time_s > most_seconds:
                raise InputError(
                    f"expected at most {most_seconds / 60:g} minutes of video in {source}, got more: cut it"
                )
            found = rows(Recognized(source, recognizer.predict(image)), recognizer.label_set)
            found = [row | {"frame": index, "time_s": round(time_s, 3)} for row in found]
            seen |= {row["face_id"] for row in found}
            csv_file.write(found)
            json_file.write(found)
            if time.monotonic() - told_s > _TELL_S:
                told_s = time.monotonic()
                say(frames=index + 1, total=total)
    return {"frames": index + 1, "total": index + 1, "faces": len(seen - {None})}


def say(**about: Any) -> None:
    """One line for the server."""
    print(json.dumps(about), flush=True)


def _without_paths(message: str, told: dict[str, Any]) -> str:
    """The message as the client may see it: its own name for the video, and no place on this machine."""
    return message.replace(told["video"], told["source"]).replace(told["folder"], "")


def _end_with_server() -> None:
    sys.stdin.read()
    os._exit(1)


def _be_modest() -> None:
    """Let live frames go first, and do not take the machine's whole memory."""
    try:
        import resource

        os.nice(5)
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    except (ImportError, OSError, ValueError):
        pass  # a system without these


if __name__ == "__main__":
    sys.exit(main())
