"""Reads one video, in a process of its own: ``python -m mien.web.clip_process``, started by `mien.web.jobs`.

It is told on stdin, in one line of JSON, what to read and how, and says on stdout, an object a line, how far it is. It
ends when stdin does: when the server is gone.
"""

import json
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

STILL_OR_MOVING = (".gif", ".webp")

_MOST_FPS = 240.0  # of the fastest cameras that people have
_MOST_BYTES = 8 << 30  # of address space: a header may claim any size


def main() -> int:
    """Read the video that stdin names."""
    told = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_server, daemon=True).start()
    _be_modest()
    from mien.core.errors import MienError

    try:
        about = read(**told)
        error = about.pop("error")
        say(done=True, error=error and _without_paths(error, told), **about)
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
    from mien.pipeline.second_pass import clip_columns
    from mien.pipeline.sinks import Sink
    from mien.verbs.models import models
    from mien.verbs.predict import predict
    from mien.verbs.predict_config import PredictConfig, Step

    tempfile.tempdir = folder  # what is stored on the way goes with the job, even if this process is killed
    most_frames = _check(video, source, most_seconds=most_seconds, most_megapixels=most_megapixels)
    [card] = models(model).cards.values()
    columns = clip_columns(card.heads[head or card.default_head].label_set)
    config = PredictConfig(model=model, head=head, detector=detector, min_face=min_face, device=device)
    read_so_far = 0
    seen: set[int | None] = set()
    with Sink(Path(folder, "table.csv"), columns) as csv_table, Sink(Path(folder, "table.json"), columns) as json_table:

        def tell(step: Step) -> None:
            nonlocal read_so_far
            read_so_far += step.done
            if read_so_far > most_frames:
                raise InputError(
                    f"expected at most {most_seconds / 60:.3g} minutes of video in {source}, got more: cut it"
                )
            say(frames=read_so_far, total=step.total)
            rows = [row | {"source": source} for row in step.rows if not row["error"]]
            csv_table.write(rows)
            json_table.write(rows)
            seen.update(row["face_id"] for row in rows)

        result = predict(video, config, tell=tell)
    return {
        "frames": result.frames,
        "total": result.frames,
        "faces": len(seen - {None}),
        "error": next(iter(result.failed.values()), None),  # where it breaks off
    }


def _check(video: str, source: str, *, most_seconds: float, most_megapixels: float) -> float:
    """How many frames a video may have; InputError where it is too long or large, or does not move."""
    from mien.core.containers import moves
    from mien.core.errors import InputError
    from mien.core.video import probe

    if video.endswith(STILL_OR_MOVING) and not moves(video):
        raise InputError(f"expected a video or an animation in {source}, got a still picture: send it to /predict")
    info = probe(video)
    if info.width * info.height > most_megapixels * 1e6:
        raise InputError(
            f"expected frames of at most {most_megapixels:g} megapixels in {source}, got {info.width} x {info.height}: "
            "make them smaller"
        )
    fps = info.fps if 0 < info.fps <= _MOST_FPS else _MOST_FPS
    if info.frames > most_seconds * fps * 1.01 + 1:
        raise InputError(
            f"expected at most {most_seconds / 60:.3g} minutes of video in {source}, got "
            f"{info.frames / fps / 60:.1f}: cut it"
        )
    return most_seconds * _MOST_FPS  # what the file says of itself may be wrong


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
