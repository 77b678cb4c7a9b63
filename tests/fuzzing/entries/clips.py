"""Moving pictures: containers that FFmpeg reads, animations, and lists that would have it open other files."""

import itertools
import tempfile
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from layouts.faces import face

from fuzzing.damage import CANARY, text
from fuzzing.entry import Entry, entry
from mien.core.containers import cut_off, moves
from mien.core.video import frames, probe

_CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v", ".webm": "VP80"}
_MOST_FRAMES = 300  # of one input: a header may claim any number, and a decoder may repeat


def _clip(suffix: str, count: int = 5) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"clip{suffix}")
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*_CODECS[suffix]), 25, (64, 64))
        for k in range(count):
            writer.write(np.repeat(face("surprise", seed=k, size=64)[:, :, None], 3, 2))
        writer.release()
        return path.read_bytes()


def _animation(suffix: str) -> bytes:
    pictures = [PIL.Image.fromarray(face("anger", seed=k)) for k in range(4)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"moving{suffix}")
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40)
        return path.read_bytes()


def _read(path: Path) -> None:
    moves(path)
    probe(path)
    for _, time_s, image in itertools.islice(frames(path), _MOST_FRAMES):
        assert time_s >= 0 and image.ndim == 3
    cut_off(path)


def _make(suffix: str, folder: Path) -> Entry:
    return Entry({f"clip{suffix}": _clip(suffix)}, _read)


for _suffix in _CODECS:
    entry(f"clip-{_suffix[1:]}")(partial(_make, _suffix))


@entry("animation")
def animation(folder: Path) -> Entry:
    """GIF and WebP that move."""
    return Entry({f"moving{suffix}": _animation(suffix) for suffix in (".gif", ".webp")}, _read)


def lists() -> dict[str, bytes]:
    """Texts that FFmpeg takes for lists of further files."""
    part = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{CANARY}.mp4\n#EXT-X-ENDLIST\n"
    return {
        "hls.m3u8": part.encode(),
        "tagged.m3u8": b"ID3\x04\0\0\0\0\0\0" + part.encode(),
        "concat.mp4": b"ffconcat version 1.0\nfile clip.mp4\nfile ../canary/secret.mp4\n",
        "stream.mp4": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "manifest.mp4": b"<?xml version='1.0'?><MPD type='static'><Period><AdaptationSet><Representation id='1'>"
        b"<BaseURL>../canary/secret.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
    }


@entry("clip-lists")
def clip_lists(folder: Path) -> Entry:
    """Every one is refused."""
    (folder / "clip.mp4").write_bytes(_clip(".mp4"))

    def read(path: Path) -> None:
        _read(path)
        raise AssertionError("read as a video")

    return Entry(lists(), read, dict.fromkeys((".mp4", ".m3u8"), text), both=False)
