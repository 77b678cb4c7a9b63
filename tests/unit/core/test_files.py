import errno
import os
import re

import pytest

from mien.core.errors import OutputError
from mien.core.files import expect_free, file_name, make_folder, replacing


def test_a_file_takes_its_name_when_it_is_whole(tmp_path):
    target = tmp_path / "Tabellé.txt"
    target.write_text("before", "utf-8")
    with replacing(target) as partial:
        partial.write_text("after", "utf-8")
        assert target.read_text("utf-8") == "before"
    assert target.read_text("utf-8") == "after"
    assert os.listdir(tmp_path) == [target.name]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_what_was_begun_goes_and_what_stood_there_stays(tmp_path, stop):
    target = tmp_path / "t.txt"
    target.write_text("before", "utf-8")
    with pytest.raises(stop), replacing(target) as partial:
        partial.write_text("half", "utf-8")
        raise stop
    assert target.read_text("utf-8") == "before"
    assert os.listdir(tmp_path) == ["t.txt"]


def test_a_full_disk_is_one_line(tmp_path):
    target = tmp_path / "t.txt"
    message = re.escape(f"expected to write {target}, got: {os.strerror(errno.ENOSPC)}; nothing was left there")
    with pytest.raises(OutputError, match=f"^{message}$"), replacing(target) as partial:
        partial.write_text("half", "utf-8")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert os.listdir(tmp_path) == []


def test_a_folder_under_the_name_is_not_replaced(tmp_path):
    target = tmp_path / "t.txt"
    target.mkdir()
    with pytest.raises(OutputError, match="expected to write"), replacing(target) as partial:
        partial.write_text("whole", "utf-8")
    assert os.listdir(tmp_path) == ["t.txt"]


def test_a_name_is_free_or_may_be_overwritten(tmp_path):
    target = tmp_path / "t.txt"
    expect_free(target, overwrite=False)
    target.touch()
    expect_free(target, overwrite=True)
    with pytest.raises(OutputError, match=r"expected no file at .*t\.txt, got one: choose another name"):
        expect_free(target, overwrite=False)


@pytest.mark.parametrize("path", ["s3://bucket/faces.parquet", "s3:/bucket/faces.parquet", "GS://bucket/faces.parquet"])
def test_an_address_is_no_name_of_a_file(path):
    """As a path, too, which has lost a slash: else a folder `s3:` would be made here."""
    for check in (lambda: expect_free(path, overwrite=True), lambda: make_folder(path)):
        with pytest.raises(OutputError, match="expected a name on this machine, got [sG][3S]://bucket/faces.parquet: "):
            check()
    expect_free("s3/bucket", overwrite=False)


def test_a_folder_is_made_with_those_above_it_or_the_reason_is_said(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"expected to write into .*below, got: \S"):
        make_folder(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    "name, called",
    [
        ("mien-s+flip", "mien-s+flip"),
        ("v1.2_b", "v1.2_b"),
        ("Überraschung", "Überraschung"),
        ("../a\\b:c*?", ".._a_b_c__"),
        ("two words\n", "two_words_"),
        ("caf\udce9", "caf_"),
    ],
)
def test_a_file_is_called_after_anything(tmp_path, name, called):
    assert file_name(name) == called
    (tmp_path / f"class-{file_name(name)}.png").touch()
    assert os.listdir(tmp_path) == [f"class-{called}.png"]
