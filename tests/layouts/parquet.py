"""Parquet with pictures and labels, as the Hugging Face hub and people's own programs write it."""

import json
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet

from layouts import Layout, Row
from layouts.faces import face
from mien.core.images import encode

FORM = "Parquet with pictures and labels"


def _pictures(count: int, *, first: int = 0) -> list[bytes]:
    return [encode(face("fear", seed=first + seed, size=32)) for seed in range(count)]


def _write(path: Path, columns: dict[str, object], **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table(columns), path, **options)


def hub(root: Path) -> Layout:
    """As the library `datasets` writes it: structs, numbers for labels that the metadata name, a file a split."""
    features = {"image": {"_type": "Image"}, "label": {"names": ["sad", "Happy"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    for name, labels in (("train-00000-of-00002", [1, 0, -1]), ("train-00001-of-00002", [0]), ("test-00000", [1])):
        pictures = [{"bytes": each, "path": None} for each in _pictures(len(labels), first=len(name))]
        table = pyarrow.table({"image": pictures, "label": pyarrow.array(labels, pyarrow.int64())})
        (root / "data").mkdir(parents=True, exist_ok=True)
        parquet.write_table(table.replace_schema_metadata(metadata), root / "data" / f"{name}.parquet")
    (root / "README.md").write_text("A card.", "utf-8")
    facts = [
        ("test-00000.parquet#0", "test", "happiness"),
        ("train-00000-of-00002.parquet#0", "train", "happiness"),
        ("train-00000-of-00002.parquet#1", "train", "sadness"),
        ("train-00000-of-00002.parquet#2", "train", None),
        ("train-00001-of-00002.parquet#0", "train", "sadness"),
    ]
    rows = tuple(Row(f"parquet-data/{name}", split, {"labels": label}) for name, split, label in facts)
    return Layout("parquet", root, FORM, rows, True)


def own(root: Path) -> Layout:
    """One file with ids, splits, shares of labels, boxes, and numbers that are missing; several row groups."""
    nan = float("nan")
    columns = {
        "Id": ["a", "b", "c"],
        "split": ["train", "val", "test"],
        "picture": _pictures(3),
        "P_Happy": [0.5, None, 3.0],
        "p_sad": [0.5, None, 1.0],
        "subject": pyarrow.array([1, None, 2], pyarrow.int32()),
        "valence": [0.25, None, -1.0],
        "x1": [0, 1, None], "y1": [0, 1, None], "x2": [20, 21, None], "y2": [20, 21, None],
        "embedding": [[0.0], [1.0], [2.0]],
    }  # fmt: skip
    _write(root / "faces.parquet", columns, row_group_size=2)
    facts = [
        ("a", "train", None, "1", 0.25, [0.0, 0, 20, 20], [0.5, 0.5]),
        ("b", "valid", None, "", nan, [1.0, 1, 21, 21], [nan, nan]),
        ("c", "test", "happiness", "2", -1.0, [nan] * 4, [0.75, 0.25]),
    ]
    rows = tuple(
        Row(name, split, {"labels": label}, {"subject": who, "valence": v, "box": np.float32(box)}, {"labels": soft})
        for name, split, label, who, v, box, soft in facts
    )
    return Layout("parquet", root / "faces.parquet", FORM, rows, False)


def mapped(root: Path) -> Layout:
    """Numbers that a label map explains, one of them dropped; a folder a split; a hidden file and a note beside."""
    names = root.parent / f"{root.name}-map.toml"
    names.parent.mkdir(parents=True, exist_ok=True)
    names.write_text('name = "two"\n[labels_map]\n0 = "anger"\n1 = "fear"\n7 = ""\n', "utf-8")
    _write(root / "validation" / "a.parquet", {"content": _pictures(2), "class": [1.0, None]})
    _write(root / "train" / "b.parquet", {"content": _pictures(2, first=5), "class": [7.0, 0.0]})
    _write(root / "_manifest.parquet", {"other": [1]})
    rows = (
        Row("parquet-train/b.parquet#1", "train", {"two": "anger"}),
        Row("parquet-validation/a.parquet#0", "valid", {"two": "fear"}),
        Row("parquet-validation/a.parquet#1", "valid", {"two": None}),
    )
    return Layout("parquet", root, FORM, rows, True, {"label_map": names})


FORMS = {"hub": hub, "own": own, "mapped": mapped}
