"""A server whose files are watched: REPORT; it gets what the server opened outside its folder, when it ends."""

import json
import os
import sys
import tempfile
from pathlib import Path

import mien
from fuzzing.watch import Watch


def main(report: str) -> None:
    folder = Path(report).resolve().parent / "given"
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    tempfile.tempdir = str(folder)
    watch = Watch(folder, calls=False)  # it listens, and starts the processes that decode
    try:
        mien.serve(
            port=0,
            detector="none",
            workers=2,
            max_upload_mb=2,
            max_video_mb=2,
            max_jobs=4,
            timeout_s=3,
            job_minutes=1,
            tell=lambda line: print(line, flush=True),
            ready=lambda _: watch.begin(),
        )
    finally:
        Path(report).write_text(json.dumps(watch.end()), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
