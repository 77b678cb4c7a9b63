import subprocess
from pathlib import Path

import clips as making
import numpy as np
import pytest
from clips import Clip, Shelf

from mien.core.errors import InputError, MissingExtraError, OutputError
from mien.core.labels import LABEL_SETS
from mien.core.types import Faces, Predictions
from mien.core.video import frames, probe
from mien.core.video_writer import VideoWriter
from mien.pipeline.drawn_clip import draw_clip
from mien.pipeline.second_pass import ClipFrame

av = pytest.importorskip("av")
LABELS = LABEL_SETS["ferplus"]


def found(clip: Clip, every: int = 1) -> list[ClipFrame]:
    """What is in a clip, as if it had been looked at: nobody is drawn wrongly."""
    seen = []
    for index in range(0, len(clip), every):
        boxes = np.asarray(list(clip.boxes[index].values()), np.float32).reshape(-1, 4)
        n = len(boxes)
        values = np.full((n, 8), 0.05, np.float32)
        values[:, 1] = 0.65
        faces = Faces(boxes, np.ones(n, np.float32), np.full((n, 5, 2), np.nan, np.float32))
        seen.append(ClipFrame(index, clip.times[index], Predictions(faces, values, LABELS), ids=np.arange(n)))
    return seen


def sound_of(path: Path) -> tuple[np.ndarray, float]:
    """All samples, and when the first of them sounds after the first picture."""
    with av.open(str(path)) as file:
        pictures = file.streams.video[0]
        decoded = list(file.decode(file.streams.audio[0]))
    start = float((pictures.start_time or 0) * pictures.time_base)
    return np.concatenate([each.to_ndarray() for each in decoded], axis=1), decoded[0].time - start


def length_of(path: Path) -> float:
    with av.open(str(path)) as file:
        return float(file.streams.video[0].duration * file.streams.video[0].time_base)


@pytest.mark.parametrize("name", ["with_sound", "variable_rate", "rotated"])
def test_every_frame_is_there_at_its_time_upright_and_drawn_on(name: str, clips: Shelf, tmp_path: Path):
    clip, copy = clips[name], tmp_path / "a.annotated.mp4"
    draw_clip(clip.path, copy, found(clip))
    drawn = list(frames(copy))
    assert [time for _, time, _ in drawn] == pytest.approx(clip.times, abs=1e-3)
    factor = 2  # these clips are small
    assert {image.shape for _, _, image in drawn} == {(clip.size[1] * factor, clip.size[0] * factor, 3)}
    assert length_of(copy) == pytest.approx(length_of(clip.path), abs=0.05)
    x1, y1, _, _ = (round(factor * value) for value in next(iter(clip.boxes[-1].values())))
    line = drawn[-1][2][y1 + 30, x1 - 6 : x1 + 6].astype(int)
    assert (abs(line - (255, 200, 61)).sum(1) < 130).any(), "the box has the colour of happiness"
    assert [path.name for path in tmp_path.iterdir()] == [copy.name]


def test_the_sound_is_the_same_to_the_last_sample(clips: Shelf, tmp_path: Path):
    clip, copy = clips["with_sound"], tmp_path / "a.mp4"
    draw_clip(clip.path, copy, found(clip))
    (before, begins), (after, starts) = sound_of(clip.path), sound_of(copy)
    assert np.array_equal(before, after)
    assert starts == pytest.approx(begins, abs=1e-3)


@pytest.mark.parametrize(("suffix", "codec", "anew"), [(".mkv", "wmav2", True), (".ts", "mp2", False)])
def test_other_containers_and_codecs_keep_their_sound_in_time(suffix, codec, anew, clips: Shelf, tmp_path: Path):
    """A transport stream begins at 1.4 s; Windows Media Audio does not go into an MP4."""
    clip, source, copy = clips["with_sound"], tmp_path / f"a{suffix}", tmp_path / "a.mp4"
    making._ffmpeg("-i", str(clip.path), "-c:v", "copy", "-c:a", codec, str(source))
    draw_clip(source, copy, found(clip))
    (before, begins), (after, starts) = sound_of(source), sound_of(copy)
    assert starts == pytest.approx(begins, abs=0.03)
    assert after.shape[1] == pytest.approx(before.shape[1], abs=4096 if anew else 1152)  # less what a player skips
    loud = [
        np.sqrt((each.astype(float) ** 2).mean()) / (32768 if each.dtype == np.int16 else 1) for each in (before, after)
    ]
    assert loud[1] == pytest.approx(loud[0], rel=0.1)
    with av.open(str(copy)) as file:
        assert file.streams.audio[0].codec_context.name.startswith("aac") == anew
    assert len(list(frames(copy))) == len(clip)


@pytest.mark.parametrize("late", ["pictures", "sound"])
def test_sound_that_begins_before_or_after_the_pictures_still_does(late: str, clips: Shelf, tmp_path: Path):
    clip, source, copy = clips["with_sound"], tmp_path / "a.mkv", tmp_path / "a.mp4"
    first, second = ("0.5", "0") if late == "pictures" else ("0", "0.5")
    inputs = ["-itsoffset", first, "-i", str(clip.path), "-itsoffset", second, "-i", str(clip.path)]
    making._ffmpeg(*inputs, "-map", "0:v", "-map", "1:a", "-c", "copy", str(source))
    draw_clip(source, copy, found(clip))
    (before, begins), (after, starts) = sound_of(source), sound_of(copy)
    assert starts == pytest.approx(begins, abs=0.03)
    assert abs(starts) > 0.4
    assert after.shape[1] == pytest.approx(before.shape[1], abs=2 * 1024)
    assert [time for _, time, _ in frames(copy)] == pytest.approx([time for _, time, _ in frames(source)], abs=2e-3)


def test_boxes_move_between_frames_that_were_looked_at(clips: Shelf, tmp_path: Path):
    from mien.pipeline.drawn_clip import _At

    clip = clips["motion"]
    at, truth = _At(found(clip, every=5)), found(clip)
    for index, time in enumerate(clip.times[:71]):
        assert at.at(index, time).predictions.boxes == pytest.approx(truth[index].predictions.boxes, abs=4)
    assert _At([]).at(0, 0.0) is None


def test_nobody_and_nothing_found_leave_the_pictures_alone(clips: Shelf, tmp_path: Path):
    clip = clips["nobody"]
    for k, seen in enumerate((found(clip), [])):
        draw_clip(clip.path, tmp_path / f"{k}.mp4", seen)
        assert len(list(frames(tmp_path / f"{k}.mp4"))) == len(clip)


def test_an_odd_size_gets_one_more_column_and_row(tmp_path: Path):
    with VideoWriter(tmp_path / "a.mp4") as video:
        for k in range(3):
            video.write(np.full((61, 101, 3), 40 * k, np.uint8), k / 10)
    assert (probe(tmp_path / "a.mp4").width, probe(tmp_path / "a.mp4").height) == (102, 62)


def test_colours_survive(tmp_path: Path):
    patches = np.array([[[200, 40, 40], [40, 200, 40]], [[40, 40, 200], [180, 180, 60]]], np.uint8)
    with VideoWriter(tmp_path / "a.mp4") as video:
        for k in range(3):
            video.write(np.kron(patches, np.ones((80, 80, 1), np.uint8)), k / 10)
    # The program heeds the colour space that the file names.
    command = ["ffmpeg", "-loglevel", "error", "-i", str(tmp_path / "a.mp4"), "-frames:v", "1"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    made = subprocess.run(command, capture_output=True, check=True).stdout
    image = np.frombuffer(made, np.uint8).reshape(160, 160, 3)
    assert image[40::80, 40::80].astype(int) == pytest.approx(patches.astype(int), abs=8)


def test_nothing_is_left_of_a_copy_that_fails(clips: Shelf, tmp_path: Path):
    clip = clips["with_sound"]

    def broken():
        yield from found(clip)[:10]
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        draw_clip(clip.path, tmp_path / "a.mp4", broken())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="expected to write .*a.mp4, got: "):
        draw_clip(clip.path, tmp_path / "no" / "a.mp4", found(clip))
    (tmp_path / "b.mp4").write_text("no clip")
    with pytest.raises(InputError, match="expected to read the sound of .*b.mp4, got"):
        draw_clip(tmp_path / "b.mp4", tmp_path / "c.mp4", [])
    assert [path.name for path in tmp_path.iterdir()] == ["b.mp4"]


def test_without_pyav_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mien\[video\]'"):
        VideoWriter(tmp_path / "a.mp4")
