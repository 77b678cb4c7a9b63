"""Real videos through the jobs: whole ones, and every kind that cannot be read."""

import csv
import io
import json
import time

import PIL.Image
import pytest
from clips import DAMAGED

from mien.pipeline.second_pass import clip_columns
from mien.web.clip_process import main


def ended(client, path, name="clip.mp4"):
    job = client.post("/videos", files={"video": (name, path.read_bytes())})
    assert job.status_code == 202, job.text
    for _ in range(1200):
        state = client.get(f"/jobs/{job.json()['id']}").json()
        if state["state"] not in ("queued", "running"):
            return state
        time.sleep(0.05)
    raise AssertionError(state)


def told(capsys, monkeypatch, tmp_path, path, **changes):
    """What the process says of a video; it runs here."""
    options = {
        "video": str(path),
        "source": "clip.mp4",
        "folder": str(tmp_path),
        "model": "mien-s",
        "head": None,
        "detector": "haar",
        "min_face": 40,
        "device": "auto",
        "most_seconds": 60,
        "most_megapixels": 10,
    }
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(options | changes) + "\n"))
    monkeypatch.setattr("mien.web.clip_process._end_with_server", lambda: None)
    monkeypatch.setattr("mien.web.clip_process._be_modest", lambda: None)
    monkeypatch.setattr("tempfile.tempdir", None)
    assert main() == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_clip_becomes_the_table_of_mien_predict(client, clips):
    clip = clips["motion"]
    state = ended(client, clip.path)
    assert (state["state"], state["error"], state["faces"]) == ("done", None, 1)
    assert state["frames"] == state["total"] == len(clip)
    text = client.get(f"/jobs/{state['id']}/table").text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == list(clip_columns(client.app.state.recognition.recognizer.label_set))
    assert {row["source"] for row in rows} == {"clip.mp4"}
    assert [int(row["frame"]) for row in rows] == list(range(len(clip)))
    assert [float(row["time_s"]) for row in rows] == pytest.approx(clip.times, abs=0.002)
    same = client.get(f"/jobs/{state['id']}/table?format=json").json()
    assert [row["p_happiness"] for row in same] == [float(row["p_happiness"] or "nan") for row in rows]
    files = [path.name for path in client.app.state.jobs._folder.rglob("*") if path.is_file()]
    assert "upload.mp4" not in files


@pytest.mark.parametrize("name", sorted(set(DAMAGED) - {"empty", "text"}))
def test_videos_that_cannot_be_read_say_why_without_a_path(name, capsys, monkeypatch, tmp_path):
    path = DAMAGED[name](tmp_path / f"{name}.mp4")
    said = told(capsys, monkeypatch, tmp_path, path)
    error = said[-1]["error"]
    assert error.startswith("expected ")
    assert "clip.mp4, got " in error
    assert "/" not in error.replace("FFmpeg/", "")


def test_a_video_that_breaks_off_keeps_what_was_read(capsys, monkeypatch, tmp_path, clips):
    clip = clips["ending_early"]
    said = told(capsys, monkeypatch, tmp_path, clip.path)[-1]
    assert said["done"] is True
    assert 0 < said["frames"] < len(clip)
    assert "clip.mp4" in said["error"]
    with (tmp_path / "table.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == said["frames"]


@pytest.mark.parametrize(
    ("limit", "line"),
    [
        ({"most_seconds": 2.0}, "expected at most 0.0333 minutes of video in clip.mp4, got 0.1: cut it"),
        ({"most_megapixels": 0.1}, "expected frames of at most 0.1 megapixels in clip.mp4, got 480 x 360: make them"),
    ],
)
def test_limits(limit, line, capsys, monkeypatch, tmp_path, clips):
    [said] = told(capsys, monkeypatch, tmp_path, clips["motion"].path, **limit)
    assert line in said["error"]
    assert list(tmp_path.glob("table*")) == []


def test_a_still_picture_is_no_animation(capsys, monkeypatch, tmp_path, photograph):
    path = tmp_path / "upload.gif"
    PIL.Image.open(io.BytesIO(photograph)).save(path)
    [said] = told(capsys, monkeypatch, tmp_path, path)
    assert said["error"] == "expected a video or an animation in clip.mp4, got a still picture: send it to /predict"
