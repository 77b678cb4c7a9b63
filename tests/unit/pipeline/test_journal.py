"""What is known is found again, whatever became of the run that wrote it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import OutputError
from mien.pipeline import journal as module
from mien.pipeline.journal import Journal


@pytest.fixture(autouse=True)
def _short_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOGETHER", 3)


def write(folder: Path, numbers: range) -> None:
    journal = Journal(folder, "things")
    for number in numbers:
        assert journal.find(number, ("a", number)) is None
        journal.keep(number, ("a", number), [{"value": number / 7, "none": None}])
    journal.close()


def test_lines_are_found_by_number_and_state(tmp_path: Path) -> None:
    write(tmp_path / "parts", range(8))
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == [
        f"things-00000{k}.jsonl" for k in range(3)
    ]  # fmt: skip
    journal = Journal(tmp_path / "parts", "things")
    for number in (0, 7, 3, 4):
        assert journal.find(number, ["a", number]) == [{"value": number / 7, "none": None}]
    assert journal.find(4, ["b", 4]) is None and journal.find(9, ["a", 9]) is None
    write(tmp_path / "parts", range(8, 11))
    assert [journal.find(number, ["a", number]) is not None for number in range(12)] == [True] * 11 + [False]


@given(cut=st.integers(0, 200))
def test_a_line_that_was_broken_off_costs_itself_alone(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("parts")
    write(folder, range(3))
    path = folder / "things-000000.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    lines = whole[:cut].count(b"\n")
    journal = Journal(folder, "things")
    known = [journal.find(number, ["a", number]) is not None for number in range(3)]
    assert known[:lines] == [True] * lines and known.count(True) <= lines + 1  # a line may lack its end alone
    for number in range(3):
        if not known[number]:
            journal.keep(number, ["a", number], [{"value": number / 7, "none": None}])
    journal.close()
    again = Journal(folder, "things")
    assert [again.find(number, ["a", number]) for number in range(3)] == [
        [{"value": number / 7, "none": None}] for number in range(3)
    ]


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    (tmp_path / "things-000000.jsonl").mkdir()
    with pytest.raises(OutputError, match="expected to write .*things-000000.jsonl"):
        Journal(tmp_path, "things").keep(0, "a", 1)
