"""`mien summarise`: what each face did over a clip, computed from the table of its rows."""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.core.errors import OutputError
from mien.core.files import expect_free, write_csv
from mien.evaluation.behaviour import ClipBehaviour, Observer, summary_rows, timed, transition_rows
from mien.evaluation.clip_table import read_frames


@dataclass(frozen=True, eq=False)
class SummariseResult:
    """What was found.

    Attributes:
        clips: with their faces, in the order of the table.
        out, transitions: the files written, None where there are none.
    """

    clips: tuple[ClipBehaviour, ...]
    out: Path | None = None
    transitions: Path | None = None


def summarise(
    table: str | os.PathLike[str], *, out: str | os.PathLike[str] | None = None, overwrite: bool = False
) -> SummariseResult:
    """Say what each face did over each clip of a table: shares of time, episodes, transitions, mean probabilities.

    Args:
        table: that `mien predict` wrote of clips: .csv, .json, .jsonl or .parquet.
        out: a csv file for a row a face; the transitions go beside it, into ``NAME.transitions.csv``.
        overwrite: replace what stands under these names.

    Raises:
        DataError: the table cannot be read, or is none of a clip.
        OutputError: a file cannot be written.

    Example:
        >>> mien.summarise("clip.csv", out="faces.csv").clips[0].faces[0].label  # doctest: +SKIP
        'happiness'
    """
    if out is not None:
        check_summary(out, overwrite=overwrite)
    labels, frames = read_frames(table)
    clips: list[ClipBehaviour] = []
    for source, group in itertools.groupby(frames, lambda rows: str(rows[0]["source"])):
        observer = Observer(source, labels)
        for rows, length_s in timed(group):
            observer.add(rows, length_s)
        clips.append(observer.result())
    if out is None:
        return SummariseResult(tuple(clips))
    return SummariseResult(tuple(clips), *write_summary(clips, out))


def summary_path(table: str | os.PathLike[str]) -> Path:
    """Where the summary of a table goes: ``faces.parquet`` gives ``faces.summary.csv``."""
    return Path(table).with_suffix(".summary.csv")


def transitions_path(summary: str | os.PathLike[str]) -> Path:
    """Where the transitions go: ``a.csv`` and ``a.summary.csv`` give ``a.transitions.csv``."""
    path = Path(summary)
    return path.with_name(path.name.removesuffix(".csv").removesuffix(".summary") + ".transitions.csv")


def check_summary(out: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Raise OutputError where a summary may not be written to a csv file."""
    if Path(out).suffix.lower() != ".csv":
        raise OutputError(f"expected a summary that ends in .csv, got {Path(out).name}")
    for path in (Path(out), transitions_path(out)):
        expect_free(path, overwrite=overwrite)


def write_summary(clips: Sequence[ClipBehaviour], out: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write the summary of clips, and their transitions beside it. Returns both paths."""
    path, transitions = Path(out), transitions_path(out)
    write_csv(path, summary_rows(clips))
    write_csv(transitions, transition_rows(clips))
    return path, transitions
