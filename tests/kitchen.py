"""Pages of the documentation, done: a folder with what readers are supposed to have, and what runs a page in it."""

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lasting
import numpy as np
from clips import FORMS
from layouts import ck48, ckplus, jaffe, rafdb
from layouts.faces import face
from layouts.fer2013 import NUMBERS, pixels, write_lines
from layouts.ferplus import HEADER, ORDER
from pages import ROOT, Block, blocks

import mien
from mien.core.images import read_image, write_image
from mien.core.labels import LABEL_SETS, LabelSet
from mien.datasets import open_data
from mien.datasets.readers import READERS
from mien.evaluation import PredictionTable

FER = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
USAGES = {"Training": 8, "PublicTest": 6, "PrivateTest": 2}  # faces of each class

# Verbs that take seconds to minutes of processor time: they wait for the thorough tests.
SLOW = {"train", "search", "ablate", "join", "report", "bench", "export"}
SLOW_DATA = {"explore"}
_DATABASE = "postgresql://me@host/studies"  # a reader's
_BUCKET = "s3://bucket"  # a reader's
_PAGE = "page"  # the module that snippets are run as
_SHORT = {
    "train": ["--set", "epochs=1"],
    "search": ["--set", "epochs=1", "--trials", "2", "--seeds", "1"],
    "ablate": ["--set", "epochs=1"],
    "bench": [],
}


class Kitchen:
    """Writes once what pages take for granted; `lay_out` copies it. With `runs`, trained models too."""

    def __init__(self, folder: Path, *, runs: bool = False) -> None:
        self.folder = folder
        _pictures(folder)
        _clips(folder)
        _data(folder / "data", large=runs)
        _tables(folder)
        _predictions(folder)
        if runs:
            _runs(folder)

    def lay_out(self, folder: Path) -> None:
        """Copy all of it into a folder."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)


def _pictures(folder: Path) -> None:
    for name in ("photo.jpg", "a.jpg", "frame.jpg", "holiday/1.jpg", "photographs/1.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(mien.sample("astronaut"), folder / name)
    shutil.copy(mien.sample("grace_hopper"), folder / "b.jpg")
    shutil.copy(mien.sample("grace_hopper"), folder / "holiday" / "2.jpg")
    write_lines(folder / "labels.csv", ["path,label,group_gender", "a.jpg,joy,female", "b.jpg,neutral,female"])


def _clips(folder: Path) -> None:
    """A clip under all the names that pages give it."""
    first = folder / "interview.mp4"
    FORMS["motion"](first)
    for name in ("clip.mp4", "smile.mp4", "sessions/one.mp4", "recordings/one.mp4"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(first, folder / name)
    shutil.copy(folder / "photo.jpg", folder / "recordings" / "photo.jpg")
    for number in range(8):
        (folder / "frames").mkdir(exist_ok=True)
        shutil.copy(folder / "photo.jpg", folder / "frames" / f"{number}.jpg")


def _data(root: Path, *, large: bool) -> None:
    """Data sets in small, as they are handed out; photographs show a face that a detector finds."""
    _fer(root / "fer2013", dict.fromkeys(USAGES, 0) | USAGES)
    shutil.copytree(root / "fer2013", root / "ferplus")
    if large:  # what the presets of subsets draw from
        _fer(
            root / "fer2013", {"Training": 1010, "PublicTest": 360}, labels=("anger", "happiness", "sadness", "neutral")
        )
    jaffe.FORMS["tiff"](root / "jaffe")
    ckplus.FORMS["peak"](root / "ckplus")
    rafdb.FORMS["aligned"](root / "rafdb")
    ck48.FORMS["archive"](root / "ck48")
    photograph = read_image(mien.sample("astronaut"))[0:256, 96:352]
    for path in [*(root / "jaffe").rglob("*.tif*"), *(root / "ckplus").rglob("*.png")]:
        write_image(path, photograph)


def _fer(folder: Path, counts: dict[str, int], labels: tuple[str, ...] = FER) -> None:
    """FER2013's csv with so many faces of each class in each split, and the votes of FER+ beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows, votes = [], []
    for usage, count in counts.items():
        for label in labels:
            for _ in range(count):
                image = face(label, seed=len(rows)) if count < 100 else rng.integers(0, 256, (48, 48)).astype(np.uint8)
                rows.append(f"{NUMBERS[label]},{pixels(image)},{usage}")
                given = [8 if name == label else 1 if name == "neutral" else 0 for name in ORDER]
                votes.append(",".join(map(str, (usage, f"fer{len(rows) - 1:07d}.png", *given, 10 - sum(given), 0))))
    write_lines(folder / "fer2013.csv", ["emotion,pixels,Usage", *rows])
    write_lines(folder / "fer2013new.csv", [HEADER, *votes])


def _tables(folder: Path) -> None:
    """Prepared tables under the names that pages give them."""
    mien.prepare(f"ferplus={folder / 'data/ferplus'}", out=folder / "ferplus.parquet")
    for name in ("table", "faces", "t"):
        shutil.copy(folder / "ferplus.parquet", folder / f"{name}.parquet")
    mien.prepare(f"fer2013={folder / 'data/fer2013'}", out=folder / "fer2013.parquet")
    shutil.copy(folder / "fer2013.parquet", folder / "fer.parquet")
    mien.prepare(f"rafdb={folder / 'data/rafdb'}", out=folder / "rafdb.parquet")
    faces = open_data(folder / "rafdb.parquet")
    _write_predictions(folder / "rafdb-predictions.parquet", faces.ids, faces.sources["rafdb"].ids, LABEL_SETS["rafdb"])
    _sequences(folder)


def _sequences(folder: Path) -> None:
    """Twelve people with two clips of four frames each, under the names of two data sets that know their people."""
    pictures = folder / "sequences"
    pictures.mkdir()
    rows = ["path,label,subject,clip_id,frame,split"]
    for person in range(12):
        for clip, label in enumerate(("happiness", "sadness")):
            for frame in range(4):
                name = f"{person}-{clip}-{frame}.png"
                write_image(pictures / name, face(label, seed=100 * person + 10 * clip + frame))
                rows.append(f"{name},{label},s{person},s{person}-{clip},{frame},{'train' if person < 9 else 'valid'}")
    write_lines(pictures / "labels.csv", rows)
    mien.prepare(f"csv={pictures / 'labels.csv'}", out=folder / "ckplus.parquet", color="gray")
    shutil.copy(folder / "ckplus.parquet", folder / "jaffe.parquet")


def _predictions(folder: Path) -> None:
    """Prediction tables of made-up models, some better than others."""
    truth = np.random.default_rng(0).integers(0, len(FER), 120).astype(np.int16)
    ids = np.array([f"fer2013-{row:05d}" for row in range(120)])
    names = ["a", "b", "c", "valid", *(f"{kind}{number}" for kind in "cv" for number in (1, 2, 3))]
    for seed, name in enumerate(names):
        _write_predictions(folder / f"{name}.parquet", ids, truth, LABEL_SETS["fer2013"], seed=seed)
        if name in ("a", "b"):
            target = folder / "runs" / name / "fer2013"
            target.mkdir(parents=True)
            shutil.copy(folder / f"{name}.parquet", target / "predictions-test.parquet")


def _write_predictions(path: Path, ids: Any, truth: Any, labels: LabelSet, *, seed: int = 0) -> None:
    """What a model says of faces: the higher the seed modulo three, the more often it is right."""
    scores = np.random.default_rng(seed).normal(size=(len(truth), len(labels)))
    known = np.flatnonzero(truth >= 0)
    scores[known, truth[known]] += 1 + seed % 3
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    split = np.full(len(truth), "test")
    PredictionTable(ids, split, truth.astype(np.int16), shares.astype(np.float32), labels).write(path)


def _runs(folder: Path) -> None:
    """Runs under the names that pages give them: one small net of pictures, one of clips."""
    small = ["epochs=1", "net_options={widths=[8,8,16],blocks=[1,1,1]}"]
    made = folder / "made"
    mien.train(str(folder / "ferplus.parquet"), net="resnet", changes=small, out=made)
    for name in ("a", "b", "mine", "cnn3", "teacher-a", "teacher-b"):
        shutil.copytree(made, folder / "runs" / name, dirs_exist_ok=True)
    shutil.rmtree(made)
    of_clips = {"net": "cnn-gru", "changes": ["epochs=1", "input.frames=4"]}
    mien.train(str(folder / "ckplus.parquet"), out=folder / "runs" / "clips", **of_clips)


@dataclass
class Done:
    """What became of a page: what ran, what was left out, and what failed, each with its place."""

    ran: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)  # what commands that were left out would have made


def fill(bucket: str, files: Any) -> None:
    """Put what pages find in a bucket of theirs into it: photographs, labelled ones in folders and in Parquet."""
    import pyarrow
    import pyarrow.parquet as parquet

    named = {"happy": "astronaut", "neutral": "grace_hopper"}
    for number in range(4):
        for label, name in named.items():
            split = "train" if number < 3 else "valid"
            files.put(str(mien.sample(name)), f"{bucket}/people/{split}/{label}/{number}.jpg")
            files.put(str(mien.sample(name)), f"{bucket}/pictures/{label}-{number}.jpg")
    pictures = [Path(mien.sample(name)).read_bytes() for name in named.values()]
    with files.open(f"{bucket}/labelled/train-00000-of-00001.parquet", "wb") as file:
        parquet.write_table(pyarrow.table({"image": pictures, "label": list(named)}), file)


def cook(
    page: Path, *, thorough: bool, port: int | None = None, database: str = _DATABASE, bucket: bool = False
) -> Done:
    """Do a page in the current folder.

    Args:
        page: of the documentation.
        thorough: run slow commands, too. port: where a server listens that the page calls localhost:8000.
        database: one that workers may share in place of the page's.
        bucket: whether there is one, see `fill`.
    """
    done = Done()
    names: dict[str, Any] = _at_hand()
    if not thorough:
        done.missing |= {f"runs/{name}" for name in ("a", "b", "mine", "clips", "cnn3")}
    _save(page)
    for block in blocks(page):
        if block.not_run or block.title:
            continue
        if block.language == "python":
            _snippet(block, names, done, thorough, port)
            if "torch.onnx.export" in block.text:
                _save(page)  # the card holds the checksum of what was just exported
        elif block.is_shell:
            commands = [command.replace(_DATABASE, database) for command in block.commands()]
            if "--node-rank" in block.text:  # of several machines: to be done at once
                commands = [" ; ".join(commands)]
            for command in commands:
                if _BUCKET in command and not bucket:
                    done.left_out.append(f"{block.where}: {command}")
                else:
                    _command(command, block, done, thorough, port)
    _forget_readers()
    return done


def _forget_readers() -> None:
    """Take out the readers that snippets registered: other tests of this process count the ones that there are."""
    for name in [name for name in READERS if READERS[name].__module__ == _PAGE]:
        del READERS._factories[name]


def _at_hand() -> dict[str, Any]:
    """Names that snippets take for granted: what the text before them says that a reader has."""
    crops = np.stack([face("happiness", seed=seed) for seed in range(3)])
    return {
        "__name__": _PAGE,
        "mien": mien,
        "crops": crops,
        "clips": np.stack([crops, crops]),
        "image": read_image(mien.sample("astronaut")),
        "time_s": 0.0,
    }


def _save(page: Path) -> None:
    """Write the files of the reader that a page shows: they are there before the first command."""
    for block in blocks(page):
        if block.title:
            Path(block.title).write_text(_whole(block.text), "utf-8")


def _whole(text: str) -> str:
    """A card of a page, with the checksum of the model beside it, which readers make; and that model."""
    if "sha256 = " not in text:
        return text
    from mien.runtime.session import file_sha256

    if not Path("my.onnx").is_file():
        _write_model(Path("my.onnx"))
    return text.replace("0" * 64, file_sha256("my.onnx"))


def _write_model(path: Path) -> None:
    """A net as docs/bring-your-own-model.md asks for it."""
    import onnx

    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weights = onnx.numpy_helper.from_array(np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32), "w")
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[12, 12], strides=[12, 12]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    inputs = [helper.make_tensor_value_info("image", kind, ["n", 1, 48, 48])]
    outputs = [helper.make_tensor_value_info("probabilities", kind, ["n", 3])]
    model = helper.make_model(
        helper.make_graph(nodes, "mine", inputs, outputs, [weights]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    path.write_bytes(model.SerializeToString())


def _snippet(block: Block, names: dict[str, Any], done: Done, thorough: bool, port: int | None) -> None:
    text = block.text
    if "localhost:8000" in text:
        if port is None:
            done.left_out.append(block.where)
            return
        text = text.replace("localhost:8000", f"localhost:{port}")
    slow = re.search("^import (datasets|torch)$", text, re.MULTILINE) and not thorough
    if slow or any(path in text for path in done.missing):
        done.left_out.append(block.where)
        return
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(text, block.where, "exec"), names)
    except Exception:
        done.failed.append(f"{block.where}: {traceback.format_exc(limit=-2)}")
        return
    done.ran.append(block.where)


def _command(command: str, block: Block, done: Done, thorough: bool, port: int | None) -> None:
    words = shlex.split(re.sub(r"\b(\w+)=DIR\b", r"\1=data/\1", command))
    place = f"{block.where}: {command}"
    if words[0] in ("pip", ".") or words[1:3] == ["-m", "venv"]:
        return  # tests/unit/test_site.py and tests/soak/test_newcomer.py make environments and install what pages name
    made = _made_by(words)
    waits = (not thorough and _is_slow(words)) or (words[0] == "curl" and port is None)
    if waits or any(_within(path, word) for path in done.missing for word in set(words) - made):
        done.missing |= {path.rstrip("/") for path in made}
        done.left_out.append(place)
        return
    done.missing -= {path.rstrip("/") for path in made}
    for path in map(Path, made):  # commands of a page are examples: each as if it were the first to write there
        if path.is_dir():
            shutil.rmtree(path)
        for each in (path, path.with_suffix(".summary.csv"), path.with_suffix(".transitions.csv")):
            each.unlink(missing_ok=True)
    if lasting.lasts(words):
        code, said = lasting.use(words)
    else:
        code, said = _mien(words[1:]) if words[0] == "mien" else _other(words, command, port)
    # Of a data set in small mien says rightly that it is not all there.
    if code != 0 and not (code == 1 and words[1:3] == ["data", "check"]):
        done.failed.append(f"{place}: exit code {code}: {said}")
    else:
        done.ran.append(place)


def _is_slow(words: list[str]) -> bool:
    if words[0] == "torchrun" or _is_large(words) or lasting.lasts(words):
        return True
    if words[0] != "mien":
        return False
    return words[2] in SLOW_DATA if words[1] == "data" else words[1] in SLOW


def _is_large(words: list[str]) -> bool:
    # What is drawn out of a whole FER2013 is not in a small one.
    return any(word.startswith("four-") or word == "400" for word in words)


def _within(path: str, word: str) -> bool:
    value = word.rpartition("=")[2]
    return value == path or value.startswith(f"{path}/")


def _made_by(words: list[str]) -> set[str]:
    return {words[place + 1] for place, word in enumerate(words[:-1]) if word == "--out"}


def _mien(words: list[str]) -> tuple[int, str]:
    from mien.cli.app import main

    if words[0] in _SHORT:
        words = [*words, *_SHORT[words[0]]]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return code, (err.getvalue() or out.getvalue()).strip()[-500:]


def _other(words: list[str], command: str, port: int | None) -> tuple[int, str]:
    if port is not None:
        command = command.replace("localhost:8000", f"localhost:{port}")
        if "/ID" in command:
            command = command.replace("/ID", f"/{_job(port)}")
    if "--node-rank" in words:
        return lasting.run_together(command.split(" ; "), _SHORT["train"])
    if words[0] == "torchrun":
        command = shlex.join([sys.executable, "-m", "torch.distributed.run", *words[1:], *_SHORT["train"]])
    if words[0] == "python":
        command = shlex.join([sys.executable, *words[1:]])
        if words[1].startswith("scripts/"):
            command = shlex.join([sys.executable, str(ROOT / words[1]), *words[2:]])
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, (done.stderr or done.stdout).strip()[-500:]


def _job(port: int) -> str:
    """A job of the server whose video has been read."""
    import json
    import time

    asked = ["curl", "-s", "-F", "video=@clip.mp4", f"localhost:{port}/videos"]
    name = json.loads(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)["id"]
    for _ in range(600):
        state = subprocess.run(
            ["curl", "-s", f"localhost:{port}/jobs/{name}"], capture_output=True, text=True, check=True
        )
        if json.loads(state.stdout)["state"] not in ("queued", "running"):
            break
        time.sleep(0.1)
    return str(name)
