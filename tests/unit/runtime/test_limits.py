"""What a network from strangers may not do. Models are made with the package onnx, which mien itself does not use."""

import os
import subprocess
import sys
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
        check(made.SerializeToString(), "net.onnx")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def same() -> Any:
    return helper.make_node("Identity", ["x"], ["y"])


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


def test_functions_of_the_file_itself_are_not_custom() -> None:
    function = helper.make_function(
        "my.domain", "Same", ["a"], ["b"], [helper.make_node("Identity", ["a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    made = model(helper.make_node("Same", ["x"], ["y"], domain="my.domain"), functions=[function])
    check(made.SerializeToString(), "net.onnx")
    assert Session(made.SerializeToString(), threads=1).run(None, x=np.ones((1, 4), np.float32))["y"].tolist() == [
        [1] * 4
    ]


@pytest.mark.parametrize("kind", ["Loop", "Scan", "SequenceMap"])
def test_loops_are_refused(kind: str) -> None:
    said = f"expected a net of layers in net.onnx, got a loop ({kind}): export it without"
    assert refused(model(helper.make_node(kind, ["x"], ["y"]))) == said


def test_claimed_sizes_are_refused_before_anything_is_reserved() -> None:
    said = "expected tensors of at most 536,870,912 values in net.onnx, got 'w' of 1048576 x 1048576"
    assert refused(model(same(), tensors=[tensor("w", [1 << 20, 1 << 20])])) == said
    assert "got 'w' of" in refused(model(same(), tensors=[tensor("w", [-1])]))


def test_networks_in_networks_have_an_end() -> None:
    inner = helper.make_graph([same()], "then", [], [])
    for _ in range(20):
        inner = helper.make_graph([helper.make_node("If", ["b"], ["y"], then_branch=inner)], "then", [], [])
    assert "networks in networks, more than 16 deep" in refused(model(*inner.node))


def test_too_many_layers_and_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(limits, "MOST_LAYERS", 2)
    assert refused(model(same(), same(), same())) == "expected at most 2 layers in net.onnx, got 3"
    monkeypatch.setattr(limits, "MOST_BYTES", 10)
    assert refused(model(same())).startswith("expected at most 10 bytes of an ONNX model in net.onnx, got ")
    monkeypatch.setattr("mien.runtime.session.MOST_BYTES", 10)
    (tmp_path / "net.onnx").write_bytes(bytes(11))
    with pytest.raises(ModelError, match=r"expected a model of at most 10 bytes at .*net\.onnx, got a larger file"):
        read_weights(tmp_path / "net.onnx")


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
