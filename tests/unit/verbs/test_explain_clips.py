"""The verb explain on a model that sees clips: videos and folders of frames in, a map for each frame out."""

import csv
import json

import cv2
import numpy as np
import pytest
from fragile import DEADLY, FragileClip

from mien.cli.app import main
from mien.core.errors import InputError, UsageError
from mien.core.images import read_image, write_image
from mien.datasets.looking import FEW_CLIPS
from mien.pipeline.clips import expand_clips, read_clip
from mien.verbs import explain_clips
from mien.verbs.explain import explain
from mien.verbs.explain_clips import CLIP_COLUMNS

SIDE, FRAMES = 24, 3
TRUNK = {"widths": (4, 8), "blocks": (1, 1)}
BRANCHES = {
    "peak": {"net": "resnet", "options": TRUNK},
    "motion": {"net": "cnn-gru", "input": "clip", "options": {"hidden": 8, "options": TRUNK}},
}


@pytest.fixture(scope="module")
def run(make_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    return make_run(out, "cnn-gru", {"hidden": 8, "options": TRUNK}, frames=FRAMES)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder with a clip of twelve frames, whose numbers have no zeros before them, and the same as a video."""
    folder = tmp_path_factory.mktemp("clips")
    chance = np.random.default_rng(0)
    (folder / "frames").mkdir()
    video = cv2.VideoWriter(str(folder / "moving.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (SIDE, SIDE))
    for k in range(12):
        frame = np.full((SIDE, SIDE, 3), 20 * k, np.uint8)
        frame[4:12, 4:12] = chance.integers(0, 256, 3)
        write_image(folder / "frames" / f"frame-{k}.png", frame)
        video.write(frame[:, :, ::-1])
    video.release()
    return folder


def test_frames_are_taken_evenly_and_in_the_order_of_their_numbers(clips):
    frames = read_clip(str(clips / "frames"), FRAMES)
    assert [each.index for each in frames] == [0, 6, 11]
    assert [int(each.image[0, 0, 0]) for each in frames] == [0, 120, 220]
    told = []
    read_clip(str(clips / "frames"), 14, tell=told.append)
    assert told == [1] * 12  # each is a sign of life, but for those that are read once and taken again
    assert [each.time_s for each in frames] == [None] * 3
    of_video = read_clip(str(clips / "moving.avi"), FRAMES)
    assert [(each.index, each.time_s) for each in of_video] == [
        (0, 0),
        (6, pytest.approx(0.6)),
        (11, pytest.approx(1.1)),
    ]
    for one, other in zip(frames, of_video, strict=True):
        assert np.abs(one.image.astype(int) - other.image).mean() < 12  # of what JPEG leaves
    assert [each.index for each in read_clip(str(clips / "frames"), 14)][-3:] == [11, 11, 11]
    assert [each.source for each in expand_clips([clips])] == [str(clips / "frames"), str(clips / "moving.avi")]


def test_a_strip_and_a_row_for_each_frame(run, clips, tmp_path, capsys):
    words = ["explain", str(run), str(clips), "--detector", "none", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "hottest frame" in said.out and "drew 2 pictures" in said.err
    with open(tmp_path / "out" / "explanations.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CLIP_COLUMNS
    assert [row["frame"] for row in rows] == ["0", "6", "11"] * 2
    for some in (rows[:3], rows[3:]):
        assert sum(float(row["heat"]) for row in some) == pytest.approx(1, abs=2e-3)
        assert len({(row["label"], row["explained"], row["p"]) for row in some}) == 1
    numbers = json.loads((tmp_path / "out" / "explanations.json").read_text("utf-8"))
    assert (numbers["model"], numbers["head"], len(numbers["frames"])) == ("small", "ferplus", 6)
    for name in ("frames", "moving"):
        sheet = read_image(tmp_path / "out" / f"{name}.explained.png")
        assert sheet.shape[1] > FRAMES * 176 and sheet.shape[0] > 2 * 176
    assert main(words) == 2
    assert "expected no file at" in capsys.readouterr().err


def test_the_net_and_its_file_say_the_same_of_a_clip(run, clips, tmp_path):
    same = {"detector": "none", "method": "occlusion", "label": "fear"}
    of_run = explain(run, clips / "frames", out=tmp_path / "a", **same)
    of_file = explain(run / "model.onnx", clips / "frames", out=tmp_path / "b", **same)
    for one, other in zip(of_run.rows, of_file.rows, strict=True):
        assert one["p"] == pytest.approx(other["p"], abs=1e-5)
        assert one["heat"] == pytest.approx(other["heat"], abs=2e-2)
        assert (one["explained"], one["frame"]) == ("fear", other["frame"])


def test_a_fusion_sees_the_last_frame_twice(make_run, clips, tmp_path):
    run = make_run(tmp_path / "fusion", "fusion", {"branches": BRANCHES, "width": 8}, frames=FRAMES)
    for method in ("gradcam", "eigencam"):
        found = explain(run, clips / "frames", method=method, detector="none", out=tmp_path / method)
        assert (found.pictures, found.faces, len(found.rows)) == (1, 1, FRAMES)


def test_a_face_is_found_in_each_frame(run, samples, tmp_path):
    (tmp_path / "clip").mkdir()
    picture = read_image(samples / "astronaut.jpg")
    for k in range(3):
        write_image(tmp_path / "clip" / f"{k}.png", np.roll(picture, 6 * k, 1))
    found = explain(run, tmp_path / "clip", out=tmp_path / "out", detector="haar")
    lefts = [row["x1"] for row in found.rows]
    assert np.diff(lefts) == pytest.approx([6, 6], abs=4)
    write_image(tmp_path / "clip" / "1.png", np.full_like(picture, 90))
    with pytest.raises(InputError, match=r"expected a face in every frame .* got none in .*1.png: leave"):
        explain(run, tmp_path / "clip", out=tmp_path / "none", detector="haar")


def test_a_clip_that_is_deadly_is_one_that_failed(run, tmp_path, monkeypatch):
    monkeypatch.setattr(explain_clips, "ClipToRead", FragileClip)
    for k in range(FEW_CLIPS):
        (tmp_path / "clips" / str(k)).mkdir(parents=True)
        for number in range(FRAMES):
            color = DEADLY if k == 1 else (40 * k, 90, 9)
            write_image(tmp_path / "clips" / str(k) / f"{number}.png", np.full((SIDE, SIDE, 3), color, np.uint8))
    found = explain(run, tmp_path / "clips", out=tmp_path / "out", detector="none", method="occlusion")
    deadly = str(tmp_path / "clips" / "1")
    assert list(found.failed) == [deadly] and "brought its decoder down" in found.failed[deadly]
    assert (found.pictures, found.faces, len(found.rows)) == (FEW_CLIPS, FEW_CLIPS - 1, FRAMES * (FEW_CLIPS - 1))


def test_what_cannot_be_is_said_in_one_line(run, clips, samples, tmp_path):
    same = {"detector": "none", "out": tmp_path / "out"}
    frames = clips / "frames"
    with pytest.raises(UsageError, match="expected a video or a folder of frames .* got the photograph .*frame-0.png"):
        explain(run, frames / "frame-0.png", **same)
    with pytest.raises(UsageError, match="expected a model of single faces for --data, got small, which sees clips"):
        explain(run, frames, data="ferplus=gone", **same)
    with pytest.raises(UsageError, match="expected a model of single faces for --faithfulness, got small"):
        explain(run, frames, faithfulness=True, **same)
    with pytest.raises(UsageError, match="expected a net of single pictures for the method attention, got small"):
        explain(run, frames, method="attention", **same)
    with pytest.raises(UsageError, match="expected a run folder, .* for the method gradcam of clips, got the ONNX"):
        explain(run / "model.onnx", frames, **same)
    with pytest.raises(InputError, match="expected a video or a folder of frames at gone.mp4, got no such file"):
        explain(run, "gone.mp4", **same)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="expected frames or videos in the folder .*empty, got none"):
        explain(run, tmp_path / "empty", **same)
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    found = explain(run, [frames, tmp_path / "broken.mp4"], **same)
    assert list(found.failed) == [str(tmp_path / "broken.mp4")] and found.faces == 1
