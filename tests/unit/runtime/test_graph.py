"""The weights of heads as the package onnx reads them, from files in every form in which mien writes them."""

from pathlib import Path

import numpy as np
import pytest

import mien
from mien.core.errors import ModelError
from mien.runtime.graph import Graph

onnx = pytest.importorskip("onnx")

WEIGHTS = Path(mien.__file__).parent / "zoo" / "weights"
HEADS = {"ferplus": 8, "fer2013": 7}


def initializers(path):
    return {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(str(path)).graph.initializer}


@pytest.mark.parametrize("head", HEADS)
def test_weights_stored_as_float16(head):
    path = WEIGHTS / "mien-s.onnx"
    found = Graph(path.read_bytes()).linear_head(f"probabilities_{head}", "features")
    theirs = initializers(path)[f"net.heads.{head}.weight.float16"].astype(np.float32)
    assert found.shape[0] == HEADS[head]
    np.testing.assert_array_equal(found, theirs)


@pytest.mark.parametrize("head", HEADS)
def test_weights_stored_as_int8_with_a_scale_a_class(head):
    path = WEIGHTS / "mien-s.int8.onnx"
    found = Graph(path.read_bytes()).linear_head(f"probabilities_{head}", "features")
    name, stored = f"net.heads.{head}.weight", initializers(path)
    theirs = stored[f"{name}_quantized"].astype(np.float32) * stored[f"{name}_scale"][:, None]
    assert np.abs(found).max() > 0.1
    np.testing.assert_allclose(found, theirs, rtol=1e-6)


def test_all_constants_are_read_as_onnx_reads_them():
    for path in sorted(WEIGHTS.glob("*.onnx")):
        found, theirs = Graph(path.read_bytes()).constants, initializers(path)
        for name, each in theirs.items():
            np.testing.assert_array_equal(found[name], each)


def made(*nodes, weights, features=("n", 3, 4, 4)):
    """A net of these nodes from `image` over `features` to `probabilities`."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    outputs = [
        helper.make_tensor_value_info("probabilities", kind, ["n", 2]),
        helper.make_tensor_value_info("features", kind, features),
    ]
    image = helper.make_tensor_value_info("image", kind, features)
    tensors = [onnx.helper.make_tensor(name, kind, each.shape, each.ravel()) for name, each in weights.items()]
    nodes = [helper.make_node(kind, inputs, outputs, **more) for kind, inputs, outputs, more in nodes]
    graph = helper.make_graph(nodes, "g", [image], outputs, tensors)
    return helper.make_model(graph).SerializeToString()


W = np.arange(6, dtype=np.float32).reshape(3, 2)
RELU = ("Relu", ["image"], ["features"], {})
POOL = ("GlobalAveragePool", ["features"], ["pooled"], {})
FLAT = ("Flatten", ["pooled"], ["flat"], {})
SOFTMAX = ("Softmax", ["logits"], ["probabilities"], {"axis": 1})


def test_a_product_and_a_sum_are_a_head_as_well():
    add = ("Add", ["bias", "product"], ["logits"], {})
    data = made(
        RELU, POOL, FLAT, ("MatMul", ["flat", "w"], ["product"], {}), add, SOFTMAX, weights={"w": W, "bias": np.ones(2)}
    )
    np.testing.assert_array_equal(Graph(data).linear_head("probabilities", "features"), W.T)


def test_a_head_that_sees_something_else_is_none():
    head = ("MatMul", ["seen", "w"], ["logits"], {})
    through = made(RELU, POOL, FLAT, ("Tanh", ["flat"], ["seen"], {}), head, SOFTMAX, weights={"w": W})
    other = made(RELU, ("Tanh", ["features"], ["map"], {}), ("GlobalAveragePool", ["map"], ["mean"], {}),
                 ("Flatten", ["mean"], ["seen"], {}), head, SOFTMAX, weights={"w": W})  # fmt: skip
    logits = made(RELU, POOL, FLAT, ("MatMul", ["flat", "w"], ["probabilities"], {}), weights={"w": W})
    for data in (through, other, logits):
        assert Graph(data).linear_head("probabilities", "features") is None
    assert Graph(through).linear_head("nowhere", "features") is None


@pytest.mark.parametrize("data", [b"no model", b"\xff" * 40, b"\x3a\x7f"])
def test_other_bytes_are_refused(data):
    with pytest.raises(ModelError, match="expected an ONNX model, got bytes that are none"):
        Graph(data)


def test_a_file_that_is_cut_off_is_refused():
    data = (WEIGHTS / "mien-s.int8.onnx").read_bytes()
    with pytest.raises(ModelError, match="expected an ONNX model, got bytes that are none: a field that reaches past"):
        Graph(data[: len(data) // 2])
