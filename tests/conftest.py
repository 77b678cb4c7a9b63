"""Fixtures that several rooms' tests share."""

import gc
import hashlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import Shelf
from hypothesis import settings

from mien.core.labels import LABEL_SETS
from mien.runtime.card import Card, Head, InputSpec, WeightFile

# How long an example takes says nothing on a machine that does other things too.
settings.register_profile("mien", deadline=None)
settings.load_profile("mien")

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_finish() -> None:
    """Millions of objects of packages and tests stay to the end: no later collection of garbage goes through them."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """What is still there at the end would be called a leak."""
    gc.unfreeze()


# What CI's machine may lack for a good reason; whatever else is skipped there was not tested.
_EXCUSED = (
    "needs CUDA",
    "needs Windows",
    "needs macOS",
    "root may write",
    "+SKIP option",  # an example in a docstring that only shows
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skip is a failure: data and packages are there, so a test that did not run is broken."""
    return _refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file."""
    return _refuse_skip((yield))


def _refuse_skip(report: Any) -> Any:
    if not (os.environ.get("CI") and report.skipped) or hasattr(report, "wasxfail"):
        return report
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if not any(excuse in reason for excuse in _EXCUSED):
        report.outcome = "failed"
        report.longrepr = f"skipped, which is a failure in CI: {reason.removeprefix('Skipped: ')}"
    return report


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the real data; a test that needs it skips where it is absent, and fails in CI."""
    folder = Path(os.environ.get("MIEN_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        message = f"expected data at {folder}, got none: set MIEN_DATA"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of the two bundled photographs."""
    return ROOT / "src" / "mien" / "samples"


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Clips made by ffmpeg from the bundled photographs: ``clips["crossing"]``, each made once."""
    return Shelf(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def tiny_model_bytes() -> bytes:
    """An ONNX net of two small heads on grey 48x48 crops, with random weights; its answers follow the picture."""
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper, kind = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT
    rng = np.random.default_rng(5)
    nodes = [
        helper.make_node("AveragePool", ["image"], ["features"], kernel_shape=[12, 12], strides=[12, 12]),
        helper.make_node("Flatten", ["features"], ["flat"]),
    ]
    weights, outputs = [], [helper.make_tensor_value_info("features", kind, ["n", 1, 4, 4])]
    for head in ("ferplus", "fer2013"):
        k = len(LABEL_SETS[head])
        weights.append(numpy_helper.from_array(rng.normal(size=(16, k)).astype(np.float32), f"w_{head}"))
        nodes.append(helper.make_node("MatMul", ["flat", f"w_{head}"], [f"logits_{head}"]))
        nodes.append(helper.make_node("Softmax", [f"logits_{head}"], [f"probabilities_{head}"], axis=1))
        outputs.append(helper.make_tensor_value_info(f"probabilities_{head}", kind, ["n", k]))
    image = helper.make_tensor_value_info("image", kind, ["n", 1, 48, 48])
    graph = helper.make_graph(nodes, "tiny", [image], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.fixture
def tiny_model(tiny_model_bytes: bytes, tmp_path: Path) -> Path:
    """`tiny_model_bytes` as a file with its card beside it: the path of ``tiny.onnx``."""
    folder = tmp_path / "tiny model"
    folder.mkdir()
    path = folder / "tiny.onnx"
    path.write_bytes(tiny_model_bytes)
    file = WeightFile(path.name, hashlib.sha256(tiny_model_bytes).hexdigest(), len(tiny_model_bytes))
    card = Card(
        name="tiny",
        input=InputSpec(size=48, color="gray", mean=(0.5,), std=(0.25,)),
        heads={head: Head(LABEL_SETS[head], f"probabilities_{head}") for head in ("ferplus", "fer2013")},
        default_head="ferplus",
        files={"float32": file},
        default_file="float32",
        features="features",
    )
    path.with_suffix(".toml").write_text(card.dump(), "utf-8")
    return path
