"""Run folders, and what is kept of work that was broken off."""

import io
import json
from pathlib import Path

import numpy as np

from fuzzing.damage import binary, text
from fuzzing.entries.data_sets import npy
from fuzzing.entry import Entry, entry
from mien.core.epochs import read_epochs
from mien.core.labels import LABEL_SETS


@entry("run")
def run(folder: Path) -> Entry:
    """The texts of a run folder, as `--resume`, `summarise` and `report` read them."""
    from mien.training.config import PRESETS  # brings torch: its memory is not for other entries
    from mien.training.provenance import check_run, read_finished, read_versions

    config = (PRESETS / "cnn3-four.toml").read_text("utf-8")
    identity = {"config": config, "data": "0" * 64, "labels": {"fer2013": list(LABEL_SETS["fer2013"])}}
    seeds = {
        "versions.json": json.dumps({**identity, "packages": {"mien": "0.1"}, "commit": None}, indent=1).encode(),
        "finished.json": b'{"epochs": 3, "seconds": 12.5, "best": {"epoch": 2, "selection": 0.5}}\n',
        "metrics.csv": b"epoch,selection,loss\n0,0.25,1.5\n1,0.5,1.25\n2,0.4,nan\n",
    }

    def read(path: Path) -> None:
        if path.name == "versions.json":
            read_versions(folder)
            check_run(folder, identity, resume=True)
        elif path.name == "finished.json":
            read_finished(folder)
        else:
            read_epochs(path)

    return Entry(seeds, read)


def changed_npz(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes of the archive damaged, or of a member, whose checksum is right again."""
    import zipfile

    if rng.random() < 0.5:
        return binary(data, rng)
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        unlucky = old.namelist()[int(rng.integers(len(old.namelist())))]
        for name in old.namelist():
            new.writestr(name, npy(old.read(name), rng) if name == unlucky else old.read(name))
    return file.getvalue()


@entry("clip-store")
def clip_store(folder: Path) -> Entry:
    """Frames that an earlier run of `mien predict` kept: damaged ones are not there, and read anew."""
    from mien.core.types import Faces, Predictions
    from mien.pipeline.clip_store import ClipStore
    from mien.pipeline.second_pass import QUALITY, ClipFrame

    labels = LABEL_SETS["fer2013"]
    source = folder / "a.mp4"
    source.write_bytes(b"a clip")
    faces = Faces(np.array([[1, 2, 30, 40]]), np.array([0.9]), np.zeros((1, 5, 2)))
    found = Predictions(faces, np.full((1, len(labels)), 1 / len(labels), np.float32), labels)
    quality = {name: np.ones(1, np.float32) for name in QUALITY}
    kept = folder / "kept"
    store = ClipStore(kept, str(source), labels)
    store.write(0, [ClipFrame(k, k / 25, found, quality, False) for k in range(3)])
    store.finish(None)
    seeds = {f"kept/{each.name}": each.read_bytes() for each in sorted(kept.iterdir())}

    def read(path: Path) -> None:
        for name, data in seeds.items():  # a clip of another state is removed
            if not (folder / name).exists():
                kept.mkdir(exist_ok=True)
                (folder / name).write_bytes(data)
        again = ClipStore(kept, str(source), labels)
        assert again.stored()[0] in (0, 1)
        list(again.frames())
        assert again.done in (True, False) and again.error is not False
        kept.mkdir(exist_ok=True)

    return Entry(seeds, read, {".npz": changed_npz, ".json": text}, both=False)


@entry("manifest")
def manifest(folder: Path) -> Entry:
    """What the folder of a distributed work says of itself: its files stay in it."""
    from mien.pipeline.distributed.result import MANIFEST, Folder, Result, read_manifest

    counts = {"rows": 2, "inputs": 2, "pictures": 1, "clips": 1, "frames": 3, "faces": 2}
    result = Result(Folder(str(folder)), "00c0ffee", {"sources": ["a", "b"], "smooth": None})
    part = {"part": 0, "file": result.part_name(0), **counts, "failed": {"b": "expected a clip, got none"}}
    result.record({"photographs": 1, "clips": 1, "parts": 2}, [part], complete=False)

    def read(path: Path) -> None:
        said = read_manifest(result.folder)
        assert said is not None
        files = [
            Result(result.folder, said["run"], said["plan"]).part_name(0),
            *(each["file"] for each in said["parts"]),
        ]
        assert all(Path(each).name == each for each in files)

    return Entry({MANIFEST: (folder / MANIFEST).read_bytes()}, read)


@entry("teachers")
def teachers(folder: Path) -> Entry:
    """Teachers' answers, kept beside a run."""
    from fuzzing.entries.tables import small_table
    from mien.training.distill import _read, _write

    table = small_table()
    path = folder / "teachers.npz"
    _write(path, table, {"fer2013.0": np.zeros((len(table), 7), np.float32)})
    return Entry({path.name: path.read_bytes()}, lambda each: _read(each, table), {".npz": changed_npz})
