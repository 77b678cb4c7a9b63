"""Make the shipped models: train, distil, join, export, measure, write the cards, put the files in place.

    python scripts/ship.py --data ferplus=DIR --wild FOLDER --work runs/ship [--max-minutes 60]
    python scripts/ship.py --work runs/ship --status

`make ship DATA=ferplus=DIR WILD=FOLDER` does the same. The stages stand in `scripts/ship.toml`; each is a run folder in
WORK. Whatever is finished is left alone, and a training goes on after its last finished epoch: call it again until it
says that all is in place. `--max-minutes` ends a call at the last epoch boundary before that time. A finished run from
elsewhere takes the place of a stage with `--run NAME=FOLDER`.

FOLDER of photographs is that of `scripts/choose_crop.py`; its half b, on which nothing was chosen, gives the card's
figure for whole photographs.
"""

import argparse
import shutil
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from choose_crop import interval_by_person, read_photographs, right

from mien.core.epochs import read_epochs
from mien.core.errors import MienError, UsageError
from mien.core.files import make_folder, replacing
from mien.core.toml import to_toml
from mien.datasets import open_data
from mien.datasets.table import Table
from mien.evaluation.metrics import Estimate, wilson
from mien.runtime.card import Card, Figure
from mien.training.config import load_config
from mien.verbs.evaluate import evaluate
from mien.verbs.join import join
from mien.verbs.robustness import measure_robustness
from mien.verbs.train import train
from mien.zoo.store import CLONE, RUN_CARD, WEIGHTS, load_classifier, verify

RECIPE = Path(__file__).with_suffix(".toml")
PLACES = {"package": WEIGHTS, "models": CLONE / "models"}
LOGS = CLONE / "docs" / "runs"
SUFFIXES = {"float16": ".onnx", "int8": ".int8.onnx"}
MEASURED = "shipped.toml"  # the complete card, in the run folder
WITHOUT_COPIES = "accuracy_without_train_duplicates"


@dataclass(frozen=True)
class Stage:
    """One training, or several joined, and where the model goes.

    Attributes:
        name: of its run folder.
        preset, changes: as `mien train` takes them.
        teachers: stages before it that it learns from.
        begins_from: a stage before it whose weights it begins with, or "".
        join: stages before it whose mean it is, instead of a training.
        title: of a joined model.
        place: out of `PLACES`, or "" for a model that is not shipped.
    """

    name: str
    preset: str | None = None
    changes: tuple[str, ...] = ()
    teachers: tuple[str, ...] = ()
    begins_from: str = ""
    join: tuple[str, ...] = ()
    title: str = ""
    place: str = ""


@dataclass(frozen=True)
class Recipe:
    """The stages in order, and the subsets of classes to measure on, by name."""

    stages: tuple[Stage, ...]
    restricted: Mapping[str, Sequence[str]]


class Clock:
    """What is left of a call's time."""

    def __init__(self, minutes: float | None) -> None:
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    def left(self) -> float | None:
        """Minutes, None without a limit."""
        return None if self._end is None else (self._end - time.monotonic()) / 60

    def allows(self, seconds: float) -> bool:
        """Whether something that takes so long still fits."""
        left = self.left()
        return left is None or 60 * left >= seconds


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file; `like` names a stage whose settings another one takes over."""
    raw = tomllib.loads(path.read_text("utf-8"))
    stages: dict[str, Stage] = {}
    for each in raw["stages"]:
        model = stages[each["like"]] if "like" in each else Stage(each["name"])
        teachers, joined, place = tuple(each.get("teachers", ())), tuple(each.get("join", ())), each.get("place", "")
        first = each.get("begins_from", "")
        unknown = [name for name in (*teachers, *joined, first) if name and name not in stages]
        if unknown or place not in ("", *PLACES):
            raise UsageError(
                f"expected stages before {each['name']} as its teachers, parts and beginning and a place out of "
                f"{', '.join(PLACES)}, got {', '.join(unknown) or place}"
            )
        changes = (*model.changes, *as_changes(each.get("settings", {})), *each.get("set", ()))
        preset, title = each.get("preset", model.preset), each.get("title", "")
        stages[each["name"]] = Stage(each["name"], preset, changes, teachers, first, joined, title, place)
    return Recipe(tuple(stages.values()), raw.get("restricted", {}))


def as_changes(settings: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Nested settings as ``--set`` takes them.

    >>> as_changes({"epochs": 3, "augment": {"flip": 0.0}})
    ['epochs = 3', 'augment.flip = 0.0']
    """
    changes = []
    for key, value in settings.items():
        nested = isinstance(value, Mapping)
        changes += as_changes(value, f"{prefix}{key}.") if nested else [prefix + to_toml({key: value}).strip()]
    return changes


# ------------------------------------------------------------------------------------------------------------- training


def changes_of(stage: Stage, work: Path) -> list[str]:
    """What `--set` is told for a stage."""
    taught = [f"teachers={[(work / each).as_posix() for each in stage.teachers]}"] if stage.teachers else []
    begun = [f"weights='{(work / stage.begins_from).as_posix()}'"] if stage.begins_from else []
    return [f"name='{stage.name}'", *stage.changes, *begun, *taught]


def make_stage(stage: Stage, data: str, work: Path, clock: Clock) -> bool:
    """Begin or go on; whether the run is finished now."""
    run = work / stage.name
    if stage.join:
        shutil.rmtree(run, ignore_errors=True)  # what a call that was broken off left
        join([work / each for each in stage.join], data=data, out=run, name=stage.name, title=stage.title)
        return True
    rows = read_epochs(run / "metrics.csv")
    if not clock.allows(float(rows[-1]["seconds"]) if rows else 1):
        return False
    result = train(
        data,
        out=run,
        resume=(run / "versions.json").exists(),
        max_minutes=clock.left(),
        tell=lambda row: print(f"{stage.name}: epoch {row['epoch']}, selection {row['selection']:.4f}", flush=True),
        preset=stage.preset,
        changes=changes_of(stage, work),
    )
    return result.finished


# ------------------------------------------------------------------------------------------------------------ measuring


def measure(stage: Stage, recipe: Recipe, table: Table, wild: Path, run: Path) -> Card:
    """The complete card of a finished run: names, figures, robustness; also written into the run folder."""
    verify(run)
    card = Card.load(run / RUN_CARD)
    files = {name: replace(each, file=stage.name + SUFFIXES[name]) for name, each in card.files.items()}
    classifier = load_classifier(run)
    figures = [*card.figures, *_on_the_data(card, table, run, recipe.restricted), *_on_photographs(card, wild, run)]
    head = card.default_head
    valid = table.of_split("valid")
    changed = measure_robustness(classifier, valid.images, valid.source(head).ids, head=head)
    cells = tuple(
        replace(each, accuracy=round(each.accuracy, 5), relative=round(each.relative, 5)) for each in changed.cells
    )
    made = {**card.train, "command": _command(stage)}
    card = replace(card, name=stage.name, files=files, figures=tuple(figures), robustness=cells, train=made)
    with replacing(run / MEASURED) as partial:
        partial.write_text(card.dump(), "utf-8", newline="\n")
    return card


def _command(stage: Stage) -> str:
    if stage.join:
        return f"mien join {' '.join(stage.join)} --data DATA --name {stage.name} --out RUN"
    taught = f' --set "teachers={list(stage.teachers)}"' if stage.teachers else ""
    begun = [f"weights='{stage.begins_from}'"] if stage.begins_from else []
    said = "".join(f" --set '{each}'" if '"' in each else f' --set "{each}"' for each in (*stage.changes, *begun))
    return f"mien train --data DATA --preset {stage.preset}{said}{taught} --out RUN"


def _on_the_data(card: Card, table: Table, run: Path, restricted: Mapping[str, Sequence[str]]) -> list[Figure]:
    """Without images that stand in train, for each head; and on some classes of the FER2013 head only."""
    figures = []
    for head in card.heads:
        evaluation = evaluate(run, data=table, head=head).evaluations[0]
        about = evaluation.predictions.meta
        if WITHOUT_COPIES in evaluation.metrics:
            found = evaluation.metrics[WITHOUT_COPIES]
            rule = f"{about['rule']}, without images that stand in train"
            figures.append(_figure(card, about["data"], "valid", head, found.n or 0, found, rule))
        labelled = evaluation.predictions.labelled()
        for name, labels in restricted.items() if head == "fer2013" else ():
            columns = np.array([labelled.label_set.index(each) for each in labels])
            among = np.isin(labelled.label_ids, columns)
            top = columns[labelled.probabilities[among][:, columns].argmax(1)]
            found = wilson(int((top == labelled.label_ids[among]).sum()), int(among.sum()))
            figures.append(
                _figure(card, about["data"], "valid", head, int(among.sum()), found, f"{name}: {', '.join(labels)}")
            )
    return figures


def _on_photographs(card: Card, wild: Path, run: Path) -> list[Figure]:
    classifier, figures = load_classifier(run), []
    photographs = [each for each in read_photographs(wild, "mtcnn") if each.half == "b"]
    for head in card.heads:
        hits = right(photographs, classifier, head, card.crop)
        low, high = interval_by_person(photographs, hits)
        found = Estimate(float(hits.mean()), low, high)
        rule = (
            "largest face that MTCNN finds, all labels of the head; none found counts as wrong; interval over persons"
        )
        figures.append(_figure(card, "wild", "half b", head, len(hits), found, rule))
    return figures


def _figure(card: Card, data: str, split: str, head: str, n: int, found: Estimate, rule: str) -> Figure:
    value, low, high = (round(each, 5) for each in (found.value, found.low, found.high))
    return Figure(data, split, head, n, "accuracy", value, low, high, rule, card.default_file)


# ------------------------------------------------------------------------------------------------------------- in place


def put(stage: Stage, run: Path) -> None:
    """Copy weights and card to where models are looked for, and the run's log to the documentation."""
    card, folder = Card.load(run / MEASURED), PLACES[stage.place]
    make_folder(folder)
    for name, file in Card.load(run / RUN_CARD).files.items():
        with replacing(folder / card.files[name].file) as partial:
            shutil.copyfile(run / file.file, partial)
    with replacing(_placed(stage)) as partial:
        shutil.copyfile(run / MEASURED, partial)
    told = (stage.begins_from,) if stage.begins_from else ()
    for part in (stage.name, *stage.join, *stage.teachers, *told):
        _keep_log(run.parent / part, LOGS / part)


def _keep_log(run: Path, log: Path) -> None:
    """Settings, versions and epochs of a run; a joined one has no epochs."""
    make_folder(log)
    for name in ("config.toml", "metrics.csv", "versions.json"):
        if (run / name).exists():
            with replacing(log / name) as partial:  # where the run lay is nobody's business
                partial.write_text((run / name).read_text("utf-8").replace(f"{run.parent.as_posix()}/", ""), "utf-8")


def _placed(stage: Stage) -> Path:
    return PLACES[stage.place] / f"{stage.name}.toml"


def is_made(run: Path) -> bool:
    """Whether a run is finished: a card without figures is one whose export or measurement was broken off."""
    return (run / RUN_CARD).exists() and bool(Card.load(run / RUN_CARD).figures)


def done(stage: Stage, run: Path) -> dict[str, bool]:
    """Which steps of a stage are finished, as the files say."""
    made = is_made(run)
    steps = {"join" if stage.join else "train": made}
    if stage.place:
        steps["measure"] = made and (run / MEASURED).exists()
        same = steps["measure"] and _placed(stage).exists()
        steps["place"] = same and _placed(stage).read_bytes() == (run / MEASURED).read_bytes()
    return steps


def status(recipe: Recipe, work: Path) -> str:
    """A line a stage."""
    lines = []
    for stage in recipe.stages:
        run = work / stage.name
        rows = read_epochs(run / "metrics.csv")
        best = max((float(row["selection"]) for row in rows), default=0)
        total = load_config(preset=stage.preset, changes=changes_of(stage, work)).epochs
        steps = ", ".join(f"{name} {'done' if ready else 'to do'}" for name, ready in done(stage, run).items())
        far = f"{' and '.join(stage.join)} joined" if stage.join else f"{len(rows)} of {total} epochs, best {best:.4f}"
        lines.append(f"{stage.name:12} {far}; {steps}")
    return "\n".join(lines)


def accept(recipe: Recipe, given: str, work: Path) -> None:
    """Let a finished run stand for a stage: copied, so that nothing of it changes."""
    name, _, folder = given.partition("=")
    if name not in [each.name for each in recipe.stages] or not (Path(folder) / "versions.json").exists():
        raise UsageError(f"expected --run NAME=FOLDER of a stage and a run, got {given!r}")
    if not (work / name).exists():
        shutil.copytree(folder, work / name)


def ship(recipe: Recipe, data: str, wild: Path, work: Path, clock: Clock) -> bool:
    """Go through the stages as far as the time reaches; whether all is in place."""
    table = open_data(data)
    for stage in recipe.stages:
        run = work / stage.name
        if not is_made(run) and not make_stage(stage, data, work, clock):
            return False
        if stage.place and not done(stage, run)["measure"]:
            measure(stage, recipe, table, wild, run)
        if stage.place and not done(stage, run)["place"]:
            put(stage, run)
    return True


def main(words: Sequence[str] | None = None) -> int:
    """Parse the command line, go on, say how far it came."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("runs/ship"), help="folder of the run folders")
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    parser.add_argument("--data", help="ferplus=DIR, or a prepared table")
    parser.add_argument("--wild", type=Path, help="folder of photographs")
    parser.add_argument("--run", action="append", default=[], metavar="NAME=FOLDER", help="a finished run of a stage")
    parser.add_argument("--max-minutes", type=float)
    parser.add_argument("--status", action="store_true", help="say how far it is, and do nothing")
    args = parser.parse_args(words)
    try:
        recipe = read_recipe(args.recipe)
        if args.status:
            print(status(recipe, args.work))
            return 0
        if args.data is None or args.wild is None:
            raise UsageError("expected --data and --wild, got one of them or none")
        for given in args.run:
            accept(recipe, given, args.work)
        ready = ship(recipe, args.data, args.wild, args.work, Clock(args.max_minutes))
    except MienError as error:
        print(error)
        return 2
    print(status(recipe, args.work))
    print("all models are in place" if ready else "not finished: run it again to go on")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
