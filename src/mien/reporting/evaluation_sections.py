"""The sections of a report that follow from its models alone: figures, training, classes, scores, robustness, cards."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from mien.evaluation import Evaluation
from mien.reporting import figures_evaluation as draw
from mien.reporting.curves import training_curves
from mien.reporting.page import TableView
from mien.reporting.parts import Extra, Plan, Reported, sentence, shown
from mien.reporting.style import many

Floats = npt.NDArray[np.float64]

# In the order of the table; what a table of predictions does not allow is left out.
METRICS = (
    ("accuracy", "accuracy"),
    ("accuracy_without_train_duplicates", "without copies of training images"),
    ("balanced_accuracy", "balanced accuracy"),
    ("macro_precision", "macro precision"),
    ("macro_recall", "macro recall"),
    ("macro_f1", "macro F1"),
    ("weighted_f1", "weighted F1"),
    ("kappa", "Cohen's kappa"),
    ("roc_auc", "macro ROC AUC"),
    ("average_precision", "macro average precision"),
    ("ece", "calibration error (ECE)"),
    ("ece_cross_fitted", "ECE after cross-fitted temperature"),
    ("brier", "Brier score"),
    ("nll", "negative log likelihood"),
    ("votes_mae", "MAE to the votes"),
    *((f"{what}_{kind}", f"{what}, {kind.upper()}") for what in ("valence", "arousal") for kind in ("mae", "ccc")),
)
_SHARES = {"accuracy", "accuracy_without_train_duplicates", "balanced_accuracy", "macro_precision", "macro_recall"}
_SHARES |= {"macro_f1", "weighted_f1", "ece", "ece_cross_fitted"}
_POINTS = 250  # of a curve in a figure: it has thousands
_FOREST = ("accuracy", "balanced_accuracy", "macro_f1")
_SETTINGS = (
    *("net", "net_options", "input", "normalise", "weights", "freeze", "epochs", "batch", "seed", "loss", "soft"),
    *("label_smoothing", "class_weights", "sampling", "dropout", "optimizer", "learning_rate", "schedule", "warmup"),
    *("weight_decay", "sam", "ema", "select", "teachers", "distill_weight", "start_size", "augment", "precision"),
)


def measured(models: Sequence[Reported]) -> list[Extra]:
    """What was measured of them."""
    return [make(models) for make in (_figures, _training, _classes, _scores, _robustness)]


def provenance(models: Sequence[Reported]) -> list[Extra]:
    """What they are, and how each is made again."""
    return [_cards(models), _commands(models)]


def _figures(models: Sequence[Reported]) -> Extra:
    rows = [(each.name, each.evaluation) for each in models]
    rows += [(each.name, other) for each in models for other in each.others]
    header = ("figure", *(f"{name}, {e.predictions.meta.get('head') or e.label_set.name}" for name, e in rows))
    body = [("faces (n)", *(many(e.n) for _, e in rows)), ("passes a face", *(str(e.passes) for _, e in rows))]
    for metric, title in METRICS:
        if any(metric in e.metrics for _, e in rows):
            share = metric in _SHARES
            body.append((title, *(shown(e.metrics.get(metric), share=share) for _, e in rows)))
    rules = ("rule", *(e.predictions.meta.get("rule") or "all labelled faces" for _, e in rows))
    table = TableView(header, (*body, rules), "In brackets: 95 % intervals.")
    forest = {
        title: {each.name: each.evaluation.metrics[metric] for each in models}
        for metric, title in METRICS
        if metric in _FOREST
    }
    plan = Plan(
        "intervals",
        "Figures with their intervals",
        "A mark a model, and the interval that holds the true value in 95 % of samples. Where intervals overlap, look "
        "at the comparison on the same faces before you call one better.",
        partial(draw.intervals, forest),
    )
    return Extra("Figures", _notes(models), {"figures.csv": table}, (plan,))


def _notes(models: Sequence[Reported]) -> tuple[str, ...]:
    """What is to be said of figures, each remark once, with the classes and the models that it is of."""
    of: dict[str, list[str]] = {}  # remark -> models
    for each in models:
        for note in each.evaluation.notes:
            of.setdefault(note.rstrip("."), []).append(each.name)
    classes: dict[tuple[str, str, str], list[str]] = {}  # figure, what of it, models -> classes
    for note, names in of.items():
        metric, _, rest = note.partition(" ")
        what, _, label = metric.partition("_")
        known = any(label in each.evaluation.label_set for each in models)
        key = (what if known else metric.replace("_", " "), rest, f" ({', '.join(names)})" if len(models) > 1 else "")
        classes.setdefault(key, []).extend([label] if known else [])
    return tuple(
        sentence(f"{what}{' of ' + ', '.join(labels) if labels else ''} {rest}{names}")
        for (what, rest, names), labels in classes.items()
    )


def _training(models: Sequence[Reported]) -> Extra:
    trained = [each for each in models if each.settings or each.card]
    keys = [key for key in _SETTINGS if any(key in each.settings for each in trained)]
    rows = [(key, *(_plain(each.settings.get(key, "")) for each in trained)) for key in keys]
    rows = [row for row in rows if any(row[1:])]
    rows += [
        (name, *(make(each) for each in trained))
        for name, make in (
            ("parameters", lambda each: many(each.card.parameters) if each.card else ""),
            ("multiply-accumulates a face", lambda each: many(each.card.macs) if each.card else ""),
            ("learnt from", lambda each: each.card.data if each.card else ""),
            ("data (sha256)", lambda each: str(each.versions.get("data", ""))[:12]),
            ("commit", lambda each: str(each.versions.get("commit") or "")[:12]),
            ("python, torch", _software),
        )
        if any(make(each) for each in trained)
    ]
    table = TableView(("setting", *(each.name for each in trained)), tuple(rows), "What was trained on what, and how.")
    plans = tuple(
        Plan(
            f"curves-{k}",
            f"Training of {each.name}",
            "Loss and accuracy of each epoch, on training faces as they were changed and on the valid split as it is; "
            "the line marks the epoch that was selected.",
            partial(training_curves, each.log),
            " ".join(map(sentence, each.diagnosis)),
        )
        for k, each in enumerate(models)
        if each.log
    )
    return Extra("Training", (), {"training.csv": table} if trained else {}, plans)


def _software(each: Reported) -> str:
    packages = each.versions.get("packages", {})
    return ", ".join(filter(None, (each.versions.get("python", ""), packages.get("torch", ""))))


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(each)}" for key, each in value.items() if each not in (0, 0.0, "", [], False))
    if isinstance(value, list | tuple):
        return " ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _classes(models: Sequence[Reported]) -> Extra:
    tables, plans = {}, []
    labels = models[0].evaluation.label_set.labels
    same = [each for each in models if each.evaluation.label_set.labels == labels]
    readings = {
        "recall": "Of the faces of a class, the share that was found.",
        "precision": "Of the faces that were taken for a class, the share that belongs to it.",
    }
    for what, reading in readings.items():
        figures = {e.name: [e.evaluation.metrics[f"{what}_{label}"] for label in labels] for e in same}
        title = f"{what.capitalize()} of each class"
        plans.append(Plan(what, title, reading, partial(draw.by_class, figures, labels)))
    for k, each in enumerate(models):
        e = each.evaluation
        rows = [
            (label, *(shown(e.metrics.get(f"{what}_{label}"), share=True) for what in ("precision", "recall", "f1")),
             many(e.confusion[row].sum()))
            for row, label in enumerate(e.label_set)
        ]  # fmt: skip
        header = ("class", "precision", "recall", "F1", "faces")
        tables[f"classes-{k}.csv"] = TableView(header, tuple(rows), f"{each.name}, class by class.")
        plans.append(
            Plan(
                f"confusion-{k}",
                f"Confusion of {each.name}",
                "Each row holds the faces of one label: the share of them that was taken for each class, and how many "
                "they are. The diagonal is what was right.",
                partial(draw.confusion, e.confusion, e.label_set.labels),
                _most_confused(e),
            )
        )
    return Extra("Classes", (), tables, tuple(plans))


def _most_confused(e: Evaluation) -> str:
    rates = e.confusion / np.maximum(1, e.confusion.sum(1, keepdims=True))
    np.fill_diagonal(rates, 0)
    row, column = np.unravel_index(int(rates.argmax()), rates.shape)
    if not rates[row, column]:
        return ""
    names = e.label_set.labels
    return f"Most often confused: {100 * rates[row, column]:.0f} % of {names[row]} is taken for {names[column]}."


def _scores(models: Sequence[Reported]) -> Extra:
    """What the probabilities are worth, not the top class alone."""
    labels = models[0].evaluation.label_set.labels
    roc: dict[str, list[draw.Line]] = {label: [] for label in labels}
    for each in models:
        for curve in each.evaluation.curves.roc:
            if curve.label in roc and len(curve.true_positive_rate):
                x, y = _thinned(curve.false_positive_rate, curve.true_positive_rate)
                roc[curve.label].append(draw.Line(each.name, x, y))
    roc = {label: lines for label, lines in roc.items() if len(lines) == len(models)}
    reliability, coverage = [], []
    for each in models:
        bins, answered = each.evaluation.curves.reliability, each.evaluation.curves.coverage
        full = bins.n > 0
        reliability.append(
            draw.Line(each.name, bins.confidence[full], bins.accuracy[full], bins.n[full].astype(np.float64))
        )
        coverage.append(draw.Line(each.name, *_thinned(answered.coverage, answered.accuracy)))
    plans = [
        Plan(
            "reliability",
            "Reliability",
            "Faces in bins of how sure the model is; a larger disc holds more of them. On the dotted line it is right "
            "as often as it says; below it, it is too sure.",
            partial(draw.reliability, reliability),
        ),
        Plan(
            "coverage",
            "Accuracy where the model may abstain",
            "From the right to the left, the model leaves ever more faces unanswered, the least sure first. A steep "
            "rise means that it knows when it does not know.",
            partial(draw.coverage, coverage),
            _half(models),
        ),
    ]
    if roc:
        plans.insert(
            0,
            Plan(
                "roc",
                "ROC curves, each class against the rest",
                "How many faces of a class are found, against how many others are taken for it, for every threshold. "
                "The dotted line is chance.",
                partial(draw.roc, roc),
            ),
        )
    return Extra("Scores and confidence", (), {}, tuple(plans))


def _thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """A curve by as many points as a figure can show."""
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), _POINTS)).round().astype(int))
    return x[kept], y[kept]


def _half(models: Sequence[Reported]) -> str:
    """What is gained where half of the faces go unanswered."""
    said = []
    for each in models:
        curve = each.evaluation.curves.coverage
        place = int(np.searchsorted(curve.coverage, 0.5))
        if place < len(curve.accuracy):
            said.append(f"{each.name} {100 * curve.accuracy[place]:.1f} %")
    return f"On the surer half of the faces: {', '.join(said)}." if said else ""


def _robustness(models: Sequence[Reported]) -> Extra:
    plans = []
    heads = dict.fromkeys(cell.head for each in models for cell in each.robustness)
    for head in heads:
        tables = {each.name: [c for c in each.robustness if c.head == head] for each in models}
        tables = {name: cells for name, cells in tables.items() if cells}
        means = "; ".join(f"{n} {100 * np.mean([c.relative for c in cells]):.1f} %" for n, cells in tables.items())
        plans.append(
            Plan(
                f"robustness-{head or 'head'}",
                f"Robustness{f', head {head}' if head else ''}",
                "Faces changed in a way a row, ever more to the right: above, the share of the clean accuracy that is "
                "left, in percent; below, the strength.",
                partial(draw.robustness, tables),
                f"On average over all cells: {means}.",
            )
        )
    return Extra("Robustness", (), {}, tuple(plans))


def _cards(models: Sequence[Reported]) -> Extra:
    tables = {
        f"card-{k}.csv": TableView(("of the model", ""), tuple(each.card.describe()), f"Card of {each.name}.")
        for k, each in enumerate(models)
        if each.card
    }
    return Extra("Model cards", (), tables)


def _commands(models: Sequence[Reported]) -> Extra:
    rows = []
    for each in models:
        command = each.card.train.get("command") if each.card else None
        if command:
            rows.append((each.name, str(command)))
    return Extra("Commands", (), {"commands.csv": TableView(("model", "made by"), tuple(rows))} if rows else {})
