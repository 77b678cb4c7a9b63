"""`mien predict --engine ray`: the same rows, made on a cluster, as a folder of Parquet parts with a manifest."""

import functools
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from mien.core import stores
from mien.core.errors import UsageError
from mien.core.files import printable
from mien.core.optional import require
from mien.pipeline.distributed.cluster import Cluster, joined
from mien.pipeline.distributed.division import Input, clip_input, divided, read_ranges, write_inputs
from mien.pipeline.distributed.predict import Prediction
from mien.pipeline.distributed.result import Folder, Result, begin
from mien.pipeline.distributed.work import Work
from mien.pipeline.sinks import WRITERS
from mien.pipeline.sources import Contents, Found, Skipped, check, expand
from mien.verbs.predict_config import PredictConfig, PredictResult, Step, Tell
from mien.zoo.store import weights_of

Sources = Sequence[str | os.PathLike[str]]
Records = dict[int, dict[str, Any]]


def predict_distributed(sources: Sources, config: PredictConfig, *, tell: Tell | None = None) -> PredictResult:
    """As `mien.predict`, which calls it; see there."""
    folder = _folder(config)
    labels = replace(config, device="cpu").recognizer(threads=1).label_set  # what is wrong with it is said at once
    plan = _plan(sources, config)
    result, manifest = begin(folder, plan, resume=config.resume, overwrite=config.overwrite)
    skipped = Skipped(clips=True)
    if manifest and manifest["complete"]:
        records = {part["part"]: part for part in manifest["parts"]}
    else:
        records = _worked(sources, config, result, manifest, skipped, tell)
    counts = {name: sum(each[name] for each in records.values()) for name in ("pictures", "faces", "clips", "frames")}
    failed = {source: error for _, each in sorted(records.items()) for source, error in each["failed"].items()}
    line = str(skipped) if skipped.total else ""
    return PredictResult(
        failed=failed,
        skipped=line,
        rows=(),
        label_set=labels,
        out=folder.where if folder.stored else Path(folder.where),
        **counts,
    )


def _folder(config: PredictConfig) -> Folder:
    """Where the parts go; says what this engine does not do."""
    if config.out is None:
        raise UsageError("expected --out FOLDER beside --engine ray, for the parts of the table, got none")
    for name in ("annotate", "report", "explain"):
        if getattr(config, name):
            raise UsageError(f"expected rows alone of --engine ray, got --{name}: leave it out, or the engine")
    if config.workers is not None:
        raise UsageError(
            f"expected no --workers beside --engine ray, for the cluster says how many there are, got {config.workers}"
        )
    out = os.fspath(config.out)
    if Path(out).suffix.lower() in WRITERS:
        raise UsageError(f"expected a folder for the parts of --engine ray, got --out {out}: leave out its ending")
    for package, extra in (("pyarrow", "data"), ("ray", "distributed")):
        require(package, extra=extra)
    return Folder.at(out)


def _plan(sources: Sources, config: PredictConfig) -> dict[str, Any]:
    """What decides the rows. Parts hold the final ones, so what a second pass does belongs to it."""
    names = [printable(os.fspath(each)) for each in sources]
    second = {name: getattr(config, name) for name in ("smooth", "abstain")}
    baseline = None if config.baseline is None else list(config.baseline)
    first = {name: value for name, value in config.plan.items() if name not in ("annotate", "explain", "threads")}
    weights = hashlib.sha256(weights_of(config.model, variant=config.variant)).hexdigest()
    return {**first, "sha256 of the weights": weights, **second, "baseline": baseline, "sources": names}


def _worked(
    sources: Sources,
    config: PredictConfig,
    result: Result,
    manifest: Mapping[str, Any] | None,
    skipped: Skipped,
    tell: Tell | None,
) -> Records:
    """Do what is not done yet. Returns the records of all parts."""
    counts = manifest["inputs"] if manifest else None
    contents = (
        Contents(counts["photographs"], counts["clips"]) if counts else check(sources, clips=True, stored_clips=True)
    )
    if contents.clips:
        require("scipy.optimize", extra="video")
    with joined(device=config.device) as cluster:
        what = _prediction(sources, config, result, clips=contents.clips > 0)
        if counts is None:
            counts = _listed(sources, contents, what, cluster, skipped)
        total = counts["photographs"] + counts["clips"]
        work = Work(result, counts, lambda part: tell(Step((), total, part["inputs"])) if tell else None)
        work.known(manifest["parts"] if manifest else ())
        _done(work, cluster, what)
    return work.records


def _prediction(sources: Sources, config: PredictConfig, result: Result, *, clips: bool) -> Prediction:
    paths = [*sources, result.folder.where, *([config.model] if os.path.exists(config.model) else [])]
    return Prediction(
        result=result,
        recognizer=functools.partial(config.recognizer, threads=1),
        sampling=config.sampling,
        second_pass=config.second_pass,
        abstain=config.abstain,
        time_limit=config.time_limit,
        clips=clips,
        here="" if all(map(stores.is_address, paths)) else os.getcwd(),
    )


def _listed(
    sources: Sources, contents: Contents, what: Prediction, cluster: Cluster, skipped: Skipped
) -> dict[str, int]:
    """Divide the inputs into parts, and list them in the result's folder. Returns how many there are."""

    def found() -> Iterator[Found]:
        return expand(sources, skipped=skipped, clips=True, stored_clips=True)

    lengths: dict[int, tuple[int, float]] = {}
    if contents.clips:
        clips = [
            {"number": number, "source": each.source}
            for number, each in enumerate(found())
            if each.clip and not each.error
        ]
        for seen in cluster.run(clips, what.look):
            lengths[seen["number"]] = seen["frames"], seen["fps"]
        skipped.suffixes.clear()
    inputs = (
        clip_input(each, *lengths[number], what.sampling) if number in lengths else Input(each)
        for number, each in enumerate(found())
    )
    frames = sum(clip_input(Found(""), *length, what.sampling).weight for length in lengths.values())
    ranges = write_inputs(what.result.folder, divided(inputs, contents.photographs + frames))
    counts = {**asdict(contents), "parts": len(ranges)}
    what.result.record(counts, (), complete=False)
    return counts


def _done(work: Work, cluster: Cluster, what: Prediction) -> None:
    """Have the missing parts made; first the ranges of long clips, for their parts build on them."""
    ranges = read_ranges(what.result.folder, work.counts["parts"])
    missing = work.missing()
    first = [
        {"part": number} if ranges[number] == 1 else {"part": number, "range": k}
        for number in missing
        for k in range(ranges[number])
    ]
    second = [{"part": number} for number in missing if ranges[number] > 1]
    with work.going_on():
        for tasks in (first, second):
            work.take(cluster.run(tasks, what.make))
    work.finish()
