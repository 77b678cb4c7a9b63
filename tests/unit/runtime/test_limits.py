"""What a network from strangers may not do. Models are made with the package onnx, which mien itself does not use."""

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.core.errors import ModelError, UsageError
from mien.runtime import limits
from mien.runtime.limits import check
from mien.runtime.session import Session, read_weights
from mien.zoo.store import WEIGHTS

onnx = pytest.importorskip("onnx")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT


def model(*nodes: Any, tensors: Sequence[Any] = (), **more: Any) -> Any:
    values = [helper.make_tensor_value_info(name, FLOAT, ["n", 4]) for name in ("x", "y")]
    graph = helper.make_graph(list(nodes), "g", values[:1], values[1:], list(tensors))
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("my.domain", 1)]
    return helper.make_model(graph, opset_imports=domains, ir_version=8, **more)


def tensor(name: str, dims: Sequence[int], location: str = "") -> Any:
    made = onnx.TensorProto(name=name, data_type=FLOAT, dims=dims)
    if location:
        made.data_location = onnx.TensorProto.EXTERNAL
        made.external_data.add(key="location", value=location)
    return made


def refused(made: Any) -> str:
    with pytest.raises(ModelError) as caught:
        check(made if isinstance(made, bytes) else made.SerializeToString(), "net.onnx")
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def same() -> Any:
    return helper.make_node("Identity", ["x"], ["y"])


def function(name: str, *calls: str) -> Any:
    """A function of the domain my.domain that calls these of it, one after another, and one layer of ONNX."""
    names = ["a", *(f"t{k}" for k in range(len(calls))), "b"]
    nodes = [
        helper.make_node(kind, names[k : k + 1], names[k + 1 : k + 2], domain="my.domain" if k < len(calls) else "")
        for k, kind in enumerate([*calls, "Relu"])
    ]
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("my.domain", 1)]
    return helper.make_function("my.domain", name, ["a"], ["b"], nodes, domains)


def with_functions(*functions: Any) -> Any:
    """A net that calls the last of them."""
    return model(helper.make_node(functions[-1].name, ["x"], ["y"], domain="my.domain"), functions=list(functions))


def number(value: int) -> bytes:
    """A whole number as protocol buffers write it."""
    parts = [value >> shift & 0x7F for shift in range(0, max(1, value.bit_length()), 7)]
    return bytes([*(each | 0x80 for each in parts[:-1]), parts[-1]])


def in_graph(content: bytes) -> bytes:
    """A net whose network has these bytes at its end."""
    made = model(same())
    graph = made.graph.SerializeToString() + content
    made.ClearField("graph")
    return bytes(made.SerializeToString() + number(7 << 3 | 2) + number(len(graph)) + graph)


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/etc/passwd"])
def test_external_data_is_refused_wherever_it_stands(location: str) -> None:
    elsewhere = tensor("w", [4], location)
    constant = helper.make_node("Constant", [], ["c"], value=elsewhere)
    branch = helper.make_graph([constant], "then", [], [helper.make_tensor_value_info("c", FLOAT, [4])])
    choice = helper.make_node("If", ["b"], ["y"], then_branch=branch, else_branch=branch)
    held = helper.make_graph([same()], "then", [], [], [elsewhere])
    inner = helper.make_node("If", ["b"], ["y"], then_branch=held, else_branch=held)
    for made in (model(same(), tensors=[elsewhere]), model(constant, same()), model(choice), model(inner)):
        assert refused(made) == (
            "expected a model whose weights stand in net.onnx itself, got one that reads 'w' from another file, "
            f"{location!r} (external data): save it as one file"
        )


def test_operators_of_others_are_refused() -> None:
    assert refused(model(helper.make_node("Evil", ["x"], ["y"], domain="my.domain"))) == (
        "expected operators of ONNX in net.onnx, got my.domain.Evil: export it without custom operators"
    )
    assert "got one that names another file (EPContext)" in refused(
        model(helper.make_node("EPContext", ["x"], ["y"], domain="com.microsoft"))
    )


def test_operators_are_seen_as_the_runtime_sees_them() -> None:
    """It takes no number for a text, and of the number of a field the last 32 bits."""
    loop = helper.make_node("Loop", ["x"], ["z"]).SerializeToString()
    hidden = loop + number(4 << 3 | 1) + b"Identity"  # eight bytes under the number of the operator
    assert "got a loop (Loop)" in refused(in_graph(number(1 << 3 | 2) + number(len(hidden)) + hidden))
    wide = number(1 << 32 | 1 << 3 | 2) + number(len(loop)) + loop
    assert refused(in_graph(wide)).endswith("got: a field of a number beyond 32 bits")


def test_functions_of_the_file_itself_are_not_custom() -> None:
    made = with_functions(function("inner"), function("outer", "inner", "inner"))
    check(made.SerializeToString(), "net.onnx")
    x = np.array([[-1, 0, 1, 2]], np.float32)
    assert Session(made.SerializeToString(), threads=1).run(None, x=x)["y"].tolist() == [[0, 0, 1, 2]]
    assert "got my.domain.other: export it" in refused(with_functions(function("inner"), function("outer", "other")))


def test_layers_of_functions_count_at_every_call() -> None:
    bomb = [function("f0")] + [function(f"f{k}", *10 * [f"f{k - 1}"]) for k in range(1, 5)]
    said = "expected at most 10,000 layers in net.onnx, got 22,222 at all calls of functions"
    assert refused(with_functions(*bomb)) == said
    check(model(same(), functions=bomb).SerializeToString(), "net.onnx")  # which calls none of them
    branch = helper.make_graph([helper.make_node("f4", ["x"], ["y"], domain="my.domain")], "then", [], [])
    inside = model(helper.make_node("If", ["c"], ["y"], then_branch=branch), functions=bomb)
    assert refused(inside) == said.replace("22,222", "22,223")


def test_functions_have_an_end() -> None:
    said = "expected an ONNX model in net.onnx, got: functions that call functions, more than 16 deep"
    assert refused(with_functions(function("f", "f"))) == said
    assert refused(with_functions(function("f", "g"), function("g", "f"))) == said
    chain = [function("f0")] + [function(f"f{k}", f"f{k - 1}") for k in range(1, 17)]
    assert refused(with_functions(*chain)) == said
    check(with_functions(*chain[:-1]).SerializeToString(), "net.onnx")


@pytest.mark.parametrize("kind", ["Loop", "Scan", "SequenceMap"])
def test_loops_are_refused(kind: str) -> None:
    said = f"expected a net of layers in net.onnx, got a loop ({kind}): export it without"
    assert refused(model(helper.make_node(kind, ["x"], ["y"]))) == said


def test_claimed_sizes_are_refused_before_anything_is_reserved() -> None:
    said = "expected tensors of at most 536,870,912 values in net.onnx, got 'w' of 1048576 x 1048576"
    assert refused(model(same(), tensors=[tensor("w", [1 << 20, 1 << 20])])) == said
    assert "got 'w' of" in refused(model(same(), tensors=[tensor("w", [-1])]))
    sparse = onnx.SparseTensorProto(dims=[1 << 20, 1 << 20])
    constant = helper.make_node("Constant", [], ["c"], sparse_value=sparse)
    assert "got a sparse one of 1048576 x 1048576" in refused(model(constant, same()))


def test_dimensions_without_end_are_not_multiplied() -> None:
    said = "expected an ONNX model in net.onnx, got: a tensor of more than 16 dimensions"
    assert refused(model(same(), tensors=[tensor("w", 50_000 * [2])])) == said
    assert refused(model(same(), tensors=[tensor("w", 17 * [1])])) == said
    check(model(same(), tensors=[tensor("w", 16 * [1])]).SerializeToString(), "net.onnx")
    dims = 50_000 * b"\2"  # together in one field
    packed = number(1 << 3 | 2) + number(len(dims)) + dims
    assert refused(in_graph(number(5 << 3 | 2) + number(len(packed)) + packed)) == said


def test_networks_in_networks_have_an_end() -> None:
    inner = helper.make_graph([same()], "then", [], [])
    for _ in range(20):
        inner = helper.make_graph([helper.make_node("If", ["b"], ["y"], then_branch=inner)], "then", [], [])
    said = "networks in networks, or types in types, more than 16 deep"
    assert said in refused(model(*inner.node))
    kind = helper.make_tensor_type_proto(FLOAT, [1])
    for _ in range(20):
        kind = helper.make_sequence_type_proto(kind)
    made = model(same())
    made.graph.value_info.append(helper.make_value_info("z", kind))
    assert said in refused(made)


def test_too_many_layers_and_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(limits, "MOST_LAYERS", 2)
    assert refused(model(same(), same(), same())) == "expected at most 2 layers in net.onnx, got more"
    monkeypatch.setattr(limits, "MOST_BYTES", 10)
    assert refused(model(same())).startswith("expected at most 10 bytes of an ONNX model in net.onnx, got ")
    monkeypatch.setattr("mien.runtime.session.MOST_BYTES", 10)
    (tmp_path / "net.onnx").write_bytes(bytes(11))
    with pytest.raises(ModelError, match=r"expected a model of at most 10 bytes at .*net\.onnx, got a larger file"):
        read_weights(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x0a\x00", "expected at most 1,000 layers in net.onnx, got more"),
        (b"\x2a\x00", "expected an ONNX model in net.onnx, got: more than 10,000 fields"),  # tensors
        (b"\x6a\x00", "expected an ONNX model in net.onnx, got: more than 10,000 fields"),  # shapes
    ],
)
def test_of_what_comes_without_end_nothing_is_kept(monkeypatch: pytest.MonkeyPatch, content: bytes, said: str) -> None:
    monkeypatch.setattr(limits, "MOST_LAYERS", 1000)
    monkeypatch.setattr(limits, "MOST_FIELDS", 10_000)
    data = in_graph(50_000 * content)
    tracemalloc.start()
    try:
        assert refused(data) == said
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_the_bundled_models_pass() -> None:
    for path in WEIGHTS.glob("*.onnx"):
        check(path.read_bytes(), path.name)


COMPUTED = """
import numpy as np, sys
from mien.core.errors import ModelError
from mien.runtime.session import Session
try:
    Session(sys.argv[1], threads=1, device="cpu").run(None, x=np.ones((1, 4), np.float32))
except ModelError as error:
    print(error)
"""


def test_sizes_that_are_computed_find_their_bound(tmp_path: Path) -> None:
    """In a process of its own: the bound belongs to one."""
    shape = onnx.numpy_helper.from_array(np.array([400_000_000], np.int64), "s")
    made = model(helper.make_node("ConstantOfShape", ["s"], ["big"]), same(), tensors=[shape])
    made.graph.output.append(helper.make_tensor_value_info("big", FLOAT, [None]))
    (tmp_path / "net.onnx").write_bytes(made.SerializeToString())
    line = [sys.executable, "-c", COMPUTED, str(tmp_path / "net.onnx")]
    environment = os.environ | {"MIEN_MODEL_MEMORY_MB": "256"}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == (
        f"expected {tmp_path / 'net.onnx'} to take the given arrays, got: a need of more memory than 256 MB: if it is "
        "worth it, set MIEN_MODEL_MEMORY_MB\n"
    )


def test_a_bound_that_is_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_MODEL_MEMORY_MB", "much")
    with pytest.raises(UsageError, match=r"expected a number of megabytes as \$MIEN_MODEL_MEMORY_MB, got 'much'"):
        limits.bound_memory.__wrapped__(None)
