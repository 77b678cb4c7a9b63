"""Finished parts of a long work, in a hidden folder beside its result, so that it can go on after it was broken off."""

import glob
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from mien.core.errors import OutputError, UsageError
from mien.core.files import PARTIAL, make_folder, replacing
from mien.core.optional import require

_PLAN = "plan.json"
_WHOLE = "whole.parquet"


class Unfinished:
    """The folder of a work that is not done, hidden beside its result.

    Args:
        out: the result.
        plan: what decides it; parts of another plan do not fit.
        pattern: of the names of the parts.
    """

    def __init__(self, out: Path, plan: Mapping[str, Any], *, pattern: str) -> None:
        self.out, self._plan, self._pattern = out, json.loads(json.dumps(plan)), pattern
        self.folder = _folder(out)

    def check(self, *, resume: bool, overwrite: bool) -> None:
        """See whether there is an earlier folder, and remove one that nobody wants to go on with.

        Raises:
            UsageError: to resume another plan.
            OutputError: there are parts, and neither `resume` nor `overwrite` says what to do.
        """
        earlier = self._earlier_plan()
        if earlier is not None and resume:
            expect_same_plan(self._plan, earlier, self.out)
            self._clean()
            return
        if earlier is not None and not overwrite:
            count = len(list(self.folder.glob(self._pattern)))
            raise OutputError(
                f"expected no unfinished work on {self.out}, got {count} parts of it in "
                f"{self.folder.name}: go on with --resume, or start anew with --overwrite"
            )
        if earlier is not None:
            self._clean()
        self.remove()

    def make(self) -> None:
        """Make the folder, if it is not there yet; OutputError says why it cannot be."""
        if self._earlier_plan() is not None:
            return
        make_folder(self.folder)
        with replacing(self.folder / _PLAN) as partial:
            partial.write_text(json.dumps(self._plan, indent=2), "utf-8")

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _clean(self) -> None:
        """Remove the beginnings of a result that a killed run left."""
        for partial in self.out.parent.glob(f".{glob.escape(self.out.name)}.*{PARTIAL}"):
            partial.unlink(missing_ok=True)

    def _earlier_plan(self) -> Any:
        """The plan in the folder; None where there is no folder, or none that was begun."""
        try:
            return json.loads((self.folder / _PLAN).read_text("utf-8"))
        except (OSError, ValueError):
            return None


def expect_same_plan(plan: Mapping[str, Any], earlier: Any, out: str | os.PathLike[str]) -> None:
    """Raise UsageError where unfinished work on `out` was begun with another plan."""
    for name, value in plan.items():
        before = earlier.get(name) if isinstance(earlier, dict) else None
        if before != value:
            raise UsageError(
                f"expected the same {name} as in the unfinished work on {out} ({before}), got {value}: give "
                "the same to go on, or start anew with --overwrite and without --resume"
            )


def unfinished(out: Path) -> bool:
    """Whether there is unfinished work on `out`."""
    return (_folder(out) / _PLAN).exists()


def _folder(out: Path) -> Path:
    return out.with_name(f".{out.name}.parts")


class Parts:
    """The parts of one table. Each is a small Parquet file that is there whole or not at all.

    Args:
        out: the table. plan: what decides it; parts of another plan do not fit.
    """

    def __init__(self, out: Path, plan: Mapping[str, Any]) -> None:
        self._work = Unfinished(out, plan, pattern="[0-9]*.parquet")
        self.out, self.folder = out, self._work.folder
        self.whole = self.folder / _WHOLE  # where the result grows

    def begin(self, *, resume: bool, overwrite: bool) -> None:
        """Make the folder, or go on with the one that is there; see `Unfinished`."""
        self._work.check(resume=resume, overwrite=overwrite)
        self._work.make()

    def has(self, number: int, rows: int) -> bool:
        """Whether a part is there, with so many rows."""
        path = self._path(number)
        if not path.exists():
            return False
        parquet, pyarrow = require("pyarrow.parquet", extra="data"), require("pyarrow", extra="data")
        try:
            return bool(parquet.read_metadata(path).num_rows == rows)
        except (pyarrow.ArrowException, OSError):
            return False  # damaged: made again

    def missing(self, ends: Sequence[int]) -> dict[int, range]:
        """Part -> its rows, of the parts that are not there; `ends` has where each begins, and the end of the last."""
        rows = {number: range(start, end) for number, (start, end) in enumerate(pairwise(ends))}
        return {number: each for number, each in rows.items() if not self.has(number, len(each))}

    def write(self, number: int, columns: Mapping[str, Any]) -> None:
        """Keep a part."""
        pyarrow, parquet = require("pyarrow", extra="data"), require("pyarrow.parquet", extra="data")
        with replacing(self._path(number)) as partial:
            parquet.write_table(pyarrow.table(dict(columns)), partial, compression="none", use_dictionary=False)

    def read(self, number: int, columns: list[str]) -> Any:
        """Some columns of a part, as a pyarrow table."""
        return require("pyarrow.parquet", extra="data").read_table(self._path(number), columns=columns)

    def finish(self) -> None:
        """Give the result its name and remove the parts."""
        self.whole.replace(self.out)
        self.remove()

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        self._work.remove()

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.parquet"
