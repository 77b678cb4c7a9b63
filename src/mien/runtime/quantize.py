"""Smaller and faster weights: int8 nets calibrated on faces, float32 nets stored as float16."""

import contextlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mien.core.optional import require

Batches = Iterable[npt.NDArray[np.float32] | dict[str, npt.NDArray[np.float32]]]

_SMALLEST_CAST = 64  # values; smaller constants stay float32, they save nothing
_LARGEST_FLOAT16 = 65504

# What is computed in integers. All else stays float32, the softmax above all: 256 steps are too few for probabilities.
_QUANTIZED = ["Conv", "Relu", "Add", "Gemm", "MatMul", "GlobalAveragePool", "AveragePool", "MaxPool"]


def quantize_int8(
    source: Path,
    target: Path,
    faces: Batches,
    *,
    ranges: Literal["minmax", "percentile", "entropy"] = "minmax",
) -> None:
    """Write a static int8 version of a float32 ONNX net.

    Activations are unsigned, weights signed and scaled per channel, in QDQ form; softmax stays float32. Needs the
    extra `train`.

    Args:
        source: float32 ONNX file.
        target: file to write.
        faces: batches (N, C, size, size) of typical input, as `preprocess.to_tensor` gives them; they fix the ranges.
            Of a net with several inputs, a batch is a dict of them by name.
        ranges: of activations, from their least to their greatest value, or leaving out rare ones; the latter two
            hold all activations of all faces in memory.
    """
    require("onnx", extra="train")
    quantization = require("onnxruntime.quantization", extra="train")
    preparation = require("onnxruntime.quantization.shape_inference", extra="train")
    methods = {
        "minmax": quantization.CalibrationMethod.MinMax,
        "percentile": quantization.CalibrationMethod.Percentile,
        "entropy": quantization.CalibrationMethod.Entropy,
    }
    with TemporaryDirectory() as folder, _quiet():
        prepared = Path(folder) / "prepared.onnx"
        preparation.quant_pre_process(str(source), str(prepared))
        quantization.quantize_static(
            str(prepared),
            str(target),
            _Reader(source, faces),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=_QUANTIZED,
            calibrate_method=methods[ranges],
        )


def store_float16(source: Path, target: Path) -> None:
    """Write a float32 ONNX net with its weights as float16, each cast to float32 as the file is loaded.

    Half the size at the speed of float32: ONNX Runtime folds the casts when it loads the file. Weights beyond the range
    of float16 stay float32. Needs the extra `train`.
    """
    onnx = require("onnx", extra="train")
    model = onnx.load(str(source))
    graph = model.graph
    casts = []
    for tensor in list(graph.initializer):
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _SMALLEST_CAST or np.abs(values).max() > _LARGEST_FLOAT16:
            continue
        stored = f"{tensor.name}.float16"
        casts.append(onnx.helper.make_node("Cast", [stored], [tensor.name], to=onnx.TensorProto.FLOAT))
        graph.initializer.remove(tensor)
        graph.initializer.append(onnx.numpy_helper.from_array(values.astype(np.float16), stored))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(target))


class _Reader:
    """Hands out calibration batches in the form that ONNX Runtime asks for."""

    def __init__(self, source: Path, faces: Batches) -> None:
        from mien.runtime.session import Session

        self._name = Session(source, threads=1, device="cpu").input_names[0]
        self._faces = iter(faces)

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._faces, None)
        return batch if batch is None or isinstance(batch, dict) else {self._name: batch}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser logs hints on the root logger; they are ours to know, not the user's."""
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logging.root.setLevel(level)
