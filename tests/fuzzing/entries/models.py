"""Models of strangers: ONNX files with a card that vouches for them, weights to begin with, checkpoints."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fuzzing.damage import CANARY, binary, text
from fuzzing.entry import Entry, entry
from mien.core.labels import LABEL_SETS
from mien.runtime.card import Card, Head, InputSpec, WeightFile
from mien.runtime.graph import Graph
from mien.runtime.session import Session
from mien.zoo import store

_LABELS = LABEL_SETS["fer2013"]
_SIZES = (0, 1, -1, 2, 7, 48, 2304, 1 << 16, 1 << 24, 1 << 31, 1 << 40, (1 << 62))
_KINDS = ("Loop", "If", "Scan", "ConstantOfShape", "Expand", "Tile", "Resize", "Pad", "Range", "OneHot", "Where",
          "NonExistent", "Identity", "Reshape", "Conv", "MatMul", "Softmax", "EyeLike", "RandomNormal")  # fmt: skip


def net() -> onnx.ModelProto:
    """A small net of the usual layers, and a shape that is computed with."""
    rng = np.random.default_rng(5)
    weights = {
        "w": rng.normal(size=(4, 1, 5, 5)).astype(np.float32),
        "b": np.zeros(4, np.float32),
        "h": rng.normal(size=(4, len(_LABELS))).astype(np.float32),
        "shape": np.array([4], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["image", "w", "b"], ["c"], kernel_shape=[5, 5], strides=[2, 2], pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["c"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
        helper.make_node("Add", ["f", "zeros"], ["g"]),
        helper.make_node("MatMul", ["g", "h"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, 48, 48])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", len(_LABELS)])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def changed_net(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes damaged; or sizes, layers, their attributes, names and constants changed, as only a hostile hand does."""
    kind = int(rng.integers(11))
    if kind < 2:
        return binary(data, rng)
    model = onnx.load_from_string(data)
    graph = model.graph
    node = graph.node[int(rng.integers(len(graph.node)))]
    tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
    size = _SIZES[int(rng.integers(len(_SIZES)))]
    if kind == 2:
        tensor.dims[int(rng.integers(len(tensor.dims)))] = size
    elif kind == 3:
        tensor.data_location = TensorProto.EXTERNAL
        tensor.ClearField("raw_data")
        for key, value in (("location", (CANARY, "/etc/passwd", "clip.bin")[int(rng.integers(3))]), ("length", "4")):
            tensor.external_data.add(key=key, value=value)
    elif kind == 4:
        node.op_type = _KINDS[int(rng.integers(len(_KINDS)))]
    elif kind == 5:
        node.domain = ("com.microsoft", "my.domain", "ai.onnx.ml", "ai.onnx.training")[int(rng.integers(4))]
    elif kind == 6:
        ends = node.input if rng.random() < 0.5 else node.output
        names = [name for each in graph.node for name in (*each.input, *each.output)] + ["", "\U0001f600"]
        ends[int(rng.integers(len(ends)))] = names[int(rng.integers(len(names)))]
    elif kind == 7:
        new = np.full(max(1, int(rng.integers(4))), size, np.int64)
        next(each for each in graph.initializer if each.name == "shape").CopyFrom(numpy_helper.from_array(new, "shape"))
    elif kind > 8:
        raw = np.frombuffer(tensor.raw_data, np.uint8).copy()
        raw[int(rng.integers(len(raw)))] ^= np.uint8(1 << int(rng.integers(8)))
        tensor.raw_data = raw.tobytes()
    else:
        attribute = [each for other in graph.node for each in other.attribute]
        chosen = attribute[int(rng.integers(len(attribute)))]
        if chosen.ints:
            chosen.ints[int(rng.integers(len(chosen.ints)))] = size
        else:
            chosen.i = size
    return bytes(model.SerializeToString())


@entry("onnx")
def model(folder: Path) -> Entry:
    """A model and its card, which vouches for whatever the file holds; loaded, looked into, and run."""
    data = net().SerializeToString()
    crops = np.random.default_rng(0).integers(0, 256, (2, 48, 48), np.uint8)

    def read(path: Path) -> None:
        changed = path.read_bytes()
        file = WeightFile(path.name, hashlib.sha256(changed).hexdigest(), len(changed))
        card = Card(
            name="stranger",
            input=InputSpec(size=48, color="gray", mean=(0.5,), std=(0.25,)),
            heads={"fer2013": Head(_LABELS, "probabilities")},
            default_head="fer2013",
            files={"float32": file},
            default_file="float32",
        )
        path.with_suffix(".toml").write_text(card.dump(), "utf-8")
        classifier = store.load_classifier(path, threads=1, device="cpu")
        Graph(changed).linear_head("probabilities", "features")
        assert np.isfinite(classifier.predict(crops)).all()

    return Entry({"net.onnx": data}, read, {".onnx": changed_net})


@entry("onnx-bare")
def bare(folder: Path) -> Entry:
    """The same without a card, as detectors and quantisation take it: names, types and sizes are free."""

    def read(path: Path) -> None:
        session = Session(path, threads=1, device="cpu")
        feeds = {
            name: np.zeros([each or 1 for each in shape], np.float32) for name, shape in session.input_shapes.items()
        }
        if sum(each.size for each in feeds.values()) < 1 << 20:
            session.run(None, **feeds)

    return Entry({"net.onnx": net().SerializeToString()}, read, {".onnx": changed_net})


def changed_safetensors(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes damaged, or the header as text, with its length made right."""
    if rng.random() < 0.3:
        return binary(data, rng)
    end = 8 + int.from_bytes(data[:8], "little")
    header = text(data[8:end], rng)
    return len(header).to_bytes(8, "little") + header + data[end:]


def changed_checkpoint(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes of the archive damaged, or of its pickle; or a pickle that would run a command."""
    if rng.random() < 0.4:
        return binary(data, rng)
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("data.pkl"):
                evil = b"cposix\nsystem\n(S'touch ../canary/secret'\ntR."
                content = evil if rng.random() < 0.2 else binary(content, rng)
            new.writestr(name, content)
    return file.getvalue()


@entry("weights")
def weights(folder: Path) -> Entry:
    """Weights that a training begins with, and checkpoints of a run: nothing in them is run."""
    import torch
    from safetensors.torch import save

    from mien.nets import build_trunk
    from mien.training.pretrained import load_weights

    trunk = build_trunk("cnn3", in_channels=1, size=48, options={"widths": [4, 4], "dense": [8], "dropout": 0.0})
    state = trunk.state_dict()
    file = io.BytesIO()
    torch.save({"state_dict": {f"net.trunk.{name}": value for name, value in state.items()}, "epoch": 3}, file)

    def read(path: Path) -> None:
        load_weights(trunk, str(path), net="cnn3")

    seeds = {"net.safetensors": save(state), "last.ckpt": file.getvalue()}
    return Entry(seeds, read, {".safetensors": changed_safetensors, ".ckpt": changed_checkpoint})
