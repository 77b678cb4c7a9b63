"""What `mien evaluate` writes: predictions, figures and curves of each evaluation, and where it is wrong."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mien.core.errors import OutputError
from mien.core.files import file_name, make_folder, replacing, unwritable
from mien.datasets import Table
from mien.evaluation import Evaluation
from mien.evaluation.robustness import Robustness
from mien.verbs.errors import JSON, ErrorsResult, write_errors


def check_out(out: Path, split: str, *, overwrite: bool) -> None:
    """Raise OutputError where the results cannot stand in the folder, or an earlier evaluation's do."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"expected a folder for the results, got the file {out}: choose another name")
    there = sorted([*out.glob(f"metrics-{split}*.json"), *out.glob(f"errors-{split}*/{JSON}")])
    if there and not overwrite:
        raise OutputError(
            f"expected no results for {split} in {out}, got {there[0].relative_to(out)}: choose another, or overwrite"
        )


def write_evaluations(
    evaluations: Sequence[Evaluation], out: Path, split: str, robustness: Mapping[str, Robustness]
) -> tuple[Path, ...]:
    """Write the tables and figures of each evaluation; of several, files carry the models' names."""
    make_folder(out)
    files: list[Path] = []
    for name, each in _stems(evaluations, split).items():
        table = out / f"predictions-{name}.parquet"
        each.predictions.write(table)
        texts = {
            f"metrics-{name}.json": _json(each.to_dict()),
            f"confusion-{name}.csv": each.confusion_csv(),
            f"confusion-rates-{name}.csv": each.confusion_csv(rates=True),
            f"classes-{name}.csv": each.classes_csv(),
            f"curves-{name}.json": _json(each.curves.to_dict(), indent=None),
            f"groups-{name}.csv": each.groups_csv() if each.groups else None,
            f"robustness-{name}.json": _json(robustness[each.name].to_dict()) if each.name in robustness else None,
        }
        for file, text in texts.items():
            if text is None:  # an earlier evaluation may have left one
                _remove(out / file)
                continue
            with replacing(out / file) as partial:
                partial.write_text(text, "utf-8", newline="\n")
        earlier = out / f"errors-{name}"
        if (earlier / JSON).exists():  # of predictions that are replaced now
            shutil.rmtree(earlier)
        files += [table, *(out / file for file, text in texts.items() if text is not None)]
    return tuple(files)


def write_all_errors(
    evaluations: Sequence[Evaluation], faces: Table, out: Path, split: str, *, tell: Callable[[int, int], None]
) -> dict[str, ErrorsResult]:
    """Write a folder of tables and galleries for each evaluation; see `write_errors`."""
    return {
        each.name: write_errors(each.predictions, faces, out / f"errors-{stem}", overwrite=True, tell=tell)
        for stem, each in _stems(evaluations, split).items()
    }


def _stems(evaluations: Sequence[Evaluation], split: str) -> dict[str, Evaluation]:
    """What the files of each evaluation are called after."""
    if len(evaluations) == 1:
        return {split: evaluations[0]}
    return {f"{split}-{file_name(each.name)}": each for each in evaluations}


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


def _json(values: Mapping[str, Any], *, indent: int | None = 2) -> str:
    return json.dumps(values, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"
