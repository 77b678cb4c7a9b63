"""Run a study: make its tables, train what is not trained yet, measure, and write results and their page.

    python studies/run.py four-classes --data ferplus=DIR [--wild FOLDER] [--work runs/studies] [--max-minutes 60]
    python studies/run.py --status
    python studies/run.py --page

FOLDER has `labels.csv` (image, label, person, half) and `images/`; half b is judged. What is finished is left alone,
and a training goes on after its last finished epoch: call it again until it says that all is done. Results go into
`studies/results` as csv, their picture into `docs/images/studies`, and both into `docs/studies.md`, for which `--page`
needs no training. `--set threads=1` and the like go to every training.
"""

import argparse
import csv
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from measures import Measured, measure
from page import write_page, write_results
from study import DATA, WILD, Arm, Experiment, Study, TableSpec, names, read_study

import mien
from mien.core.errors import MienError, UsageError
from mien.core.files import file_name, make_folder
from mien.datasets import read_table, write_table
from mien.training.config import load_config
from mien.verbs.evaluate import evaluate
from mien.verbs.train import train

SIDE = 48  # pixels of the faces in photographs, as the nets of studies that are judged by them see faces


@dataclass(frozen=True)
class Place:
    """Where a study works, and with what.

    Attributes:
        data: spec of the data set. wild: folder of photographs, None if it is not at hand.
        work: folder of the study's tables and runs. changes: settings of all trainings. ends: seconds of the monotonic
            clock, None without a limit.
    """

    data: str
    wild: Path | None
    work: Path
    changes: tuple[str, ...] = ()
    ends: float | None = None

    @property
    def minutes_left(self) -> float | None:
        """Until the end."""
        return None if self.ends is None else (self.ends - time.monotonic()) / 60

    def table(self, name: str) -> Path:
        """The file of a table."""
        return self.work / f"{name}.parquet"


def run_study(study: Study, place: Place) -> bool:
    """Go on with a study; whether all of it is done, and its results are written."""
    make_folder(place.work)
    for spec in study.tables:
        if not place.table(spec.name).exists():
            make_table(spec, place)
    runs: dict[str, list[Path]] = {}
    for experiment, arm in trainings(study):
        key = f"{experiment.name}/{arm.name}"
        print(f"{study.name}: {key}", flush=True)
        found = train_arm(study, experiment, arm, place)
        if found is None:
            return False
        runs[key] = found
    results = [_measure(each, runs, place) for each in study.experiments if len(each.arms) > 1]
    write_results(study, results)
    return True


def trainings(study: Study) -> Iterator[tuple[Experiment, Arm]]:
    """What a study trains."""
    return ((each, arm) for each in study.experiments if not each.runs_of for arm in each.arms)


def make_table(spec: TableSpec, place: Place) -> None:
    """Write a table of a study; one that is there is whole."""
    out = place.table(spec.name)
    if spec.of == WILD:
        assert place.wild is not None
        listed = place.work / f"{spec.name}.csv"
        _list_photographs(place.wild, listed)
        mien.prepare(f"csv={listed}", out=out, size=SIDE, options={"images": place.wild / "images"})
        return
    source = place.data if spec.of == DATA else str(place.table(spec.of))
    settings = dict(spec.subset)
    if "exclude" in settings:
        settings["exclude"] = [place.table(each) for each in settings["exclude"]]
    if not spec.only:
        mien.subset(source, out=out, **settings)
        return
    whole = place.work / f"{spec.name}-all-labels.parquet"
    mien.subset(source, out=whole, overwrite=True, **settings)
    table = read_table(whole)
    write_table(replace(table, sources={spec.only: table.source(spec.only)}), out)


def _list_photographs(folder: Path, out: Path) -> None:
    """Half b as a csv data set."""
    with open(folder / "labels.csv", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["half"] == "b"]
    with open(out, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label", "subject", "split"])
        writer.writerows([row["image"], row["label"], row["person"], "test"] for row in rows)


def train_arm(study: Study, experiment: Experiment, arm: Arm, place: Place) -> list[Path] | None:
    """The finished runs of an arm, trained if need be; None where time is up before they are."""
    out = folder_of(study, experiment, arm, place.work)
    changes = [*arm.changes, *place.changes]
    if arm.weights:
        changes.append(f"weights='{_first_run(study, arm.weights, place.work).as_posix()}'")
    folders = runs_in(out, experiment)
    if all(_is_done(each) for each in folders):
        return folders
    if place.minutes_left is not None and place.minutes_left <= 0:
        return None
    result = train(
        str(place.table(experiment.table)),
        out=out,
        preset=arm.preset,
        changes=changes,
        seeds=experiment.seeds if experiment.seeds > 1 else None,
        resume=any((each / "versions.json").exists() for each in folders),
        max_minutes=place.minutes_left,
        tell=_say,
    )
    return folders if result.finished else None


def _say(row: Mapping[str, Any]) -> None:
    print(
        "  ", *(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items())
    )


def folder_of(study: Study, experiment: Experiment, arm: Arm, work: Path) -> Path:
    """Where an arm's runs are: those of the first arm that is trained in the same way."""
    for other, same in trainings(study):
        alike = (other.table, other.seeds, same.weights) == (experiment.table, experiment.seeds, arm.weights)
        if alike and load_config(preset=same.preset, changes=same.changes) == load_config(
            preset=arm.preset, changes=arm.changes
        ):
            return work / other.name / file_name(same.name)
    raise AssertionError(f"{experiment.name}/{arm.name} is not of {study.name}")


def runs_in(out: Path, experiment: Experiment) -> list[Path]:
    """The run folders of an arm: one a seed, as `mien.train` calls them."""
    return [out] if experiment.seeds == 1 else [out / f"seed-{k}" for k in range(experiment.seeds)]


def _first_run(study: Study, named: str, work: Path) -> Path:
    experiment, _, name = named.partition("/")
    found, arm = next((e, a) for e, a in trainings(study) if (e.name, a.name) == (experiment, name))
    return runs_in(folder_of(study, found, arm, work), found)[0]


def _is_done(run: Path) -> bool:
    return any(run.glob("*/metrics-valid.json"))


def _measure(experiment: Experiment, runs: dict[str, list[Path]], place: Place) -> Measured:
    trained = experiment.runs_of or experiment.name
    found: dict[str, tuple[list[Path], list[Path]]] = {}
    for arm in experiment.arms:
        folders = runs[f"{trained}/{arm.name}"]
        head = arm.head or experiment.head
        found[arm.name] = folders, [_predictions(each, experiment, head, place) for each in folders]
    return measure(experiment, found)


def _predictions(run: Path, experiment: Experiment, head: str, place: Place) -> Path:
    """The prediction table of a run that an experiment goes by, made if need be."""
    if not experiment.judged and experiment.split == "valid":
        return run / head / "predictions-valid.parquet"
    table = experiment.judged or experiment.table
    out = run / f"{head}-on-{table}"
    path = out / f"predictions-{experiment.split}.parquet"
    if not path.exists():
        evaluate(run, data=read_table(place.table(table)), split=experiment.split, head=head, out=out)
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: all is done; 1: time was up before."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="*", help=f"out of {', '.join(names())}; all if none is named")
    parser.add_argument("--data", help="the data set: ferplus=DIR")
    parser.add_argument("--wild", type=Path, help="folder of photographs")
    parser.add_argument("--work", type=Path, default=Path("runs/studies"), help="folder of tables and runs")
    parser.add_argument("--set", action="append", default=[], dest="changes", help="a setting of every training")
    parser.add_argument("--max-minutes", type=float, help="stop at an epoch boundary before this")
    parser.add_argument("--status", action="store_true", help="say what is done")
    parser.add_argument("--page", action="store_true", help="write docs/studies.md from the results that are there")
    given = parser.parse_args(arguments)
    try:
        studies = [read_study(name) for name in given.study or names()]
        if given.status:
            return _status(studies, given.work)
        if given.page:
            write_page()
            return 0
        if given.data is None:
            raise UsageError("expected --data ferplus=DIR, got none")
        for study in studies:
            if study.needs_wild and given.wild is None:
                raise UsageError(f"expected --wild FOLDER of photographs for the study {study.name}, got none")
        ends = None if given.max_minutes is None else time.monotonic() + 60 * given.max_minutes
        done = True
        for study in studies:
            place = Place(given.data, given.wild, given.work / study.name, tuple(given.changes), ends)
            done &= run_study(study, place)
        write_page()
        print("all is done" if done else "not all is done: call this again")
        return 0 if done else 1
    except MienError as error:
        print(error)
        return 2


def _status(studies: Sequence[Study], work: Path) -> int:
    for study in studies:
        for experiment, arm in trainings(study):
            out = folder_of(study, experiment, arm, work / study.name)
            folders = runs_in(out, experiment)
            done = sum(_is_done(each) for each in folders)
            print(f"{study.name}: {experiment.name}/{arm.name}: {done} of {len(folders)} runs")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
