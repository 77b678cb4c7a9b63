"""Videos as jobs: progress, table, what is deleted when, and what becomes of bad ones."""

import sys
import time

import pytest

from .conftest import error_of

# Stands for the process that reads a video: it says what the first line of the "video" tells it to.
SPEAKS = (
    sys.executable,
    "-c",
    "import json, sys, time, pathlib\n"
    "told = json.loads(sys.stdin.readline())\n"
    "lines = pathlib.Path(told['video']).read_bytes().split(b'\\n', 1)[1].decode().splitlines()\n"
    "for line in lines:\n"
    "    if line.startswith('sleep'): time.sleep(float(line.split()[1]))\n"
    "    elif line == 'table':\n"
    "        for kind in ('csv', 'json'): pathlib.Path(told['folder'], 'table.' + kind).write_text('[]')\n"
    "    else: print(line, flush=True)\n",
)
DOWN = "expected a video that can be read, got one that brought its reader down: convert it"
GOOD = ('{"frames": 3, "total": 6}', "table", '{"frames": 6, "faces": 1, "done": true}')


def speech(*lines: str) -> bytes:
    return b"OggS\n" + "\n".join(lines).encode()


def submit(client, data, name="clip.ogv"):
    return client.post("/videos", files={"video": (name, data)})


def ended(client, id):
    for _ in range(600):
        state = client.get(f"/jobs/{id}").json()
        if state["state"] not in ("queued", "running"):
            return state
        time.sleep(0.05)
    raise AssertionError(state)


def files_of(client):
    return sorted(path.name for path in client.app.state.jobs._folder.rglob("*") if path.is_file())


def test_a_job_from_upload_to_table(served):
    client = served(worker=SPEAKS)
    answer = submit(client, speech(*GOOD), "/tmp/../my clip.ogv")
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    assert (job["state"] in ("queued", "running"), job["source"], job["frames"]) == (True, "my clip.ogv", 0)
    assert len(job["id"]) >= 20  # cannot be guessed
    state = ended(client, job["id"])
    assert (state["state"], state["frames"], state["total"], state["faces"]) == ("done", 6, 6, 1)
    assert 800 < state["seconds_left"] <= 900
    assert files_of(client) == ["table.csv", "table.json"]  # the upload is gone
    assert client.get(f"/jobs/{job['id']}/table").headers["content-type"].startswith("text/csv")
    assert client.get(f"/jobs/{job['id']}/table?format=json").json() == []
    assert client.delete(f"/jobs/{job['id']}").status_code == 204
    assert files_of(client) == []
    assert client.get(f"/jobs/{job['id']}").status_code == 404


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (['{"error": "expected frames in clip.ogv, got none"}'], "expected frames in clip.ogv, got none"),
        (['{"frames": 2}'], DOWN),
        (["no JSON"], DOWN),
        (["[1]"], DOWN),
        (['"' + "x" * 2_000_000], DOWN),
    ],
)
def test_a_job_that_fails_says_why_and_keeps_nothing(served, lines, line):
    client = served(worker=SPEAKS)
    id = submit(client, speech(*lines)).json()["id"]
    state = ended(client, id)
    assert (state["state"], state["error"]) == ("failed", line)
    assert files_of(client) == []
    answer = client.get(f"/jobs/{id}/table")
    assert answer.status_code == 409
    assert "expected a job that is done, got one that is failed" in error_of(answer)
    next_one = submit(client, speech(*GOOD)).json()["id"]
    assert ended(client, next_one)["state"] == "done"


def test_one_is_read_at_a_time_and_the_queue_is_bounded(served):
    client = served(worker=SPEAKS, max_jobs=1)
    first = submit(client, speech("sleep 30")).json()
    while client.get(f"/jobs/{first['id']}").json()["state"] != "running":
        time.sleep(0.02)
    second = submit(client, speech(*GOOD)).json()
    assert (second["state"], second["ahead"]) == ("queued", 1)
    third = submit(client, speech(*GOOD))
    assert (third.status_code, third.headers["retry-after"]) == (503, "30")
    assert error_of(third) == "expected at most 1 waiting videos, got more: ask again later"
    assert client.delete(f"/jobs/{first['id']}").status_code == 204  # stops it amid its work
    assert ended(client, second["id"])["state"] == "done"
    assert files_of(client) == ["table.csv", "table.json"]


def test_a_job_that_takes_too_long_is_given_up(served):
    client = served(worker=SPEAKS, job_minutes=0.01)
    state = ended(client, submit(client, speech("sleep 30")).json()["id"])
    assert state["state"] == "failed"
    assert "expected a video that is read in 0.01 minutes" in state["error"]
    assert files_of(client) == []


def test_a_table_is_kept_for_a_while_only(served):
    client = served(worker=SPEAKS, keep_minutes=0.005)
    id = submit(client, speech(*GOOD)).json()["id"]
    for _ in range(100):
        if client.get(f"/jobs/{id}").status_code == 404:
            break
        time.sleep(0.05)
    assert client.get(f"/jobs/{id}").status_code == 404
    assert files_of(client) == []


def test_a_process_that_cannot_be_started(served):
    client = served(worker=("/no/such/program",))
    state = ended(client, submit(client, speech()).json()["id"])
    assert state["state"] == "failed"
    assert "expected to start a process for the video" in state["error"]
    assert "/no/such" not in state["error"]


@pytest.mark.parametrize(
    ("data", "status", "line"),
    [
        (
            b"text\n",
            415,
            "expected a video such as MP4, WebM, Matroska, AVI or GIF in clip.mp4, got 5 bytes of something",
        ),
        (b"", 422, "expected a video in clip.mp4, got no bytes: choose another file"),
    ],
)
def test_what_is_no_video_is_refused_at_once(served, data, status, line):
    answer = submit(served(), data, "clip.mp4")
    assert answer.status_code == status
    assert line in error_of(answer)


def test_a_picture_is_sent_on(served, photograph):
    answer = submit(served(), photograph)
    assert answer.status_code == 415
    assert error_of(answer).endswith("got a picture: send it to /predict")


def test_an_unknown_job(client):
    for ask in (client.get, client.delete):
        answer = ask("/jobs/nothing")
        assert answer.status_code == 404
        assert "expected the id of a job, got another" in error_of(answer)


def test_when_the_server_ends_nothing_is_left(served):
    client = served(worker=SPEAKS)
    submit(client, speech("sleep 30"))
    folder = client.app.state.jobs._folder
    assert folder.stat().st_mode & 0o077 == 0  # nobody else's to read
    client.__exit__(None, None, None)
    assert not folder.exists()
    client.__enter__()  # for the fixture


def test_a_stopping_server_takes_nothing_new(served):
    client = served(worker=SPEAKS)
    client.app.state.recognition.stopping = True
    for answer in (
        submit(client, speech(*GOOD)),
        client.post("/predict", files={"images": b"x"}),
        client.get("/health"),
    ):
        assert answer.status_code == 503
