"""An ONNX file as a function of arrays, and what is said of a file that is none."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import ModelError, UsageError
from mien.runtime.session import Session, default_threads, file_sha256

HEADS = ("probabilities_ferplus", "probabilities_fer2013")


@pytest.fixture(scope="module")
def session(tiny_model_bytes: bytes) -> Session:
    return Session(tiny_model_bytes, threads=1, device="cpu")


def faces(n: int) -> np.ndarray:
    return np.random.default_rng(1).random((n, 1, 48, 48), np.float32)


def test_names_and_shapes(session: Session) -> None:
    assert session.input_names == ("image",)
    assert session.input_shapes == {"image": (None, 1, 48, 48)}
    assert session.output_names == ("features", *HEADS)
    assert session.output_shapes == {"features": (None, 1, 4, 4), HEADS[0]: (None, 8), HEADS[1]: (None, 7)}
    assert session.device == "cpu"


def test_all_outputs_or_those_asked_for_in_their_order(session: Session) -> None:
    everything = session.run(None, image=faces(3))
    assert {name: each.shape for name, each in everything.items()} == {
        "features": (3, 1, 4, 4),
        HEADS[0]: (3, 8),
        HEADS[1]: (3, 7),
    }
    some = session.run([HEADS[1], "features"], image=faces(3))
    assert list(some) == [HEADS[1], "features"]
    np.testing.assert_array_equal(some["features"], everything["features"])


def test_an_array_that_is_not_contiguous_gives_the_same(session: Session) -> None:
    values = faces(4)
    flipped = session.run(None, image=values[:, :, :, ::-1])[HEADS[0]]
    np.testing.assert_array_equal(flipped, session.run(None, image=values[:, :, :, ::-1].copy())[HEADS[0]])


@pytest.mark.parametrize(
    ("names", "arrays"),
    [
        (None, {"picture": faces(1)}),
        (None, {}),
        (None, {"image": faces(1), "more": faces(1)}),
        (["probabilities_rafdb"], {"image": faces(1)}),
        (None, {"image": faces(1)[:, :, :40]}),
        (None, {"image": faces(1).astype(np.float64)}),
        (None, {"image": faces(1)[0]}),
    ],
)
def test_arrays_that_do_not_fit(session: Session, names: list[str] | None, arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(ModelError, match="expected .* got") as caught:
        session.run(names, **arrays)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"not a network", b"\x00" * 64, b"<html></html>", bytes(range(256)) * 8])
def test_a_file_that_is_no_network(data: bytes, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError, match="expected an ONNX model in .*broken.onnx, got: ") as caught:
        Session(path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")  # the error says it once; the runtime must not print it again


def test_every_cut_of_a_network_is_refused_or_loads(tiny_model_bytes: bytes) -> None:
    refused = 0
    for length in range(1, len(tiny_model_bytes), 97):
        try:
            Session(tiny_model_bytes[:length], threads=1, device="cpu")
        except ModelError:
            refused += 1
    assert refused == len(range(1, len(tiny_model_bytes), 97))


def test_a_name_that_is_no_text(tiny_model_bytes: bytes) -> None:
    assert tiny_model_bytes.count(b"features") > 1
    with pytest.raises(ModelError, match="expected names in UTF-8 in the model the given bytes, got: "):
        Session(tiny_model_bytes.replace(b"features", b"feature\xa1"), threads=1, device="cpu")


def test_a_missing_empty_or_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"expected a model file at .*absent.onnx, got no such file"):
        Session(tmp_path / "absent.onnx")
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(ModelError, match=r"empty.onnx, got an empty file"):
        Session(tmp_path / "empty.onnx")
    with pytest.raises(ModelError, match="expected a readable model file"):
        Session(tmp_path)


def test_weights_in_a_further_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A model from a stranger must not read what lies on this machine, not even beside it."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto
    np.arange(4, dtype=np.float32).tofile(tmp_path / "secret.bin")
    weights = kind(name="w", data_type=kind.FLOAT, dims=[4], data_location=kind.EXTERNAL)
    weights.external_data.add(key="location", value="secret.bin")
    values = [helper.make_tensor_value_info(name, kind.FLOAT, ["n", 4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", values[:1], values[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ModelError, match=r"whose weights stand in .* got one that reads 'w' from another file, 'secret.bin'"
    ):
        Session(path)
    assert capfd.readouterr() == ("", "")


def test_devices_and_threads(tiny_model_bytes: bytes) -> None:
    import onnxruntime

    with pytest.raises(UsageError, match="expected a device out of auto, cpu, cuda, got 'gpu'"):
        Session(tiny_model_bytes, device="gpu")
    with pytest.raises(UsageError, match="expected 1 thread or more, got 0"):
        Session(tiny_model_bytes, threads=0)
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        assert Session(tiny_model_bytes, device="auto").device == "cpu"
        with pytest.raises(UsageError, match="install onnxruntime-gpu"):
            Session(tiny_model_bytes, device="cuda")


def test_as_many_threads_as_the_process_may_use_up_to_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(3)), raising=False)
    assert default_threads() == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert default_threads() == 8
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert default_threads() == 1


def test_a_path_beyond_ascii(tiny_model_bytes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "Gefühle 表情" / "modèle.onnx"
    path.parent.mkdir()
    path.write_bytes(tiny_model_bytes)
    assert Session(path, threads=1).name == str(path)
    assert file_sha256(path) == hashlib.sha256(tiny_model_bytes).hexdigest()


def test_threads_share_a_session(session: Session) -> None:
    batches = [np.full((2, 1, 48, 48), i / 10, np.float32) + faces(2) for i in range(24)]
    expected = [session.run(None, image=batch)[HEADS[0]] for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda batch: session.run(None, image=batch)[HEADS[0]], batches))
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got, wanted)
