"""Smaller weights that give nearly the same answers."""

import sys
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import MissingExtraError
from mien.runtime.quantize import quantize_int8, store_float16
from mien.runtime.session import Session

onnx = pytest.importorskip("onnx")

OUTPUTS = ("probabilities_ferplus", "features")


@pytest.fixture(scope="module")
def float32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small convolutional net in the form of a mien model: (N, 1, 24, 24) -> probabilities and a feature map."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    rng = np.random.default_rng(3)
    shapes = {"w1": (24, 1, 3, 3), "b1": (24,), "w2": (48, 24, 3, 3), "b2": (48,), "w3": (48, 8), "b3": (8,)}
    scales = {"w1": 0.5, "w2": 0.1, "w3": 0.4}
    values = {name: rng.normal(scale=scales.get(name, 0.1), size=shape) for name, shape in shapes.items()}
    weights = [onnx.numpy_helper.from_array(each.astype(np.float32), name) for name, each in values.items()]
    convolution = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], **convolution),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], **convolution),
        helper.make_node("Relu", ["c2"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w3", "b3"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities_ferplus"], axis=1),
    ]
    info = helper.make_tensor_value_info
    outputs = [info("probabilities_ferplus", kind, ["n", 8]), info("features", kind, ["n", 48, 6, 6])]
    graph = helper.make_graph(nodes, "small", [info("image", kind, ["n", 1, 24, 24])], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path_factory.mktemp("float 32 é") / "net.onnx"
    onnx.save(model, str(path))
    return path


def faces(n: int, seed: int = 0) -> np.ndarray:
    """Smooth pictures, like faces: (n, 1, 24, 24)."""
    coarse = np.random.default_rng(seed).normal(size=(n, 1, 6, 6)).astype(np.float32)
    return np.repeat(np.repeat(coarse, 4, 2), 4, 3)


def run(path: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    return Session(path, threads=1, device="cpu").run(None, image=images)


def initializers(path: Path) -> dict[str, np.ndarray]:
    return {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(str(path)).graph.initializer}


# -------------------------------------------------------------------------------------------------------------- int8


@pytest.fixture(scope="module")
def int8(float32: Path) -> Path:
    target = float32.with_name("net.int8.onnx")
    quantize_int8(float32, target, (faces(32, seed) for seed in range(4)))
    return target


def test_int8_gives_nearly_the_same(float32: Path, int8: Path) -> None:
    images = np.concatenate([faces(32, seed=0), faces(32, seed=9)])  # some that fixed the ranges, some new
    wanted, found = run(float32, images), run(int8, images)
    assert set(found) == set(OUTPUTS)
    for name in OUTPUTS:
        assert found[name].dtype == np.float32 and found[name].shape == wanted[name].shape
    np.testing.assert_allclose(found["probabilities_ferplus"].sum(1), 1, atol=1e-5)
    assert np.abs(found["probabilities_ferplus"] - wanted["probabilities_ferplus"]).mean() < 0.01
    assert np.abs(found["features"] - wanted["features"])[:32].max() < 0.02 * wanted["features"].max()


def test_int8_weights_are_signed_and_scaled_by_channel(int8: Path) -> None:
    values = initializers(int8)
    wide = {name: each for name, each in values.items() if each.dtype == np.int8 and each.ndim > 1}
    assert {each.shape for each in wide.values()} >= {(24, 1, 3, 3), (48, 24, 3, 3)}
    assert {each.shape for name, each in values.items() if "scale" in name} >= {(24,), (48,)}
    assert not any(each.dtype == np.float32 and each.size > 48 for each in values.values())


def test_the_softmax_stays_in_float32(int8: Path) -> None:
    graph = onnx.load(str(int8)).graph
    [softmax] = [node for node in graph.node if node.op_type == "Softmax"]
    assert softmax.output[0] == "probabilities_ferplus"  # nothing rounds what it gives
    distinct = np.unique(run(int8, faces(64))["probabilities_ferplus"])
    assert len(distinct) > 400  # 256 steps would be fewer


@pytest.mark.parametrize("ranges", ["percentile", "entropy"])
def test_ranges_may_leave_out_rare_values(float32: Path, int8: Path, tmp_path: Path, ranges: str) -> None:
    quantize_int8(float32, tmp_path / "other.onnx", [faces(16)], ranges=ranges)  # type: ignore[arg-type]
    images = faces(16, seed=9)
    wanted, found = run(float32, images), run(tmp_path / "other.onnx", images)
    assert np.abs(found["probabilities_ferplus"] - wanted["probabilities_ferplus"]).mean() < 0.05
    assert (tmp_path / "other.onnx").read_bytes() != int8.read_bytes()


def test_quantising_leaves_the_log_level_and_no_files(float32: Path, tmp_path: Path) -> None:
    import logging

    level = logging.root.level
    quantize_int8(float32, tmp_path / "net.onnx", [faces(4)])
    assert logging.root.level == level
    assert [each.name for each in tmp_path.iterdir()] == ["net.onnx"]


# ----------------------------------------------------------------------------------------------------------- float16


def test_float16_halves_the_file_and_keeps_the_answers(float32: Path, tmp_path: Path) -> None:
    target = tmp_path / "net.fp16.onnx"
    store_float16(float32, target)
    assert target.stat().st_size < 0.6 * float32.stat().st_size
    images = faces(64)
    wanted, found = run(float32, images), run(target, images)
    assert found["probabilities_ferplus"].dtype == np.float32
    assert np.abs(found["probabilities_ferplus"] - wanted["probabilities_ferplus"]).max() <= 1e-3
    assert 0 < np.abs(found["features"] - wanted["features"]).max() < 1e-2


def test_the_casts_are_gone_when_the_file_is_loaded(float32: Path, tmp_path: Path) -> None:
    """What runs is the float32 net: not a single cast at each call."""
    import onnxruntime

    store_float16(float32, tmp_path / "net.onnx")
    assert [node.op_type for node in onnx.load(str(tmp_path / "net.onnx")).graph.node].count("Cast") == 3
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), options, providers=["CPUExecutionProvider"])
    assert "Cast" not in {node.op_type for node in onnx.load(str(tmp_path / "loaded.onnx")).graph.node}


def test_weights_beyond_float16_stay_float32(float32: Path, tmp_path: Path) -> None:
    model = onnx.load(str(float32))
    [huge] = [each for each in model.graph.initializer if each.name == "w3"]
    values = onnx.numpy_helper.to_array(huge).copy()
    values[0, 0] = 1e6
    huge.CopyFrom(onnx.numpy_helper.from_array(values, "w3"))
    onnx.save(model, str(tmp_path / "huge.onnx"))
    store_float16(tmp_path / "huge.onnx", tmp_path / "net.onnx")
    stored = initializers(tmp_path / "net.onnx")
    assert stored["w3"].dtype == np.float32 and stored["w2.float16"].dtype == np.float16
    assert all(np.isfinite(each).all() for each in stored.values())


def test_without_onnx_the_extra_is_named(float32: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"mien\[train\]"):
        store_float16(float32, tmp_path / "net.onnx")
    with pytest.raises(MissingExtraError, match=r"mien\[train\]"):
        quantize_int8(float32, tmp_path / "net.onnx", [faces(1)])
