"""Several runs in one summary: mean, deviation and range of their figures; of folds also all predictions."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mien.core.files import make_folder, replacing
from mien.evaluation import METRICS, pooled, read_predictions
from mien.verbs.evaluate import evaluate

# The classes one by one stay in the runs' own files.
_BESIDE = (
    "accuracy_without_train_duplicates",
    "macro_f1_without_train_duplicates",
    "ece_cross_fitted",
    "votes_mae",
    "valence_ccc",
    "arousal_ccc",
)


def heads_measured(run: Path, split: str) -> list[str]:
    """The heads of a run whose figures on a split are written, if all are; else none."""
    if not (run / "finished.json").exists():
        return []
    heads = list(json.loads((run / "versions.json").read_text("utf-8"))["labels"])
    return heads if all(_files(run / head, split).exists() for head in heads) else []


def summarise(out: Path, runs: Sequence[Path], *, asked: int, split: str, data_sha256: str) -> dict[str, Any]:
    """Write `summary.json` and `summary.csv` into a folder of runs, and return what the first holds.

    Args:
        out: the folder.
        runs: those that are through.
        asked: how many they will be.
        split: where they are compared; on `test`, which folds have, their predictions are pooled, too.
        data_sha256: of all data.
    """
    from mien.training.folds import spreads, summary_csv

    heads = heads_measured(runs[0], split) if runs else []
    by_head = {head: spreads({run.name: _figures(run / head, split) for run in runs}) for head in heads}
    summary: dict[str, Any] = {
        "runs": [run.name for run in runs],
        "asked": asked,
        "finished": len(runs) == asked,
        "split": split,
        "data_sha256": data_sha256,
        "heads": {head: {metric: each.to_dict() for metric, each in found.items()} for head, found in by_head.items()},
    }
    if split == "test" and len(runs) == asked:
        summary["pooled"] = {head: _pool(out, runs, head, data_sha256) for head in heads}
    make_folder(out)
    text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    for name, content in (("summary.json", text), ("summary.csv", summary_csv(by_head))):
        with replacing(out / name) as partial:
            partial.write_text(content, "utf-8", newline="\n")
    return summary


def _pool(out: Path, runs: Sequence[Path], head: str, data_sha256: str) -> dict[str, Any]:
    """Write the predictions of every fold as one table, and its figures beside; returns the latter."""
    tables = [read_predictions(run / head / "predictions-test.parquet") for run in runs]
    every = pooled(tables, model=out.resolve().name, data_sha256=data_sha256, members=", ".join(r.name for r in runs))
    make_folder(out / head)
    path = out / head / "predictions-test.parquet"
    every.write(path)
    result = evaluate(path, split="test", out=out / head, overwrite=True)
    figures = result.evaluations[0].to_dict()
    return {name: figures[name] for name in ("n", *_shown(figures))}


def _figures(folder: Path, split: str) -> dict[str, float]:
    """Metric -> value, NaN where it is not defined."""
    found: Mapping[str, Any] = json.loads(_files(folder, split).read_text("utf-8"))
    values = {name: found[name]["value"] for name in _shown(found)}
    return {"n": float(found["n"])} | {name: math.nan if value is None else value for name, value in values.items()}


def _shown(figures: Mapping[str, Any]) -> list[str]:
    return [name for name in (*METRICS, *_BESIDE) if name in figures]


def _files(folder: Path, split: str) -> Path:
    return folder / f"metrics-{split}.json"
