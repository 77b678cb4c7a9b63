"""Files of a tree, without litter."""

import inspect
import os
import sys

import pytest

from mien.core.errors import DataError
from mien.datasets.readers.listing import files_in, first_folder, folders_in, walk

FILES = ("b.png", "a/2.png", "a/10.png", "a/c/1.png", "ä ö.png")
LITTER = (".DS_Store", "._b.png", "Thumbs.db", "a/desktop.ini", ".git/x.png", "__MACOSX/a/._2.png", "a/.hidden")


@pytest.fixture
def tree(tmp_path):
    for name in (*FILES, *LITTER):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_all_files_in_order_without_litter(tree):
    assert list(walk(tree)) == ["a/10.png", "a/2.png", "a/c/1.png", "b.png", "ä ö.png"]
    assert files_in(tree) == ["b.png", "ä ö.png"] and folders_in(tree) == ["a", "empty"]


def test_the_first_folder_that_is_there(tree):
    assert first_folder(tree, ("none", "b.png", "a/c", "a")) == tree / "a" / "c"
    assert first_folder(tree, ("none",)) is None


def test_links_to_folders_are_followed(tree, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "1.png").write_bytes(b"")
    try:
        os.symlink(elsewhere, tree / "link", target_is_directory=True)
    except OSError:
        pytest.skip("needs Windows with the right to make links")
    assert "link/1.png" in list(walk(tree))


def test_a_folder_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"expected a readable folder at .*absent, got: No such file") as caught:
        list(walk(tmp_path / "absent"))
    assert "\n" not in str(caught.value)


def test_folders_may_be_nested_more_deeply_than_calls(tmp_path, monkeypatch):
    deep = "/".join("d" * 300)
    os.makedirs(tmp_path / deep)
    (tmp_path / deep / "1.png").write_bytes(b"")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        found = list(walk(tmp_path))
    finally:
        sys.setrecursionlimit(limit)
    assert found == [f"{deep}/1.png"]


def test_a_link_to_itself_is_a_file(tmp_path):
    try:
        os.symlink("loop.png", tmp_path / "loop.png")
    except OSError:
        pytest.skip("needs Windows with the right to make links")
    assert list(walk(tmp_path)) == files_in(tmp_path) == ["loop.png"] and folders_in(tmp_path) == []
