"""Where files end, and why some cannot be read: with files that ffmpeg wrote."""

import os
import subprocess
import time
from pathlib import Path

import clips as made
import cv2
import PIL.Image
import pytest
from clips import Shelf

from mien.core.containers import cut_off, moves, pictures_in_webp, why_unreadable


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_a_whole_file_is_whole_and_a_part_of_it_is_not(clips: Shelf, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    codec = ["-c:v", "libvpx", "-deadline", "realtime"] if suffix == ".webm" else ["-c", "copy"]
    subprocess.run(["ffmpeg", "-v", "error", "-i", clips["nobody"].path, *codec, path], check=True)
    assert not cut_off(path)
    data = path.read_bytes()
    for keep in (0.3, 0.6, 0.95):
        path.write_bytes(data[: int(keep * len(data))])
        assert cut_off(path)


def test_a_broadcast_does_not_say_where_it_ends(clips: Shelf, tmp_path: Path) -> None:
    for path, more in ((tmp_path / "clip.mkv", ["-live", "1"]), (tmp_path / "clip.ts", [])):
        subprocess.run(["ffmpeg", "-v", "error", "-i", clips["nobody"].path, "-c", "copy", *more, path], check=True)
        data = path.read_bytes()
        assert not cut_off(path)
        path.write_bytes(data[: len(data) // 2])
        assert not cut_off(path)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("empty", "an empty file: copy it again"),
        ("text", "600 bytes that FFmpeg does not read as one: copy it again, or convert it"),
        ("without_index", "one without its index (moov), as a recording leaves that was broken off: copy it again"),
        ("unknown_codec", "pictures in the codec zzzz, which FFmpeg does not read or finds damaged: convert it"),
        ("only_sound", "a file without pictures, such as sound alone: give a video"),
    ],
)
def test_why_a_file_cannot_be_read(tmp_path: Path, name: str, line: str) -> None:
    assert why_unreadable(made.DAMAGED[name](tmp_path / "clip.mp4")) == line


def test_pictures_of_a_webp(tmp_path: Path) -> None:
    assert pictures_in_webp(made.animated(tmp_path / "a.webp").path) == 10
    assert pictures_in_webp(made.still(tmp_path / "b.webp").path) == 1
    assert pictures_in_webp(made.text(tmp_path / "c.webp")) == 0


@pytest.mark.parametrize("length", [0, 1, 8, 11, 12, 16, 40])
def test_a_few_bytes_are_no_crash(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.mp4"
    for head in (b"\0\0\0\x18ftypisom", b"\0\0\0\x01mdat", b"RIFF\xff\xff\xff\xffAVI ", b"\x1a\x45\xdf\xa3\x01"):
        path.write_bytes((head + bytes(40))[:length])
        assert cut_off(path) in (True, False)
        assert why_unreadable(path)


@pytest.mark.parametrize("kind", [b"AVI ", b"WEBP"])
def test_of_a_long_tail_of_zeros_a_part_is_looked_at(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "a.avi"
    with path.open("wb") as file:
        file.write(b"RIFF\x04\0\0\0" + kind)
        file.truncate(1 << 36)  # takes no room on the disk
    assert not cut_off(path)
    assert pictures_in_webp(path) == (kind == b"WEBP")


def test_whether_a_picture_moves_is_seen_without_a_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For whoever asks may be the process that has to live. Lengths of extensions that lead nowhere take no time."""
    for name in ("VideoCapture", "imdecode", "imdecodeanimation"):
        monkeypatch.setattr(cv2, name, None, raising=False)
    whole = PIL.Image.effect_noise((40, 40), 90)
    moving, still = tmp_path / "a.gif", tmp_path / "b.gif"
    whole.save(moving, save_all=True, append_images=[whole.rotate(90)])
    whole.save(still)
    assert moves(moving) and not moves(still)
    data = moving.read_bytes()
    second = data.index(b"!\xf9\x04", len(still.read_bytes()) - 20)
    moving.write_bytes(data[:second])
    assert not moves(moving)
    moving.write_bytes(still.read_bytes()[:-1] + b"!\xff\0" * 3_000_000 + data[second:])
    began = time.monotonic()
    assert not moves(moving) and time.monotonic() - began < 5


def test_a_video_under_the_name_of_a_gif_moves(clips: Shelf, tmp_path: Path) -> None:
    for suffix in (".mp4", ".mkv", ".avi"):
        subprocess.run(["ffmpeg", "-v", "error", "-i", clips["nobody"].path, "-c", "copy", tmp_path / f"a{suffix}"],
                       check=True)  # fmt: skip
        assert moves((tmp_path / f"a{suffix}").rename(tmp_path / "a.gif"))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "b.gif")  # to which nobody writes
        assert not moves(tmp_path / "b.gif")
