"""What a study is: tables, trainings on them, and which of these are held against each other; read from a TOML file."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mien.core.errors import UsageError

FOLDER = Path(__file__).resolve().parent
DATA, WILD = "data", "wild"  # what tables begin with: --data, and the photographs of --wild


@dataclass(frozen=True)
class TableSpec:
    """A table of faces.

    Attributes:
        name: of its file.
        of: `DATA`, `WILD`, or a table before it.
        subset: settings of `mien.subset`; its `exclude` names tables before it. Empty: the table as it is.
        only: the one label source that is kept; "" keeps all.
    """

    name: str
    of: str = DATA
    subset: Mapping[str, Any] = field(default_factory=dict)
    only: str = ""


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        name: as results show it.
        preset, changes: as `mien.train` takes them.
        weights: ``"EXPERIMENT/ARM"`` whose first run it begins with; "" begins anew.
        head: whose answers are judged; "" for that of the experiment.
    """

    name: str
    preset: str | None = None
    changes: tuple[str, ...] = ()
    weights: str = ""
    head: str = ""


@dataclass(frozen=True)
class Experiment:
    """Arms that are held against the first of them.

    Attributes:
        name, title: of the results.
        arms: the first is the one that others are held against; one alone is not shown, others begin with it.
        table: that all learn from. seeds: runs of each arm.
        judged, split, head: the table and the part of it that figures are of, and by which labels; "" is the table
            that was learnt from.
        runs_of: an experiment before it whose runs are judged once more, on other faces; it trains nothing.
        by_class, costs: show the recall of each class; parameters, arithmetic and speed.
    """

    name: str
    title: str
    arms: tuple[Arm, ...]
    table: str
    seeds: int = 1
    judged: str = ""
    split: str = "valid"
    head: str = ""
    runs_of: str = ""
    by_class: bool = False
    costs: bool = False


@dataclass(frozen=True)
class Study:
    """One question to the data.

    Attributes:
        name: of its file and its results. title, question: as the page shows them.
        published: what others have found.
        meaning: what the figures say, in sentences; written once they are there.
        tables, experiments: in the order in which they are made.
    """

    name: str
    title: str
    question: str
    published: str
    meaning: tuple[str, ...]
    tables: tuple[TableSpec, ...]
    experiments: tuple[Experiment, ...]

    @property
    def needs_wild(self) -> bool:
        """Whether photographs are needed beside the data set."""
        return any(each.of == WILD for each in self.tables)


def names() -> list[str]:
    """All studies there are."""
    return sorted(each.stem for each in FOLDER.glob("*.toml"))


def read_study(name: str, folder: Path = FOLDER) -> Study:
    """The study of that name.

    Raises:
        UsageError: there is none, or it names tables or experiments that do not come before.
    """
    path = folder / f"{name}.toml"
    if not path.exists():
        raise UsageError(f"expected a study out of {', '.join(names())}, got {name!r}")
    raw = tomllib.loads(path.read_text("utf-8"))
    tables = tuple(TableSpec(**each) for each in raw["tables"])
    _expect_known([(each.name, [each.of, *each.subset.get("exclude", [])]) for each in tables], (DATA, WILD))
    experiments: dict[str, Experiment] = {}
    for each in raw["experiments"]:
        experiments[each["name"]] = _experiment({**raw.get("defaults", {}), **each}, experiments)
    found = tuple(experiments.values())
    known = [each.name for each in tables]
    for one in found:
        _expect_known([(one.name, [one.table, *filter(None, [one.judged])])], known)
    _expect_known(_weights(found))
    about = {key: raw.get(key, "").strip() for key in ("title", "question", "published")}
    return Study(name, **about, meaning=tuple(raw.get("meaning", ())), tables=tables, experiments=found)


def _experiment(raw: Mapping[str, Any], before: Mapping[str, Experiment]) -> Experiment:
    own = {key: value for key, value in raw.items() if key not in ("arms", "preset", "set")}
    if "runs_of" in raw:
        if raw["runs_of"] not in before:
            raise UsageError(f"expected an experiment before {raw['name']} as runs_of, got {raw['runs_of']!r}")
        judged = before[raw["runs_of"]]
        return Experiment(**{"table": judged.table, "seeds": judged.seeds, **own}, arms=judged.arms)
    return Experiment(**own, arms=tuple(_arm(each, raw) for each in raw["arms"]))


def _arm(raw: Mapping[str, Any], experiment: Mapping[str, Any]) -> Arm:
    changes = (*experiment.get("set", ()), *raw.get("set", ()))
    preset = raw.get("preset", experiment.get("preset"))
    return Arm(raw["name"], preset, changes, raw.get("weights", ""), raw.get("head", ""))


def _weights(experiments: Sequence[Experiment]) -> list[tuple[str, list[str]]]:
    """Each arm with what it begins from."""
    return [
        (f"{each.name}/{arm.name}", [arm.weights] if arm.weights else [])
        for each in experiments
        if not each.runs_of
        for arm in each.arms
    ]


def _expect_known(named: Sequence[tuple[str, Sequence[str]]], known: Sequence[str] = ()) -> None:
    there = list(known)
    for name, needed in named:
        missing = [each for each in needed if each not in there]
        if missing:
            raise UsageError(f"expected what {name} needs to come before it, got {missing[0]!r}")
        there.append(name)
