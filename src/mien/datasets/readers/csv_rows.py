"""The rows of a csv one at a time, so that a file of half a million of them is never in memory as text."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from mien.core.errors import DataError


def read_rows(
    path: Path, columns: Sequence[str], *, handed_out: str, without_header: Sequence[str] = ()
) -> Iterator[tuple[int, list[str]]]:
    """The line of every row and its cells in some columns, spaces taken off; blank lines are passed over.

    Args:
        path: a csv with commas.
        columns: in the order in which their cells are given; in the header they may stand in any, in any case.
        handed_out: how an error's message ends: the sentence that says who hands the file out.
        without_header: the columns of a file whose first row is no header.

    Raises:
        DataError: the file cannot be read, a column is missing, a row is cut off (named by its line), or there is none.
    """
    places: list[int] | None = None
    width = found = 0
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            for row in reader:
                if not any(map(str.strip, row)):
                    continue
                if places is None:
                    width, (places, is_header) = len(row), _places(row, columns, without_header, path, handed_out)
                    if is_header:
                        continue
                if len(row) != width:
                    raise DataError(
                        f"expected {width} columns in {path}, line {reader.line_num}, got {len(row)}: is the file cut "
                        f"off? {handed_out}"
                    )
                found += 1
                yield reader.line_num, [row[place].strip() for place in places]
    except OSError as error:
        raise DataError(f"expected a readable csv at {path}, got: {error.strerror or error}; {handed_out}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"expected a csv in UTF-8 at {path}, got: {error}; {handed_out}") from error
    if not found:
        raise DataError(f"expected rows in {path}, got none: {handed_out}")


def _places(
    row: Sequence[str], columns: Sequence[str], without_header: Sequence[str], path: Path, handed_out: str
) -> tuple[list[int], bool]:
    """Where the columns are by the first row, and whether it is a header."""
    header = [each.strip().lower() for each in row]
    is_header = len(row) != len(without_header) or any(each.lower() in header for each in columns)
    names = header if is_header else [each.lower() for each in without_header]
    missing = [each for each in columns if each.lower() not in names]
    if missing:
        got = ", ".join(row)[:200]
        raise DataError(f"expected the column {', '.join(missing)} in {path}, got {got!r}: {handed_out}")
    return [names.index(each.lower()) for each in columns], is_header
