import inspect
import os
import sys
from pathlib import Path

import clips as made
import pytest

from mien.core.errors import InputError, UsageError
from mien.core.images import read_image
from mien.pipeline.sources import Contents, Skipped, check, expand


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def names(folder: Path, *sources: Path, skipped: Skipped | None = None) -> list[str]:
    found = expand(sources or [folder], skipped=skipped)
    return [Path(each.source).relative_to(folder).as_posix() for each in found]


def test_a_folder_is_walked_in_sorted_order_with_its_folders(tmp_path: Path) -> None:
    make(tmp_path, "b.jpg", "a/2.PNG", "a/1.webp", "c/d/e.tiff", "a.jpg")
    assert names(tmp_path) == ["a/1.webp", "a/2.PNG", "a.jpg", "b.jpg", "c/d/e.tiff"]


def test_files_that_are_not_photographs_are_counted_not_dropped_in_silence(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "notes.txt", "x/more.txt", ".DS_Store", "._a.jpg", "clip.mp4", "b.annotated.jpg")
    skipped = Skipped()
    assert names(tmp_path, skipped=skipped) == ["a.jpg"]
    assert skipped.total == 6
    assert str(skipped).startswith("skipped 6 files that are not photographs: 2 .txt, 1 ")
    assert "1 .annotated.jpg" in str(skipped)


def test_photographs_that_cannot_be_read_are_not_skipped(tmp_path: Path) -> None:
    make(tmp_path, "a.heic", "b.avif")
    assert names(tmp_path) == ["a.heic", "b.avif"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_itself_is_a_photograph_that_cannot_be_read(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "z.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "up").symlink_to(tmp_path, target_is_directory=True)
    assert names(tmp_path) == ["a.jpg", "loop.jpg", "z.jpg"]
    with pytest.raises(InputError, match="expected a readable picture at .*loop.jpg, got: "):
        read_image(tmp_path / "loop.jpg")


def test_a_file_given_by_name_is_taken_whatever_its_suffix(tmp_path: Path) -> None:
    make(tmp_path, "photo", "b.dat")
    assert names(tmp_path, tmp_path / "photo", tmp_path / "b.dat") == ["photo", "b.dat"]


def test_the_order_of_the_sources_and_repeats_are_kept(tmp_path: Path) -> None:
    make(tmp_path, "b.jpg", "a.jpg")
    assert names(tmp_path, tmp_path / "b.jpg", tmp_path, tmp_path / "b.jpg") == ["b.jpg", "a.jpg", "b.jpg", "b.jpg"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_that_leads_back_up_ends_the_walk(tmp_path: Path) -> None:
    make(tmp_path, "a/photo.jpg")
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert names(tmp_path) == ["a/photo.jpg"]


def test_a_folder_is_walked_lazily(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a/1.jpg", "b/2.jpg")
    opened: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: (opened.append(folder), scandir(folder))[1])
    next(expand([tmp_path]))
    assert opened == [str(tmp_path), str(tmp_path / "a")]


def test_a_missing_source_and_an_empty_folder_among_others_are_errors_of_their_own(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "empty/notes.txt")
    found = list(expand([tmp_path / "gone.jpg", tmp_path / "a.jpg", tmp_path / "empty"]))
    assert [each.error is None for each in found] == [False, True, False]
    assert "got no such file" in (found[0].error or "")
    assert "expected photographs in the folder" in (found[2].error or "")
    assert check([tmp_path / "gone.jpg", tmp_path / "a.jpg"]) == Contents(2, 0)


def test_a_folder_that_may_not_be_read_is_an_error_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a.jpg")

    def refuse(folder: str) -> None:
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(os, "scandir", refuse)
    (found,) = expand([tmp_path])
    assert found.error == f"expected a readable folder at {tmp_path}, got: Permission denied"


def test_the_only_source_raises(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a picture at .*gone\.jpg, got no such file: check the path"):
        check([tmp_path / "gone.jpg"])
    with pytest.raises(InputError, match=r"expected photographs in the folder .*, got none: files are known"):
        check([tmp_path])
    with pytest.raises(UsageError, match="expected a photograph or a folder, got nothing"):
        check([])


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("camera:0", "a camera"),
        ("https://example.org/a.jpg", "an address"),
        ("rtsp://host/stream", "an address"),
        ("clip.MP4", "a video"),
    ],
)
def test_what_moves_is_refused_before_any_work(source: str, kind: str) -> None:
    with pytest.raises(UsageError) as error:
        check([source])
    assert str(error.value) == (
        f"expected photographs or folders, got {kind} ({source}): only photographs are read here"
    )


@pytest.mark.parametrize("source", ["camera:0", "rtsp://host/stream"])
def test_what_never_ends_is_refused_beside_clips_too(source: str) -> None:
    with pytest.raises(UsageError) as error:
        check(["a.mp4", source], clips=True)
    kind = "a camera" if source == "camera:0" else "an address"
    assert str(error.value) == (f"expected photographs, clips or folders, got {kind} ({source}): mien live reads those")


def test_clips_where_they_are_wanted_stand_among_photographs_in_order(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b/c.MP4", "b/d.png", "e.mkv", ".f.mp4", "g.txt", "h.gif", "i.annotated.jpg")
    skipped = Skipped(clips=True)
    found = list(expand([tmp_path], skipped=skipped, clips=True))
    names = [(Path(each.source).relative_to(tmp_path).as_posix(), each.clip) for each in found]
    assert names == [("a.jpg", False), ("b/c.MP4", True), ("b/d.png", False), ("e.mkv", True), ("h.gif", False)]
    assert str(skipped).startswith("skipped 3 files that are neither photographs nor clips: 1 ")
    assert check([tmp_path], clips=True) == Contents(3, 2)
    assert check([tmp_path]) == Contents(3, 0)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_picture_that_moves_is_a_clip_and_one_that_does_not_is_none(tmp_path: Path, suffix: str) -> None:
    made.animated(tmp_path / f"a{suffix}")
    made.still(tmp_path / f"b{suffix}")
    assert [each.clip for each in expand([tmp_path], clips=True)] == [True, False]
    assert [each.clip for each in expand([tmp_path])] == [False, False]


def test_a_clip_that_is_missing_and_a_folder_without_either(tmp_path: Path) -> None:
    make(tmp_path, "empty/notes.txt")
    gone, empty = expand([tmp_path / "gone.mp4", tmp_path / "empty"], clips=True)
    assert gone.clip and gone.error == f"expected a clip at {tmp_path / 'gone.mp4'}, got no such file: check the path"
    assert (empty.error or "").startswith(f"expected photographs or clips in the folder {tmp_path / 'empty'}, got none")
    assert ", as clips by .3gp .avi " in (empty.error or "")


def test_folders_may_be_nested_more_deeply_than_calls(tmp_path: Path) -> None:
    deep = "/".join("d" * 300)
    os.makedirs(tmp_path / deep)
    make(tmp_path, f"{deep}/a.jpg", "d/z.jpg")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        found = [each.source for each in expand([tmp_path])]
    finally:
        sys.setrecursionlimit(limit)
    assert found == [str(tmp_path / deep / "a.jpg"), str(tmp_path / "d" / "z.jpg")]
