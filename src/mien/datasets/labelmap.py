"""A label map: what each label of some data sets is called in another set of labels, written down in a TOML file.

::

    name = "seven"                # the label source that is made; "labels" if left out
    labels = ["anger", "fear"]    # its classes in order; if left out, what occurs, in the canonical order

    [labels_map]                  # for all data
    enraged = "anger"
    contempt = ""                 # dropped
    "6" = "fear"                  # a number, as text

    [labels_map.ckplus]           # for one data set, or one label source, alone
    surprise = "fear"
"""

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from mien.core.errors import DataError, UsageError
from mien.core.labels import CANONICAL, SPELLINGS, LabelSet
from mien.core.registry import unknown
from mien.core.toml import parse_toml
from mien.datasets.table import LabelColumn

_KEYS = ("name", "labels", "labels_map")
_DROPPED = ""


@dataclass(frozen=True)
class LabelMap:
    """Names for the labels of some data sets.

    Attributes:
        name: of the label source that it makes.
        labels: its classes in order; None: those that occur, in the canonical order.
        shared: old label -> new one, for all data; "" drops it. Keys as `_key` gives them.
        own: data set or label source -> the same for it alone, which comes before `shared`.
        file: where this is written, for messages.
    """

    name: str = "labels"
    labels: tuple[str, ...] | None = None
    shared: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    file: str = ""

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a label map.

        Raises:
            DataError: no such file, no TOML, or a key that is not as it should be (file and key are named).
        """
        path = Path(path)
        try:
            values = parse_toml(path.read_text("utf-8-sig"))
        except OSError as error:
            raise DataError(f"expected a label map at {path}, got: {error.strerror or error}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise DataError(f"expected a label map in TOML at {path}, got: {error}") from error
        for key in values:
            if key not in _KEYS:
                raise DataError(f"{unknown('key', key, _KEYS)} in {path}")
        name = values.get("name", "labels")
        if not (isinstance(name, str) and name.replace("_", "").replace("-", "").isalnum()):
            raise DataError(f"expected a word as name in {path}, got {name!r}")
        labels = None if "labels" not in values else _read_labels(values["labels"], path)
        table = _expect_table(values.get("labels_map", {}), "labels_map", path)
        own = {key: value for key, value in table.items() if isinstance(value, Mapping)}
        shared = {key: value for key, value in table.items() if key not in own}
        return cls(
            name,
            labels,
            _read_names(shared, "labels_map", labels, path),
            {key: _read_names(value, f"labels_map.{key}", labels, path) for key, value in own.items()},
            str(path),
        )

    def rename(self, label: str, *of: str) -> str:
        """The new name of a label of the data sets or sources `of`; "" where it is dropped, itself where none is given.

        Raises:
            DataError: the map names its labels, and this is none of them and not mapped to one.
        """
        name = self._find(label, of)
        if name is None and self.labels is None:
            return _new_name(label)
        if name is None:
            raise self._unknown(label, of[0] if of else "the data")
        return name

    def read(self, text: str, *of: str, where: str) -> str:
        """The new name of a label as it stands in a data set, such as ``"3"``; "" where it is dropped.

        Raises:
            DataError: neither mapped nor, as far as the map does not name its labels, an emotion; `where` is said.
        """
        name = self._find(text, of)
        if name is None and (self.labels is not None or _key(text) not in CANONICAL):
            raise self._unknown(text, where)
        return _key(text) if name is None else name

    def _find(self, label: str, of: Sequence[str]) -> str | None:
        """What the map says of a label; None: nothing."""
        key = _key(label)
        for names in (*(self.own[each] for each in of if each in self.own), self.shared):
            if key in names:
                return names[key]
        return next((each for each in self.labels or () if _key(each) == key), None)

    def _unknown(self, label: str, where: str) -> DataError:
        todo = f"in {self.file}" if self.file else "in a label map (--label-map FILE, or label_map=FILE)"
        return DataError(
            f"expected a label out of {', '.join(self.labels or CANONICAL)}, got {label!r} in {where}: "
            f'say {todo} which one it is, or "" to drop it'
        )

    def label_set(self, found: Iterable[str]) -> LabelSet:
        """The classes that it makes, of the new names found: its own, or these in the canonical order."""
        labels = self.labels
        if labels is None:
            there = {each for each in found if each != _DROPPED}
            labels = (*(each for each in CANONICAL if each in there), *sorted(there - set(CANONICAL)))
        if not labels:
            raise DataError(
                f"expected a label at least{f' that {self.file} does not drop' if self.file else ''}, got none"
            )
        return LabelSet(self.name, labels)

    def apply(self, column: LabelColumn, *of: str, into: LabelSet | None = None) -> LabelColumn:
        """The labels under their new names.

        A distribution becomes one over the new labels: shares of one name are added, those dropped are left out, and
        the rest is made to sum to 1. It is lost where nothing is left, and where the image's own label is dropped.

        Args:
            column: the labels.
            of: names of the data set and of the label source.
            into: the classes, such as those of `label_set` over several data sets; None: those that occur here.

        Raises:
            DataError: see `rename`.
        """
        new = [self.rename(label, *of) for label in column.label_set]
        into = self.label_set(new) if into is None else into
        numbers = np.array([*(_number(name, into) for name in new), -1], np.int16)  # id -1 is the last
        ids = numbers[column.ids]
        soft = None if column.soft is None else _gather(column, numbers[:-1], len(into))
        if soft is not None:
            soft[(column.ids >= 0) & (ids < 0)] = np.nan
        return LabelColumn(into, ids, soft, self.rule(column.rule), column.file)

    def rule(self, before: str) -> str:
        """How labels came about, in words: `before`, and by this file."""
        return "; ".join(each for each in (before, f"labels by {Path(self.file).name}" if self.file else "") if each)


def restrict(column: LabelColumn, labels: Sequence[str]) -> LabelColumn:
    """The same labels with some classes alone, in a given order; an image of another class has no label.

    Raises:
        UsageError: the source has no such class, or one is named twice.
    """
    wanted = [column.label_set.labels[column.label_set.index(each)] for each in labels]
    if len(set(wanted)) != len(wanted) or not wanted:
        raise UsageError(f"expected labels, each once, got {', '.join(labels) or 'none'}")
    others = {_key(each): _DROPPED for each in column.label_set if each not in wanted}
    shared = others | {_key(each): each for each in wanted}
    return LabelMap(column.label_set.name, tuple(wanted), shared).apply(column)


def read_map(label_map: LabelMap | str | os.PathLike[str] | None) -> LabelMap:
    """A label map as an option gives it: itself, its file, or None for one that changes nothing."""
    if label_map is None:
        return LabelMap()
    return label_map if isinstance(label_map, LabelMap) else LabelMap.load(label_map)


def _key(label: str) -> str:
    """How a label is looked up: without regard to case and spaces around, and by the canonical spelling."""
    key = label.strip().lower()
    return SPELLINGS.get(key, key)


def _new_name(value: str) -> str:
    """A new name: the canonical spelling where it is one of an emotion, else as it is written."""
    return _key(value) if _key(value) in CANONICAL else value.strip()


def _number(name: str, label_set: LabelSet) -> int:
    return -1 if name == _DROPPED else label_set.labels.index(name)


def _gather(column: LabelColumn, numbers: "np.ndarray[Any, np.dtype[np.int16]]", k: int) -> Any:
    """(n, K) shares over the new classes, rows that sum to 1 or are NaN."""
    assert column.soft is not None
    matrix = np.zeros((len(numbers), k), np.float32)
    kept = np.flatnonzero(numbers >= 0)
    matrix[kept, numbers[kept]] = 1
    soft = np.nan_to_num(column.soft, nan=0.0) @ matrix
    total = soft.sum(1, keepdims=True)
    return np.divide(soft, total, out=np.full_like(soft, np.nan), where=total > 0)


def _read_labels(values: Any, path: Path) -> tuple[str, ...]:
    if not (isinstance(values, list) and values and all(isinstance(each, str) and each.strip() for each in values)):
        raise DataError(f"expected labels as a list of names in {path}, got {values!r}")
    labels = tuple(map(_new_name, values))
    if len(set(labels)) != len(labels):
        raise DataError(f"expected each name once in labels of {path}, got {', '.join(values)}")
    return labels


def _expect_table(values: Any, key: str, path: Path) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise DataError(f"expected a table [{key}] in {path}, got {values!r}")
    return values


def _read_names(values: Mapping[str, Any], key: str, labels: tuple[str, ...] | None, path: Path) -> dict[str, str]:
    names: dict[str, str] = {}
    for old, new in values.items():
        if not isinstance(new, str):
            raise DataError(f'expected a name, or "", for {old!r} in [{key}] of {path}, got {new!r}')
        name = _new_name(new)
        if labels is not None and name not in (*labels, _DROPPED):
            raise DataError(f"expected {old!r} in [{key}] of {path} to be one of {', '.join(labels)}, got {new!r}")
        if names.setdefault(_key(old), name) != name:
            raise DataError(
                f"expected one name for {old!r} in [{key}] of {path}, got {names[_key(old)]!r} and {name!r}"
            )
    return names
