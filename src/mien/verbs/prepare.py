"""`mien data prepare`: data sets as distributed in, one table of faces out."""

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mien.core import stores
from mien.core.errors import DataError, OutputError, UsageError
from mien.core.files import make_folder
from mien.core.optional import require
from mien.core.processors import available_processors, check_workers
from mien.core.registry import unknown
from mien.datasets import READERS, DataSet, LabelColumn, Table
from mien.datasets.dataset import PictureRows
from mien.datasets.labelmap import LabelMap
from mien.datasets.parquet import check_table_path
from mien.faces import DETECTORS, check_min_face
from mien.pipeline.cut import Form
from mien.pipeline.parts import Parts
from mien.pipeline.picture_workers import open_dataset
from mien.pipeline.prepare import MakeParts, Prepared, plan_of, prepare_table, rows_of
from mien.pipeline.recognizer import NO_DETECTOR
from mien.runtime.card import COLORS, CropGeometry
from mien.runtime.session import check_options
from mien.verbs.predict_config import check_engine
from mien.zoo.store import load_card

Tell = Callable[[int, int], None]

MODEL = "mien-s"  # whose geometry a face is cut with, unless told otherwise
SIZE = 112  # of faces out of photographs
MANY = 256  # pictures that are not in memory already, from which on they are read by processes that can be lost


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """What decides a table.

    Attributes:
        size: of a face in pixels; None: face crops as they are, and 112 out of photographs.
        color: gray or rgb; None: gray where all pictures are.
        detector: mtcnn, haar, dlib, or none (the face is the data set's own box, else all of the picture); for
            photographs alone.
        min_face: smaller faces are not looked for.
        device: auto, cpu or cuda, where faces are sought.
        scale, align: see `CropGeometry`; None: as the shipped model sees a face.
        splits: these alone; None: all there.
        options: of the readers, by name, or by ``"<data set>.<name>"`` for one of several data sets.
        label_map: a file that gives labels of all data sets common names, as a label source of its own.
        engine: local, or ray for many machines, which have to see the pictures under the same paths.
        workers: processes; None: one a processor for many pictures, else as many threads of this process, as with 0.
        time_limit: seconds that a process may take over a picture; then it is ended, and the row has an error.
        resume: go on with a table that was broken off. overwrite: replace one that exists, or begin it anew.
    """

    size: int | None = None
    color: str | None = None
    detector: str = "mtcnn"
    min_face: int = 40
    device: str = "auto"
    scale: float | None = None
    align: bool | None = None
    splits: Sequence[str] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    label_map: str | os.PathLike[str] | None = None
    engine: str = "local"
    workers: int | None = None
    time_limit: float = 120.0
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.size is not None and not 8 <= self.size <= 4096:
            raise UsageError(f"expected a size of 8 to 4096 pixels, got {self.size}")
        if self.color is not None and self.color not in COLORS:
            raise UsageError(unknown("color", self.color, list(COLORS)))
        if self.detector not in (*DETECTORS, NO_DETECTOR):
            raise UsageError(unknown("detector", self.detector, [*DETECTORS, NO_DETECTOR]))
        if self.scale is not None and not 0 < self.scale <= 10:
            raise UsageError(f"expected a scale above 0 and up to 10, got {self.scale}")
        check_engine(self.engine)
        check_workers(self.workers, self.time_limit)
        if self.engine == "ray" and self.workers is not None:
            raise UsageError(
                "expected no --workers beside --engine ray, for the cluster says how many there are, got "
                f"{self.workers}"
            )
        check_min_face(self.min_face)
        check_options(device=self.device)


@dataclass(frozen=True)
class PrepareResult:
    """What was written.

    Attributes:
        out: the table, or the folder of its parts. digest: its sha256, which runs save.
        faces: split -> number of images.
        labelled: label source -> split -> number of images that it labels. rules: label source -> in words.
        failed: id -> why there is no face; such rows are in the table without an image.
        notes: what whoever uses these data must know.
        mean, std: of each channel, in 0..1, over the train split (over all where there is none).
    """

    out: Path | str
    digest: str
    faces: dict[str, int]
    labelled: dict[str, dict[str, int]]
    rules: dict[str, str]
    failed: dict[str, str]
    notes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def prepare(
    data: str | Sequence[str],
    *,
    out: str | os.PathLike[str],
    config: PrepareConfig | None = None,
    tell: Tell | None = None,
    **changes: Any,
) -> PrepareResult:
    """Read data sets as they are distributed, find and cut out the faces, and write them as one table.

    What is done is kept beside `out` until all is: ``resume=True`` goes on where a run was broken off.

    Args:
        data: ``"fer2013=DIR"`` or another data set, or several that go into one table.
        out: a file name that ends in .parquet; with the engine ray also a folder or an address, for a table in parts.
        config: the settings; the defaults if None.
        tell: called with how many pictures are done, and how many there are to do.
        **changes: fields of `PrepareConfig` to set, such as ``size=48``.

    Returns:
        What is in the table. A picture that fails among others is a row with its error.

    Raises:
        UsageError, DataError: a data set or option is not known, or not as it should be, or no picture gives a face.
        OutputError: the table cannot be written, or parts of it are there and nothing says what to do with them.

    Example:
        >>> mien.prepare("ferplus=data/", out="ferplus.parquet").faces  # doctest: +SKIP
        {'train': 28709, 'valid': 3589, 'test': 3589}
    """
    config = replace(config or PrepareConfig(), **changes)
    in_parts = config.engine == "ray" and not os.fspath(out).endswith(".parquet")
    if in_parts:
        _expect_folder(out)
    else:
        check_table_path(out, overwrite=config.overwrite)
    sets = _open([data] if isinstance(data, str) else data, config)
    if config.label_map is not None:
        sets = _with_common_labels(sets, LabelMap.load(config.label_map))
    form, rows = _form(sets, config), rows_of(sets)
    if in_parts:
        return _result(_in_parts(sets, rows, form, os.fspath(out), config, tell), os.fspath(out), sets)
    out = Path(out)
    make_folder(out.parent)
    parts = Parts(out, plan_of(sets, form))
    make = _on_cluster(config) if config.engine == "ray" else None
    parts.begin(resume=config.resume, overwrite=config.overwrite)
    workers = config.workers or available_processors()
    many = sum(len(each) for each in sets if not isinstance(each.pictures, PictureRows)) >= MANY
    time_limit = config.time_limit if config.workers or (config.workers is None and many) else None
    prepared = prepare_table(
        sets, rows, form, parts, workers=workers, time_limit=time_limit, device=config.device, tell=tell, make=make
    )
    return _result(prepared, out, sets)


def _on_cluster(config: PrepareConfig) -> MakeParts:
    from mien.pipeline.distributed.prepare import make_parts

    require("ray", extra="distributed")
    return functools.partial(make_parts, device=config.device, time_limit=config.time_limit)


def _expect_folder(out: str | os.PathLike[str]) -> None:
    """See whether parts may be written there, before any data set is read."""
    for package, extra in (("pyarrow", "data"), ("ray", "distributed")):
        require(package, extra=extra)
    from mien.pipeline.distributed.result import Folder

    Folder.at(os.fspath(out))
    if not stores.is_address(out) and Path(out).suffix.lower() in (".csv", ".json", ".jsonl"):
        raise OutputError(f"expected TABLE.parquet, or a folder for its parts, got {out}")


def _in_parts(
    sets: Sequence[DataSet], rows: Table, form: Form, out: str, config: PrepareConfig, tell: Tell | None
) -> Prepared:
    from mien.verbs.prepare_distributed import prepare_parts

    if not len(rows):
        raise DataError(f"expected pictures in {', '.join(str(each.root) for each in sets)}, got none")
    return prepare_parts(
        sets,
        rows,
        form,
        out,
        device=config.device,
        time_limit=config.time_limit,
        resume=config.resume,
        overwrite=config.overwrite,
        tell=tell,
    )


def _open(specs: Sequence[str], config: PrepareConfig) -> list[DataSet]:
    if not specs:
        raise UsageError("expected a data set as NAME=ROOT, got none")
    names = [spec.partition("=")[0] for spec in specs]
    for key in config.options:
        if "." in key and key.partition(".")[0] not in names:
            raise UsageError(f"expected an option of {', '.join(names)}, got {key!r}")
    return [
        open_dataset(spec, splits=config.splits, options=_options(name, config))
        for name, spec in zip(names, specs, strict=True)
    ]


def _options(name: str, config: PrepareConfig) -> dict[str, Any]:
    """The options of one reader: those for all, then those for it alone."""
    options = {key: value for key, value in config.options.items() if "." not in key}
    for key, value in config.options.items():
        if key.startswith(f"{name}."):
            options[key.removeprefix(f"{name}.")] = value
    takes_map = name in READERS and "label_map" in inspect.signature(READERS[name]).parameters
    if config.label_map is not None and takes_map:
        options.setdefault("label_map", config.label_map)  # it may not understand the labels without
    return options


def _with_common_labels(sets: Sequence[DataSet], label_map: LabelMap) -> list[DataSet]:
    """The data sets with a label source whose classes are the same in all: their main one under new names."""
    main = [
        next((name for name in (label_map.name, each.name, *each.sources) if name in each.sources), "") for each in sets
    ]
    # What a reader has mapped already keeps its names.
    maps = [LabelMap(label_map.name) if source == label_map.name else label_map for source in main]
    into = label_map.label_set(
        names.rename(label, each.name, source)
        for each, source, names in zip(sets, main, maps, strict=True)
        if source
        for label in each.sources[source].label_set
    )
    return [
        _with_labels(each, into.name, names.apply(each.sources[source], each.name, source, into=into))
        if source
        else each
        for each, source, names in zip(sets, main, maps, strict=True)
    ]


def _with_labels(data: DataSet, name: str, column: LabelColumn) -> DataSet:
    others = {source: each for source, each in data.sources.items() if source != name}
    return replace(data, sources={name: column, **others})


def _form(sets: Sequence[DataSet], config: PrepareConfig) -> Form:
    """The settings, with what follows from the data where nothing is said."""
    photographs = any(not each.faces for each in sets)
    if config.size is None and photographs and any(each.faces for each in sets):
        raise UsageError("expected --size PX where face crops and photographs go into one table, got none: name one")
    return Form(
        size=config.size or (SIZE if photographs else None),
        color=config.color or ("gray" if all(each.gray for each in sets) else "rgb"),
        detector=config.detector if photographs else NO_DETECTOR,
        min_face=config.min_face,
        crop=_geometry(config) if photographs else None,
    )


def _geometry(config: PrepareConfig) -> CropGeometry:
    crop = load_card(MODEL).crop
    if config.scale is not None:
        crop = replace(crop, scale=config.scale)
    return crop if config.align is None else replace(crop, align=config.align)


def _result(prepared: Prepared, out: Path | str, sets: Sequence[DataSet]) -> PrepareResult:
    rows = prepared.rows
    masks = {split: rows.split == split for split in rows.splits}
    return PrepareResult(
        out=out,
        digest=prepared.digest,
        faces={split: int(np.count_nonzero(mask)) for split, mask in masks.items()},
        labelled={
            name: {split: int(np.count_nonzero(column.ids[mask] >= 0)) for split, mask in masks.items()}
            for name, column in rows.sources.items()
        },
        rules={name: column.rule for name, column in rows.sources.items()},
        failed=prepared.failed,
        notes=tuple(note for each in sets for note in each.notes),
        mean=prepared.mean,
        std=prepared.std,
    )
