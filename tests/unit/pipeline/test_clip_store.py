import shutil
from pathlib import Path

import clips as made
import numpy as np
import pytest
from clips import Shelf

from mien.core.labels import LABEL_SETS
from mien.core.types import Faces, Predictions
from mien.pipeline import clip_store
from mien.pipeline.clip_store import ClipStore, first_pass
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.second_pass import QUALITY, ClipFrame
from mien.pipeline.video import Sampling

LABELS = LABEL_SETS["ferplus"]


def frame(index: int, faces: int, *, cut: bool = False) -> ClipFrame:
    rng = np.random.default_rng(index)
    boxes = rng.uniform(0, 90, (faces, 4)).astype(np.float32)
    found = Faces(boxes, rng.random(faces, np.float32), rng.random((faces, 5, 2), np.float32))
    probabilities = rng.dirichlet(np.ones(len(LABELS)), faces).astype(np.float32).reshape(faces, len(LABELS))
    quality = {name: rng.random(faces, np.float32) for name in QUALITY}
    return ClipFrame(index, index / 3, Predictions(found, probabilities, LABELS), quality, cut)


def assert_same(found: ClipFrame, wanted: ClipFrame) -> None:
    assert (found.index, found.time_s, found.cut) == (wanted.index, wanted.time_s, wanted.cut)
    for name in ("boxes", "scores", "landmarks", "probabilities"):
        np.testing.assert_array_equal(getattr(found.predictions, name), getattr(wanted.predictions, name))
    for name in QUALITY:
        np.testing.assert_array_equal(found.quality[name], wanted.quality[name])


@pytest.fixture
def store(tmp_path: Path) -> ClipStore:
    (tmp_path / "clip.mp4").write_bytes(b"x")
    return ClipStore(tmp_path / "parts" / "clip", str(tmp_path / "clip.mp4"), LABELS)


def test_frames_come_back_exactly_block_by_block(store: ClipStore) -> None:
    blocks = [[frame(0, 2), frame(1, 0, cut=True)], [], [frame(5, 1)]]
    for number, frames in enumerate(blocks):
        assert store.stored()[0] == number
        store.write(number, frames)
    found = list(store.frames())
    assert len(found) == 3 and not store.done
    for one, other in zip(found, [*blocks[0], *blocks[2]], strict=True):
        assert_same(one, other)
    store.finish("it ended early")
    assert store.done and store.error == "it ended early"
    again = ClipStore(store.folder, store.source, LABELS)
    assert again.done and again.stored() == (3, 3)


def test_a_damaged_block_and_those_after_it_are_made_again(store: ClipStore) -> None:
    for number in range(3):
        store.write(number, [frame(number, 1)])
    path = store.folder / "000001.npz"
    path.write_bytes(path.read_bytes()[:100])
    assert store.stored() == (1, 1)
    assert [each.index for each in store.frames()] == [0]


@pytest.mark.parametrize(
    "wrong", [{"scores": np.zeros(2, np.float32)}, {"faces": np.array([-1])}, {"cut": np.array([b"x"])}]
)
def test_a_block_of_other_arrays_is_a_damaged_one(store: ClipStore, wrong: dict[str, np.ndarray]) -> None:
    store.write(0, [frame(0, 1)])
    with np.load(store.folder / "000000.npz") as held:
        whole = dict(held)
    np.savez(store.folder / "000000.npz", **whole | wrong)
    assert store.stored() == (0, 0) and not list(store.frames())
    del whole["faces"]
    np.savez(store.folder / "000000.npz", **whole)
    assert store.stored() == (0, 0)


def test_another_file_under_the_name_begins_anew(store: ClipStore) -> None:
    store.write(0, [frame(0, 1)])
    store.finish(None)
    Path(store.source).write_bytes(b"another")
    again = ClipStore(store.folder, store.source, LABELS)
    assert not again.done and again.stored() == (0, 0) and not again.folder.exists()


@pytest.fixture
def recognizer(tiny_model: Path) -> Recognizer:
    return Recognizer(tiny_model, threads=1)


def test_a_first_pass_that_was_broken_off_goes_on_and_finds_the_same(
    clips: Shelf, recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.pipeline.video._BLOCK", 20)

    class Stop(Exception):
        pass

    def run(folder: Path, stop: int = 1000) -> ClipStore:
        store, done = ClipStore(folder, str(clips["crossing"].path), recognizer.label_set), 0

        def tell(frames: int) -> None:
            nonlocal done
            done += frames
            if done >= stop:
                raise Stop

        first_pass(recognizer, store, Sampling(), tell=tell)
        return store

    whole = run(tmp_path / "whole")
    assert [path.name for path in sorted(whole.folder.glob("*.npz"))] == [f"00000{k}.npz" for k in range(4)]
    for stop in (10, 45):
        with pytest.raises(Stop):
            run(tmp_path / "broken", stop)
    broken = run(tmp_path / "broken")
    assert len(list(whole.frames())) == 75
    for path in whole.folder.glob("*.npz"):
        with np.load(path) as one, np.load(broken.folder / path.name) as other:
            assert all(np.array_equal(one[name], other[name]) for name in one)
    shutil.rmtree(tmp_path / "broken")


def test_what_is_done_is_not_done_again(
    clips: Shelf, recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ClipStore(tmp_path / "a", str(clips["one_frame"].path), recognizer.label_set)
    first_pass(recognizer, store, Sampling())
    assert store.done and store.error is None and [each.index for each in store.frames()] == [0]
    monkeypatch.setattr(clip_store, "watch", None)
    first_pass(recognizer, store, Sampling())


def test_a_clip_that_ends_early_says_so_after_its_frames(clips: Shelf, recognizer: Recognizer, tmp_path: Path) -> None:
    path = clips["ending_early"].path
    store = ClipStore(tmp_path / "a", str(path), recognizer.label_set)
    first_pass(recognizer, store, Sampling())
    assert store.error == f"expected a whole clip in {path}, got one that is cut off: copy it again"
    assert 20 < len(list(store.frames())) < 60


def test_a_clip_that_cannot_be_read_says_why(recognizer: Recognizer, tmp_path: Path) -> None:
    path = made.text(tmp_path / "clip.mp4")
    store = ClipStore(tmp_path / "a", str(path), recognizer.label_set)
    first_pass(recognizer, store, Sampling())
    assert store.done and not list(store.frames())
    assert store.error == (
        f"expected a video in {path}, got 600 bytes that FFmpeg does not read as one: copy it again, or convert it"
    )
