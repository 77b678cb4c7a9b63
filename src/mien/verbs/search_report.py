"""What a search writes: tables, the best settings, figures and a page."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.core.files import make_folder, replacing, write_csv
from mien.reporting.figures_search import Axis, Trials
from mien.reporting.parts import shown
from mien.reporting.search_page import Retrained, Searched, search_page

if TYPE_CHECKING:
    from mien.experiments.faces import Faces
    from mien.experiments.space import Parameter
    from mien.experiments.study import Plan, Trial
    from mien.verbs.search import SearchResult

PAGE, FIGURES = "search.html", "search_files"


def write(found: "SearchResult", plan: "Plan", faces: "Faces") -> "SearchResult":
    """Write all that is known of a search into its folder; the page comes last."""
    from mien.experiments.outcome import table, winner
    from mien.verbs.search import WINNER

    rows = table(found.trials, plan.space, plan.base)
    files = {"trials.csv": rows}
    if found.importance:
        files["importance.csv"] = [["setting", "share"], *([key, f"{n:.6g}"] for key, n in found.importance.items())]
    for name, lines in files.items():
        write_csv(found.out / name, lines)
    texts = {}
    if found.best is not None:
        head = [f"Found by mien search: trial {found.best.number} of {len(found.trials)}, {_reached(found)}."]
        texts[WINNER] = winner(plan.base, found.best.settings, head=head)
        found = replace(found, settings=found.out / WINNER)
    texts["search.json"] = json.dumps(_plain(found, plan), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    page = search_page(_searched(found, plan, faces, rows))
    texts[PAGE] = page.html
    make_folder(found.out / FIGURES)
    for drawing in page.drawings:
        for suffix, content in (("png", drawing.png), ("svg", drawing.svg.encode())):
            with replacing(found.out / FIGURES / f"{drawing.name}.{suffix}") as partial:
                partial.write_bytes(content)
    for name, text in texts.items():
        with replacing(found.out / name) as partial:
            partial.write_text(text, "utf-8", newline="\n")
    return replace(found, files=tuple(found.out / name for name in (*files, *texts)))


def _reached(found: "SearchResult") -> str:
    assert found.best is not None and found.best.value is not None
    return f"{found.figure} {found.best.value:.4g} on the faces that the settings were selected by"


def _plain(found: "SearchResult", plan: "Plan") -> dict[str, Any]:
    """What `search.json` holds."""
    states = [each.state for each in found.trials]
    best = found.best
    return {
        "finished": found.finished,
        "figure": found.figure,
        "study": plan.name,
        "sampler": plan.sampler,
        "pruner": plan.pruner,
        "seed": plan.seed,
        "trials": {state: states.count(state) for state in dict.fromkeys(states)},
        "best": best and {"trial": best.number, "value": best.value, "settings": dict(best.settings)},
        "importance": dict(found.importance),
        "retrained": {"split": found.split, **{head: score.to_dict() for head, score in found.retrained.items()}}
        if found.retrained
        else None,
        **{key: value for key, value in plan.about.items() if key == "data"},
    }


def _searched(found: "SearchResult", plan: "Plan", faces: "Faces", rows: list[list[str]]) -> Searched:
    states = [each.state for each in found.trials]
    counts = [f"{states.count(state):,} {state}" for state in dict.fromkeys(states)]
    facts = [
        ("trials", ", ".join(counts) or "none"),
        ("sampler", plan.sampler + ("" if plan.pruner == "none" else f", pruned by {plan.pruner}")),
        ("learnt from", f"{int((faces.searched.split == 'train').sum()):,} faces of train"),
        ("compared on", f"{int((faces.searched.split == 'valid').sum()):,} other faces of train"),
        ("reported on", f"{int((faces.whole.split == faces.split).sum()):,} faces of {faces.split}")
        if faces.split
        else ("reported on", "nothing"),
    ]
    header, *body = rows
    order = sorted(found.trials, key=lambda each: (each.state != "complete", -each.large, each.number))
    return Searched(
        facts=facts,
        best=None if found.best is None else found.best.number,
        trials=_trials(found, plan),
        importance=list(found.importance.items()),
        settings=_settings(found, plan),
        table=[header, *(body[each.number] for each in order)],
        sentences=sentences(found, faces),
        retrained=_retrained(found, plan, faces),
    )


def sentences(found: "SearchResult", faces: "Faces") -> list[str]:
    """What was found, in words."""
    if found.best is None:
        return ["No trial has gone through so far."]
    said = [f"Trial {found.best.number} is the best of {len(found.trials):,}: {_reached(found)}."]
    for head, score in found.retrained.items():
        runs = score.runs["accuracy"] or (score.accuracy.value,)
        n = int((faces.whole.split == found.split).sum())
        seeds = "another seed" if len(runs) == 1 else f"{len(runs)} other seeds"
        between = f"; the seeds range from {min(runs):.3f} to {max(runs):.3f}" if len(runs) > 1 else ""
        said.append(
            f"Trained anew with {seeds}, it has an accuracy for {head} of {shown(score.accuracy, share=False)} on the "
            f"{n:,} faces of {found.split}, which no trial saw{between}."
        )
    if found.retrained:
        said.append("That figure counts, not the first: of many trials the best is also the luckiest.")
    elif faces.split and not found.finished:
        said.append("What it is worth on faces that no trial saw is measured when all trials are through.")
    return said


def _trials(found: "SearchResult", plan: "Plan") -> Trials:
    from mien.experiments.settings import idle

    order = [*found.importance, *(key for key in plan.space.keys if key not in found.importance)]
    nothing = [idle(plan.base, each.settings) for each in found.trials]
    axes = []
    for key in order:
        parameter = plan.space[key]
        places = [
            np.nan if key in idles else _place(parameter, each)
            for each, idles in zip(found.trials, nothing, strict=True)
        ]
        choices = tuple(str(each) for each in parameter.choices)
        axes.append(Axis(key, np.array(places, float), parameter.log, choices))
    values = np.array([np.nan if each.value is None else each.value for each in found.trials], float)
    return Trials(found.figure, [each.number for each in found.trials], values, [t.state for t in found.trials], axes)


def _place(parameter: "Parameter", trial: "Trial") -> float:
    value = trial.settings[parameter.key]
    return float(parameter.choices.index(value)) if parameter.choices else float(value)


def _settings(found: "SearchResult", plan: "Plan") -> list[tuple[str, str, str, str]]:
    from mien.experiments.settings import configured, idle
    from mien.training.config import as_settings

    if found.best is None:
        return []
    before = as_settings(plan.base)
    best = as_settings(configured(plan.base, found.best.settings))
    nothing = idle(plan.base, found.best.settings)
    return [
        (each.key, "counts for nothing" if each.key in nothing else _shown(best, each.key), _shown(before, each.key),
         _range(each))
        for each in plan.space
    ]  # fmt: skip


def _shown(settings: Mapping[str, Any], key: str) -> str:
    value: Any = settings
    for name in key.split("."):
        value = value.get(name, "the net's own") if isinstance(value, Mapping) else value
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _range(parameter: "Parameter") -> str:
    if parameter.choices:
        return ", ".join(map(str, parameter.choices))
    return f"{parameter.low:g} to {parameter.high:g}{', logarithmic' if parameter.log else ''}"


def _retrained(found: "SearchResult", plan: "Plan", faces: "Faces") -> Retrained | None:
    if not found.retrained:
        return None
    runs = max(len(score.runs["accuracy"]) for score in found.retrained.values()) or 1
    seeds = tuple(plan.base.seed + 1 + k for k in range(runs))
    n = int((faces.whole.split == found.split).sum())
    return Retrained(found.split, n, seeds, found.retrained)
