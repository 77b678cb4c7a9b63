"""Frames of videos, with files that OpenCV itself writes."""

import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from clips import animated, rotated, still, text

from mien.core import video
from mien.core.containers import moves
from mien.core.errors import InputError
from mien.core.video import VideoInfo, frames, probe, read_frame

N, FPS = 12, 25


def write(path, *, n=N, fps=FPS, size=(64, 48), seed=0):
    """Frame k: columns left of 5k are red, the others of one grey that `seed` chooses."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, size)
    for k in range(n):
        frame = np.full((size[1], size[0], 3), 90 + 10 * seed, np.uint8)
        frame[:, : 5 * k] = (0, 0, 255)
        writer.write(frame)
    writer.release()
    return path


@pytest.fixture
def clip(tmp_path):
    return write(tmp_path / "a b.avi")


@pytest.fixture
def opened(monkeypatch):
    """The paths of the files that are opened, in order."""
    paths = []
    real = video._open
    monkeypatch.setattr(video, "_open", lambda path: paths.append(os.path.basename(path)) or real(path))
    video._forget()
    return paths


def red_columns(image):
    return int(((image[20, :, 0] > 200) & (image[20, :, 2] < 80)).sum())


def test_what_a_file_holds(clip):
    assert probe(clip) == VideoInfo(width=64, height=48, frames=N, fps=FPS)
    assert probe(str(clip)) == probe(clip)


def test_frames_come_in_order_with_their_times_in_rgb(clip):
    found = list(frames(clip))
    assert [index for index, _, _ in found] == list(range(N))
    np.testing.assert_allclose([time for _, time, _ in found], np.arange(N) / FPS, atol=1e-6)
    for index, _, image in found:
        assert image.shape == (48, 64, 3) and image.dtype == np.uint8
        assert abs(red_columns(image) - 5 * index) <= 2


def test_only_frames_that_are_wanted_become_pictures_and_all_are_asked_about(clip, monkeypatch):
    images = [image for _, _, image in frames(clip)]
    asked, made = [], []
    real = video._Video.image
    monkeypatch.setattr(video._Video, "image", lambda self: made.append(self.at) or real(self))

    def wanted(index, time_s):
        asked.append((index, time_s))
        return index in (0, 4, 9)

    found = list(frames(clip, wanted=wanted))
    assert [index for index, _, _ in found] == made == [0, 4, 9]
    assert [index for index, _ in asked] == list(range(N))
    np.testing.assert_allclose([time for _, time in asked], np.arange(N) / FPS, atol=1e-6)
    for index, _, image in found:
        np.testing.assert_array_equal(image, images[index])


def test_times_of_a_variable_rate_are_those_of_the_file(clips):
    clip = clips["variable_rate"]
    np.testing.assert_allclose([time for _, time, _ in frames(clip.path)], clip.times, atol=1e-3)


def test_times_never_run_backwards(clip, monkeypatch):
    stamps = iter([0.0, 0.08, 0.04, 0.12] + [0.5] * N)
    monkeypatch.setattr(video._Video, "time_s", property(lambda self: next(stamps)))
    assert [time for _, time, _ in frames(clip)][:5] == [0.0, 0.08, 0.08, 0.12, 0.5]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_flag_of_rotation_is_followed(tmp_path, degrees, clips):
    clip = rotated(tmp_path / "a.mp4", degrees=degrees, seconds=0.2)
    first = next(frames(clip.path))[2]
    assert first.shape[1::-1] == clip.size == (probe(clip.path).width, probe(clip.path).height)
    x1, y1, x2, y2 = (round(value) for value in clip.boxes[0]["astronaut"])
    face = cv2.resize(first[y1:y2, x1:x2], (16, 16), interpolation=cv2.INTER_AREA).astype(float)
    upright = next(frames(clips["motion"].path))[2]
    a, b, c, d = (round(value) for value in clips["motion"].boxes[0]["astronaut"])
    same = cv2.resize(upright[b:d, a:c], (16, 16), interpolation=cv2.INTER_AREA).astype(float)
    assert np.corrcoef(face.ravel(), same.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animated_picture_is_a_video_and_a_still_one_is_not(tmp_path, suffix):
    clip = animated(tmp_path / f"a{suffix}")
    found = list(frames(clip.path))
    assert [index for index, _, _ in found] == list(range(10))
    np.testing.assert_allclose([time for _, time, _ in found], clip.times, atol=1e-3)
    assert found[0][2].shape == (240, 320, 3) and not np.array_equal(found[0][2], found[5][2])
    assert probe(clip.path).frames == 10
    assert moves(clip.path) and not moves(still(tmp_path / f"b{suffix}").path)
    assert not moves(text(tmp_path / f"c{suffix}")) and not moves(tmp_path / f"gone{suffix}")


def test_an_animation_is_decoded_a_few_frames_at_a_time(tmp_path, monkeypatch):
    clip = animated(tmp_path / "a.webp")
    images = [image for _, _, image in frames(clip.path)]
    monkeypatch.setattr(video, "_HELD_PIXELS", 3 * 320 * 240)
    again = list(frames(clip.path))
    assert [image.tolist() for _, _, image in again] == [image.tolist() for image in images]
    data = clip.path.read_bytes()
    clip.path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="expected a whole frame .* in .*a.webp, got a damaged one: copy the file"):
        list(frames(clip.path))


def test_messages_name_a_file_as_it_was_given(clip, monkeypatch):
    monkeypatch.chdir(clip.parent)
    assert len(list(frames("a b.avi"))) == N
    with pytest.raises(InputError, match="^expected a video at gone.avi, got no such file: check the path$"):
        probe("gone.avi")


def test_a_frame_by_its_index_is_the_frame_at_that_place(clip):
    images = [image for _, _, image in frames(clip)]
    for index in (0, 3, 3, 4, 11, 2, 0):
        np.testing.assert_array_equal(read_frame(clip, index), images[index])


def test_rising_indices_open_a_file_once_and_others_again(clip, opened):
    for index in (0, 2, 2, 5, 11):
        read_frame(clip, index)
    assert len(opened) == 1
    read_frame(clip, 4)
    assert len(opened) == 2


def test_what_was_read_is_not_changed_by_the_next(clip):
    first = read_frame(clip, 1)
    kept = first.copy()
    read_frame(clip, 2)
    np.testing.assert_array_equal(first, kept)


def test_one_file_at_a_time_stays_open(clip, tmp_path, opened):
    other = write(tmp_path / "other.avi", seed=3)
    read_frame(clip, 0)
    held = video._kept.video
    read_frame(other, 0)
    assert opened == ["a b.avi", "other.avi"] and not held._capture.isOpened()


def test_a_file_that_was_replaced_is_read_anew(clip):
    before = read_frame(clip, 1)
    write(clip, n=N + 1, seed=9)
    assert (read_frame(clip, 2)[20, -1] != before[20, -1]).any()
    assert red_columns(read_frame(clip, N)) > 55


def test_threads_do_not_disturb_each_other(clip, tmp_path):
    clips = [clip, *(write(tmp_path / f"{k}.avi", seed=k) for k in (4, 8))]
    images = {path: [image for _, _, image in frames(path)] for path in clips}
    barrier = threading.Barrier(len(clips))

    def read(path):
        barrier.wait()
        return all(np.array_equal(read_frame(path, k), images[path][k]) for k in range(N))

    with ThreadPoolExecutor(len(clips)) as pool:
        assert all(pool.map(read, clips))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, on no Windows")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_process_does_not_share_the_open_file(clip):
    images = [image for _, _, image in frames(clip)]
    read_frame(clip, 1)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        found = pool.starmap_async(read_frame, [(clip, k) for k in (2, 9)]).get(60)
    np.testing.assert_array_equal(found[0], images[2])
    np.testing.assert_array_equal(found[1], images[9])
    np.testing.assert_array_equal(read_frame(clip, 2), images[2])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a video at .*clip.avi, got no such file: check the path"),
        ("folder", "expected a video at .*clip.avi, got a folder: give a file"),
        (b"", "expected a video in .*clip.avi, got an empty file: copy it again"),
        (bytes(range(256)) * 8, "expected a video in .*clip.avi, got 2,048 bytes that FFmpeg does not read as one"),
    ],
)
def test_what_is_no_video_is_one_line_and_nothing_on_the_terminal(content, message, tmp_path, capfd):
    path = tmp_path / "clip.avi"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    for read in (probe, lambda path: next(frames(path)), lambda path: read_frame(path, 0)):
        with pytest.raises(InputError, match=message) as caught:
            read(path)
        assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("keep", [0.02, 0.1, 0.3, 0.6, 0.95])
def test_a_file_that_is_cut_off_gives_what_is_left_or_an_input_error(keep, clip):
    data = clip.read_bytes()
    clip.write_bytes(data[: int(keep * len(data))])
    try:
        left = [image for _, _, image in frames(clip)]
    except InputError:
        with pytest.raises(InputError):
            probe(clip)
    else:
        assert len(left) < N
        assert np.array_equal(read_frame(clip, len(left) - 1), left[-1])
        with pytest.raises(InputError, match=rf"expected frame {N} in .*, got {len(left)} frames .* is it cut off\?"):
            read_frame(clip, N)


def test_a_damaged_file_writes_nothing_to_the_terminal(clip):
    data = clip.read_bytes()
    clip.write_bytes(data[: int(0.95 * len(data))])
    code = "import sys; from mien.core.video import frames; print(len(list(frames(sys.argv[1]))))"
    done = subprocess.run([sys.executable, "-c", code, clip], capture_output=True, text=True, check=True, timeout=60)
    assert 0 < int(done.stdout) < N and done.stderr == ""


def test_an_index_that_is_not_there(clip):
    with pytest.raises(InputError, match=rf"expected frame {N} in .*a b.avi, got {N} frames"):
        read_frame(clip, N)
    assert read_frame(clip, N - 1).shape == (48, 64, 3)
    with pytest.raises(InputError, match=r"expected a frame of .*a b.avi by an index from 0, got -1"):
        read_frame(clip, -1)


def test_a_claim_of_frames_that_the_file_cannot_hold_is_counted_instead(clip, monkeypatch):
    real = video._Video._number

    def number(self, what):
        return 2.0**40 if what == cv2.CAP_PROP_FRAME_COUNT else real(self, what)

    monkeypatch.setattr(video._Video, "_number", number)
    assert probe(clip).frames == N


def test_frames_of_a_size_that_would_take_gigabytes_are_refused(clip, monkeypatch):
    monkeypatch.setattr(video, "MOST_FRAME_PIXELS", 1000)
    with pytest.raises(InputError, match=r"expected frames of at most 0 megapixels in .*a b.avi"):
        probe(clip)


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.mp4\n#EXT-X-ENDLIST\n",
        b"ID3\x04\0\0\0\0\0\0#EXTM3U\n#EXTINF:9,\nother.mp4\n",
        b"ffconcat version 1.0\nfile other.mp4\n",
        b"<?xml version='1.0'?><MPD><Period><BaseURL>other.mp4</BaseURL></Period></MPD>",
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8"])
def test_a_list_does_not_open_what_it_names(content, suffix, tmp_path, clips):
    (tmp_path / "other.mp4").write_bytes(clips["motion"].path.read_bytes())
    (tmp_path / f"list{suffix}").write_bytes(content)
    with pytest.raises(InputError, match="got a text such as a list of further files, which are not opened for it"):
        probe(tmp_path / f"list{suffix}")
