"""The weights of heads as the package onnx reads them, from files in every form in which mien writes them."""

import itertools
from pathlib import Path

import numpy as np
import pytest

import mien
from mien.core.errors import ModelError
from mien.runtime.graph import Graph
from mien.runtime.session import Session

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
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


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


def head(*nodes, weights=None, bias="bias", matrix="w"):
    """A net with a linear head, and these nodes; `bias` and `matrix` name what it computes with."""
    product = ("MatMul", ["flat", matrix], ["product"], {})
    add = ("Add", [bias, "product"], ["logits"], {})
    return made(
        *nodes, RELU, POOL, FLAT, product, add, SOFTMAX, weights={"w": W, "bias": np.ones(2), **(weights or {})}
    )


def expect_head(data, expected=None):
    """The runtime takes it; its head is this one, or not one that is read."""
    Session(data, threads=1, device="cpu")
    found = Graph(data).linear_head("probabilities", "features")
    assert found is None if expected is None else np.array_equal(found, expected)


def test_a_bias_in_another_form_is_no_linear_head():
    expect_head(head(("Constant", [], ["list"], {"value_floats": [1.0, 2.0]}), bias="list"))


@pytest.mark.parametrize("long", [False, True])
def test_a_way_without_end_is_no_linear_head(long):
    count = 3000 if long else 50
    names = ["w", *(f"w{k}" for k in range(count))]
    chain = [("Identity", [one], [other], {}) for one, other in itertools.pairwise(names)]
    expect_head(head(*chain, matrix=names[-1]), None if long else W.T)


def test_maps_that_double_are_not_counted_out():
    """Of size 0, so that the runtime has nothing to hold."""
    numbers = [onnx.numpy_helper.from_array(np.array([each], np.int64), name) for each, name in ((0, "s"), (1, "a"))]
    model = onnx.load_from_string(head())
    relu = next(each for each in model.graph.node if each.op_type == "Relu")
    relu.output[0] = next(each for each in model.graph.node if each.op_type == "GlobalAveragePool").input[0] = "map"
    nodes = [onnx.helper.make_node("Slice", ["map", "s", "s", "a"], ["m0"])]
    names = [*(f"m{k}" for k in range(64)), "features"]
    nodes += [onnx.helper.make_node("Concat", [one, one], [other], axis=1) for one, other in itertools.pairwise(names)]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(numbers)
    model.graph.output[1].type.tensor_type.shape.dim[1].dim_value = 0
    expect_head(model.SerializeToString())


def test_numbers_of_more_than_64_bits_are_cut_off_as_elsewhere():
    long = b"\x08\x01\x10\x03\x28" + 9 * b"\xff" + b"\x7f" + b"\x42\x01z"  # z: int8 of size 1
    model = onnx.load_from_string(head())
    graph = model.graph.SerializeToString() + b"\x2a" + bytes([len(long)]) + long
    model.ClearField("graph")
    data = model.SerializeToString() + b"\x3a" + bytes([len(graph) & 127 | 128, len(graph) >> 7]) + graph
    expect_head(data, W.T)
    assert Graph(data).constants["z"].tolist() == [-1]


@pytest.mark.parametrize(
    ("scale", "zero", "axis", "read"),
    [
        ((), (), 0, True),
        ((2,), (2,), 1, True),
        ((2,), (2,), -1, True),
        ((2,), (2,), 0, False),
        ((2,), (2,), 5, False),
        ((), (2,), 1, False),
        ((3,), (2,), 0, False),
    ],
)
def test_scales_that_do_not_fit_are_no_linear_head(scale, zero, axis, read):
    """The runtime finds some of these only when it runs, or never."""
    stored = {"stored": W.astype(np.uint8), "zero": np.ones(zero, np.uint8)}
    model = onnx.load_from_string(
        head(
            ("DequantizeLinear", ["stored", "scale", "zero"], ["real"], {"axis": axis}),
            weights={"scale": np.full(scale, 2, np.float32)},
            matrix="real",
        )
    )
    model.graph.initializer.extend(onnx.numpy_helper.from_array(each, name) for name, each in stored.items())
    found = Graph(model.SerializeToString()).linear_head("probabilities", "features")
    assert np.array_equal(found, 2 * (W - 1).T) if read else found is None


def test_layers_that_lack_inputs_are_no_linear_head():
    for kind, inputs in (("Add", ["product"]), ("MatMul", ["flat"]), ("Softmax", [])):
        model = onnx.load_from_string(head())
        node = next(each for each in model.graph.node if each.op_type == kind)
        node.ClearField("input")
        node.input.extend(inputs)
        assert Graph(model.SerializeToString()).linear_head("probabilities", "features") is None


def test_constants_of_other_sizes_than_they_say_are_none():
    for dims in ([4], [1 << 62, 1 << 62], 100 * [1], [-1]):
        model = onnx.load_from_string(head())
        tensor = next(each for each in model.graph.initializer if each.name == "w")
        tensor.ClearField("dims")
        tensor.dims.extend(dims)
        assert Graph(model.SerializeToString()).linear_head("probabilities", "features") is None


@pytest.mark.parametrize("data", [b"no model", b"\xff" * 40, b"\x3a\x7f"])
def test_other_bytes_are_refused(data):
    with pytest.raises(ModelError, match="expected an ONNX model, got bytes that are none"):
        Graph(data)


def test_a_file_that_is_cut_off_is_refused():
    data = (WEIGHTS / "mien-s.int8.onnx").read_bytes()
    with pytest.raises(ModelError, match="expected an ONNX model, got bytes that are none: a field that reaches past"):
        Graph(data[: len(data) // 2])
