"""Lists of pictures to leave out, to label anew or to look at: what an audit writes, and training and evaluation take.

A list is a csv. Of its columns only `id` has to be there; a list with a column `action` may hold rows of all kinds.
"""

import csv
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.errors import DataError
from mien.core.files import replacing

if TYPE_CHECKING:
    from mien.datasets.table import Table

ACTIONS = DROP, RELABEL, REVIEW = "drop", "relabel", "review"

ListPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a list.

    Attributes:
        id, split: of the picture.
        problem: what is wrong, such as ``copy`` or ``label_conflict``.
        group: a name that all pictures which belong together have; "" for one alone.
        action: drop, relabel, or review, which asks for a look and changes nothing.
        source, label: the label source meant and what it says; "" where no label is meant.
        suggestion: the label that `--relabel` sets.
        detail: the rest, in words.
    """

    id: str
    split: str
    problem: str
    group: str = ""
    action: str = REVIEW
    source: str = ""
    label: str = ""
    suggestion: str = ""
    detail: str = ""


COLUMNS = tuple(each.name for each in fields(Entry))


def write_list(entries: Iterable[Entry], path: ListPath) -> None:
    """Write a list as csv; OutputError says why it cannot be."""
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([getattr(entry, name) for name in COLUMNS] for entry in entries)


def ids_to_drop(path: ListPath) -> set[str]:
    """The ids that a list drops: those whose action is `drop`, or all where it has no column `action`.

    Raises:
        DataError: it cannot be read, or has no column `id`.
    """
    return {row["id"] for _, row in _rows(path, ("id",), action=DROP)}


@dataclass(frozen=True, slots=True)
class NewLabel:
    """What a list says a picture's label should be; `where` names the line."""

    id: str
    source: str
    label: str
    where: str


def new_labels(path: ListPath) -> list[NewLabel]:
    """What a list labels anew: the rows whose action is `relabel`, or all where it has no column `action`.

    Raises:
        DataError: it cannot be read, lacks the column `id` or `suggestion`, or a row has no suggestion.
    """
    found = []
    for line, row in _rows(path, ("id", "suggestion"), action=RELABEL):
        where = f"{path}, line {line}"
        if not row["suggestion"]:
            raise DataError(f"expected a label in the column suggestion in {where}, got none: fill it in, or review")
        found.append(NewLabel(row["id"], row.get("source") or "", row["suggestion"], where))
    return found


@dataclass(frozen=True, eq=False)
class Applied:
    """A table after lists.

    Attributes:
        table: what is left. lists: option and file name -> sha256 of each list, to be saved beside what is made of it.
        notes: what the lists did, a sentence each.
    """

    table: "Table"
    lists: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def apply_lists(
    table: "Table", *, drop: Sequence[ListPath] = (), relabel: Sequence[ListPath] = (), split: str | None = None
) -> Applied:
    """Label a table's pictures anew, then leave some out.

    Args:
        table: all splits of the data, so that a list made for all of them is understood.
        drop: lists of what to leave out.
        relabel: lists of what to label anew.
        split: the notes count the pictures of this one; None: all.

    Raises:
        DataError: a list cannot be read, names no picture of the table, or a label or label source that it lacks.
    """
    known = set(table.ids.tolist())
    here = known if split is None else set(table.ids[table.split == split].tolist())
    of = "images" if split is None else f"images of {split}"
    result = table.relabel(*relabel).drop(*drop)
    notes = [
        _note(f"{of} labelled anew", {each.id for each in new_labels(path)}, known, here, path) for path in relabel
    ]
    notes += [_note(f"{of} left out", ids_to_drop(path), known, here, path) for path in drop]
    return Applied(result, digests(drop=drop, relabel=relabel), tuple(notes))


def digests(*, drop: Sequence[ListPath] = (), relabel: Sequence[ListPath] = ()) -> dict[str, str]:
    """Option and file name -> sha256 of each list, to be saved beside what is made with them."""
    found: dict[str, str] = {}
    for option, paths in (("--relabel", relabel), ("--drop", drop)):
        for path in paths:
            name = f"{option} {Path(path).name}"
            found[name if name not in found else f"{name} ({len(found) + 1})"] = _sha256(path)
    return found


def in_words(lists: Mapping[str, str]) -> str:
    """Lists and their digests, as they stand beside figures: ``--drop a.csv (sha256 0123456789ab)``."""
    return "; ".join(f"{name} (sha256 {digest[:12]})" for name, digest in lists.items())


def as_paths(lists: ListPath | Sequence[ListPath] | None) -> tuple[ListPath, ...]:
    """None, one list or several, as several."""
    if lists is None:
        return ()
    return (lists,) if isinstance(lists, str | os.PathLike) else tuple(lists)


def _note(done: str, listed: set[str], known: set[str], here: set[str], path: ListPath) -> str:
    absent = len(listed - known)
    more = f"; {absent:,} that it names are not in the data" if absent else ""
    return f"{len(listed & here):,} {done} by {path}{more}"


def _sha256(path: ListPath) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _rows(path: ListPath, needed: Sequence[str], *, action: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and row of each row with an id and the action asked for."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            header = rows.fieldnames = [name.strip() for name in rows.fieldnames or ()]
            missing = [name for name in needed if name not in header]
            if missing:
                got = ", ".join(header)[:200] or "no header"
                raise DataError(f"expected a column {' and '.join(missing)} in {path}, got {got}")
            for row in rows:
                asked = row["action"] if "action" in header else action
                if row["id"] and asked not in ACTIONS:
                    where = f"{path}, line {rows.line_num}"
                    raise DataError(f"expected an action out of {', '.join(ACTIONS)} in {where}, got {asked!r}")
                if row["id"] and asked == action:
                    yield rows.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        got = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise DataError(f"expected a csv of ids at {path}, got: {got}") from error
