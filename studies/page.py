"""Results of studies as csv, as a picture, and as sections of `docs/studies.md`."""

import csv
import math
import re
from collections.abc import Mapping, Sequence

from measures import Measured, Row
from study import FOLDER, Study, names, read_study

from mien.core.files import replacing, write_csv
from mien.evaluation.metrics import Estimate
from mien.reporting.arms import ArmView, Panel, draw_arms

RESULTS = FOLDER / "results"
PAGE = FOLDER.parent / "docs" / "studies.md"
IMAGES = FOLDER.parent / "docs" / "images" / "studies"
COMMAND = "python studies/run.py {name} --data ferplus=DIR{wild} --set threads=1"

_HEADER = (
    "experiment",
    "arm",
    "n",
    "seeds",
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "spread",
    "macro_f1",
    "macro_f1_low",
    "macro_f1_high",
    "macro_precision",
    "macro_recall",
    "training_accuracy",
    "epochs_to_convergence",
    "parameters",
    "macs",
    "faces_per_s",
    "difference",
    "difference_low",
    "difference_high",
    "p_holm",
    "test",
    "effect",
    "effect_size",
    "n_new",
    "accuracy_new",
    "accuracy_new_low",
    "accuracy_new_high",
    "difference_new",
    "difference_new_low",
    "difference_new_high",
    "p_holm_new",
)
_RECALL = "recall_"
_EFFECTS = {"cohen_dz": "d_z", "cohen_g": "g"}

Cells = Mapping[str, str]


def write_results(study: Study, measured: Sequence[Measured]) -> None:
    """The csv of a study: a row an arm of each experiment, shares in 0..1; empty where there is nothing to say."""
    recalls = list(dict.fromkeys(_RECALL + label for each in measured for row in each.rows for label in row.recalls))
    rows = [
        {
            "experiment": each.experiment.name,
            "n": each.n,
            "n_new": each.n_new if row.new else None,
            "seeds": each.experiment.seeds,
            **_cells(row),
        }
        for each in measured
        for row in each.rows
    ]
    header = [*_HEADER, *recalls]
    RESULTS.mkdir(exist_ok=True)
    write_csv(RESULTS / f"{study.name}.csv", [header, *([_short(row.get(name)) for name in header] for row in rows)])


def _cells(row: Row) -> dict[str, float | int | str | None]:
    found, new = row.found, row.new
    return {
        "arm": found.variant,
        **_bounds("accuracy", found.accuracy),
        **_bounds("macro_f1", found.macro_f1),
        **_bounds("difference", found.difference),
        "spread": row.spread,
        "macro_precision": row.precision,
        "macro_recall": row.recall,
        "training_accuracy": row.training,
        "epochs_to_convergence": row.converged,
        "parameters": row.parameters,
        "macs": row.macs,
        "faces_per_s": row.speed,
        "p_holm": found.p_holm,
        "test": found.test,
        "effect": found.effect,
        "effect_size": found.effect_size,
        **(_bounds("accuracy_new", new.accuracy) | _bounds("difference_new", new.difference) if new else {}),
        "p_holm_new": new.p_holm if new else None,
        **{_RECALL + label: value for label, value in row.recalls.items()},
    }


def _bounds(name: str, figure: Estimate | None) -> dict[str, float]:
    return {} if figure is None else {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}


def _short(value: float | int | str | None) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def write_page() -> None:
    """Put the results that are there into `docs/studies.md`, between the marks of each study, and draw them."""
    text = PAGE.read_text("utf-8")
    for name in names():
        if (RESULTS / f"{name}.csv").exists():
            study, rows = read_study(name), _read(name)
            _draw(study, rows)
            text = _put(text, name, section(study, rows))
    with replacing(PAGE) as partial:
        partial.write_text(text, "utf-8", newline="\n")


def _read(name: str) -> list[dict[str, str]]:
    with open(RESULTS / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _put(text: str, name: str, section: str) -> str:
    """The text with the section of a study in its place, which is the end for a new one."""
    begin, end = f"<!-- study {name} -->\n", f"<!-- end of {name} -->\n"
    whole = begin + section + end
    if begin in text:
        return re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: whole, text, flags=re.DOTALL)
    return f"{text.rstrip()}\n\n{whole}"


def section(study: Study, rows: Sequence[Cells]) -> str:
    """A study as Markdown."""
    command = COMMAND.format(name=study.name, wild=" --wild FOLDER" if study.needs_wild else "")
    parts = [f"## {study.title}", study.question, f"```\n{command}\n```"]
    if study.published:
        parts.append(f"Published: {study.published}")
    for experiment in study.experiments:
        own = [row for row in rows if row["experiment"] == experiment.name]
        if own:
            parts += [f"**{experiment.title}**{_on(own[0])}", _table(own), _new(own)]
            parts += [_classes(own)] if experiment.by_class else []
            parts += [_costs(own)] if experiment.costs else []
    parts.append(f"![{study.title}: accuracies with their intervals](images/studies/{study.name}.png)")
    parts.append(" ".join(study.meaning))
    return "\n\n".join(filter(None, parts)) + "\n"


def _on(row: Cells) -> str:
    seeds = int(row["seeds"])
    return f" (n = {int(row['n']):,}, " + (f"mean of {seeds} seeds)" if seeds > 1 else "one seed)")


def _table(rows: Sequence[Cells]) -> str:
    spread = any(row["spread"] for row in rows)
    header = ["", "accuracy", *(["over seeds, ±"] if spread else []), "macro F1", f"against {rows[0]['arm']}"]
    header += ["p", "effect", "in training", "epochs"]
    body = []
    for row in rows:
        against = ["", "", ""]
        if row["difference"]:
            against = [_points(row), _p(row["p_holm"]), _effect(row)]
        f1 = f"{float(row['macro_f1']):.3f}"
        accuracy = _percent(row["accuracy"]) + _interval(_bare(row["accuracy_low"]), _bare(row["accuracy_high"]))
        ends = [*against, _percent(row["training_accuracy"]), f"{float(row['epochs_to_convergence']):.0f}"]
        body.append([row["arm"], accuracy, *([_bare(row["spread"])] if spread else []), f1, *ends])
    return _markdown(header, body)


def _new(rows: Sequence[Cells]) -> str:
    """A sentence on the faces whose pixels were not learnt, too; empty where all are such, or it is not known."""
    if not rows[0].get("n_new"):
        return ""
    n, n_new = int(rows[0]["n"]), int(rows[0]["n_new"])
    found = [f"{row['arm']} {_percent(row['accuracy_new'])}{_against(row)}" for row in rows]
    copies = "1 face whose copy was" if n - n_new == 1 else f"{n - n_new} faces whose copies were"
    return f"Without the {copies} learnt (n = {n_new:,}): {'; '.join(found)}."


def _against(row: Cells) -> str:
    if not row["difference_new"]:
        return ""
    value, low, high = (_signed(row[f"difference_new{end}"]) for end in ("", "_low", "_high"))
    p = _p(row["p_holm_new"])
    return f" ({value}{_interval(low, high).replace(' (', ', ').rstrip(')')}{f', p {_equals(p)}' if p else ''})"


def _equals(p: str) -> str:
    return p if p.startswith("<") else f"= {p}"


def _classes(rows: Sequence[Cells]) -> str:
    labels = [name for name in rows[0] if name.startswith(_RECALL) and rows[0][name]]
    header = ["recall", *(name.removeprefix(_RECALL) for name in labels)]
    return _markdown(header, [[row["arm"], *(_percent(row[name]) for name in labels)] for row in rows])


def _costs(rows: Sequence[Cells]) -> str:
    header = ["", "parameters", "multiply-accumulates a face", "faces/s, one thread", "macro precision", "macro recall"]
    body = [
        [
            row["arm"],
            f"{int(row['parameters']) / 1e6:.2f} M",
            f"{int(row['macs']) / 1e6:.0f} M",
            f"{float(row['faces_per_s']):,.0f}",
            f"{float(row['macro_precision']):.3f}",
            f"{float(row['macro_recall']):.3f}",
        ]
        for row in rows
    ]
    return _markdown(header, body)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _percent(share: str) -> str:
    return f"{_bare(share)} %"


def _bare(share: str) -> str:
    return f"{100 * float(share):.1f}" if share else ""


def _points(row: Cells) -> str:
    value, low, high = (_signed(row[f"difference{end}"]) for end in ("", "_low", "_high"))
    return value + _interval(low, high)


def _signed(share: str) -> str:
    return f"{100 * float(share):+.1f}" if share else ""


def _interval(low: str, high: str) -> str:
    """Nothing where it is not defined, as where two arms are right on the same faces."""
    return f" ({low} to {high})" if low else ""


def _p(p: str) -> str:
    """Empty where it is not defined."""
    value = float(p or "nan")
    return (
        "" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"
    )


def _effect(row: Cells) -> str:
    """Cohen's d_z over seeds, or g over the faces on which two arms differ; empty where it is not defined."""
    return f"{_EFFECTS[row['effect']]} = {float(row['effect_size']):.2f}" if row["effect_size"] else ""


def _draw(study: Study, rows: Sequence[Cells]) -> None:
    panels = []
    for experiment in study.experiments:
        own = [row for row in rows if row["experiment"] == experiment.name]
        views = tuple(
            ArmView(row["arm"], *(float(row[name]) for name in ("accuracy", "accuracy_low", "accuracy_high")))
            for row in own
        )
        panels += [Panel(experiment.title, views)] if views else []
    drawing = draw_arms(study.name, panels)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with replacing(IMAGES / f"{study.name}.png") as partial:
        partial.write_bytes(drawing.png)
