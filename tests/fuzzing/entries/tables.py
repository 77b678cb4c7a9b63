"""Tables: prepared data, predictions, tables of clips, lists of ids; as Parquet, csv and JSON."""

import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from layouts.faces import face
from pyarrow import parquet

from fuzzing.damage import binary, text
from fuzzing.entry import Entry, entry
from mien.core import packed
from mien.core.images import encode
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table, read_table, write_table
from mien.datasets.lists import ids_to_drop, new_labels
from mien.datasets.members import take_members, write_members
from mien.datasets.parquet import MANIFEST
from mien.evaluation import PredictionTable, read_predictions
from mien.evaluation.clip_table import read_frames

_LABELS = LABEL_SETS["fer2013"]
_N = 12


def changed_parquet(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes damaged; or another column type, a column less, cells or what stands beside the columns changed."""
    kind = rng.integers(5)
    if kind < 2:
        return binary(data, rng)
    table = parquet.read_table(io.BytesIO(data))
    column = int(rng.integers(table.num_columns))
    if kind == 2 and table.schema.metadata:
        beside = {key: text(value, rng) for key, value in table.schema.metadata.items() if key != b"ARROW:schema"}
        table = table.replace_schema_metadata(beside)
    elif kind == 3:
        table = table.remove_column(column)
    else:
        values: list[Any] = table.column(column).to_pylist()
        odd = (None, "", "x", -1, 1 << 62, float("nan"), b"\0", [], [1, 2], {"a": 1}, True)
        new = odd[int(rng.integers(len(odd)))]
        try:
            array = pyarrow.array([new] * len(values) if rng.random() < 0.5 else [*values[1:], new])
        except pyarrow.ArrowException:
            array = pyarrow.array([new] * len(values))
        table = table.set_column(column, table.column_names[column], array)
    file = io.BytesIO()
    try:
        parquet.write_table(table, file)
    except (pyarrow.ArrowException, NotImplementedError):
        return binary(data, rng)
    return file.getvalue()


def small_table() -> Table:
    """Twelve drawn faces with labels, votes and groups."""
    names = list(_LABELS)
    images = np.stack([face(names[k % len(names)], seed=k) for k in range(_N)])
    ids = np.array([f"face-{k}" for k in range(_N)])
    soft = np.full((_N, len(names)), 1 / len(names), np.float32)
    column = LabelColumn(_LABELS, (np.arange(_N) % len(names)).astype(np.int16), soft, "rule", "made")
    split = np.array(["train", "valid", "test"] * (_N // 3))
    extra = {"subject": np.array(["a", "b"] * (_N // 2)), "valence": np.linspace(-1, 1, _N, dtype=np.float32)}
    return Table(ids, images, split, {"fer2013": column}, extra, {"name": "made"})


def _predictions() -> PredictionTable:
    rng = np.random.default_rng(1)
    return PredictionTable(
        ids=np.array([f"face-{k}" for k in range(_N)]),
        split=np.array(["test"] * _N),
        label_ids=(np.arange(_N) % len(_LABELS)).astype(np.int16),
        probabilities=rng.dirichlet(np.ones(len(_LABELS)), _N).astype(np.float32),
        label_set=_LABELS,
        subject=np.array(["a", "b", "c"] * (_N // 3)),
        meta={"model": "made"},
    )


def _written(write: Any, suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"table{suffix}")
        write(path)
        return path.read_bytes()


@entry("table-prepared")
def prepared(folder: Path) -> Entry:
    """Prepared tables."""
    data = _written(lambda path: write_table(small_table(), path), ".parquet")
    return Entry({"table.parquet": data}, read_table, {".parquet": changed_parquet})


@entry("table-parts")
def parts(folder: Path) -> Entry:
    """The folder of a table in parts, and what it says of all of them together."""
    part = _written(lambda path: write_table(small_table(), path), ".parquet")
    said = {
        "complete": True,
        "inputs": {"parts": 1},
        "parts": [{"file": "part-0.parquet"}],
        "meta": {"mean": "[0.5]", "source_sha256": "0a"},
    }
    seeds = {"part-0.parquet": part, MANIFEST: json.dumps(said, indent=1).encode()}
    return Entry(seeds, lambda path: read_table(path.parent), {".parquet": changed_parquet})


@entry("table-pictures")
def pictures(folder: Path) -> Entry:
    """Pictures in a column of Parquet, as bytes and as structs."""
    cells = [encode(face("fear", seed=k), ".png") for k in range(4)]
    forms = {"bytes.parquet": cells, "structs.parquet": [{"bytes": each, "path": "a.png"} for each in cells]}
    seeds = {}
    for name, column in forms.items():
        file = io.BytesIO()
        parquet.write_table(pyarrow.table({"image": column, "n": range(4)}), file, row_group_size=3)
        seeds[name] = file.getvalue()

    def read(path: Path) -> None:
        for row in range(min(packed.count(str(path)), 8)):
            packed.read(str(path), row)

    return Entry(seeds, read, {".parquet": changed_parquet})


@entry("table-predictions")
def predictions(folder: Path) -> Entry:
    """Prediction tables, as Parquet and as csv."""
    names = ",".join(f"p_{label}" for label in _LABELS)
    rows = [f"face-{k},test,{label},{','.join(['0.1'] * 6)},0.4" for k, label in enumerate(_LABELS)]
    csv = "\n".join([f"id,split,label,{names}", *rows, ""]).encode()
    data = _written(lambda path: _predictions().write(path), ".parquet")
    seeds = {"table.parquet": data, "table.csv": csv}
    return Entry(seeds, lambda path: read_predictions(path).passes, {".parquet": changed_parquet})


@entry("table-clip")
def clip(folder: Path) -> Entry:
    """What `mien predict` wrote of a clip."""
    label = {f"p_{each}": 1 / len(_LABELS) for each in _LABELS}
    rows = [
        {"source": "a.mp4", "frame": k, "time_s": k / 25, "face_id": 0, "label": "fear", "error": None, **label}
        for k in range(6)
    ]
    header = ",".join(rows[0])
    csv = "\n".join([header, *(",".join("" if v is None else str(v) for v in row.values()) for row in rows), ""])
    file = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    seeds = {
        "clip.csv": csv.encode(),
        "clip.json": json.dumps(rows).encode(),
        "clip.jsonl": "\n".join(map(json.dumps, rows)).encode(),
        "clip.parquet": file.getvalue(),
    }

    def read(path: Path) -> None:
        for _ in read_frames(path)[1]:
            pass

    return Entry(seeds, read, {".parquet": changed_parquet})


@entry("table-lists")
def lists(folder: Path) -> Entry:
    """Lists of ids to drop or to relabel, and of the members of a subset."""
    table = small_table()
    drop = b"id,reason,action\nface-1,blurred,drop\nface-2,double,drop\n"
    relabel = b"id,source,label,suggestion,action\nface-1,fer2013,fear,anger,relabel\nface-3,fer2013,,anger,relabel\n"
    members = _written(lambda path: write_members(table, "fer2013", path), ".csv")
    how = {"drop.csv": ids_to_drop, "relabel.csv": new_labels, "members.csv": lambda path: take_members(table, path)}
    seeds = {"drop.csv": drop, "relabel.csv": relabel, "members.csv": members}
    return Entry(seeds, lambda path: how[path.name](path))
