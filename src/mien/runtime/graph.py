"""What an ONNX file says of its last layer, read without the package onnx, which those who use a model need not have.

An ONNX file is a message of protocol buffers. The few fields that are needed here are named where they are read; their
numbers are those of onnx.proto3 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.core.errors import ModelError
from mien.core.types import Floats
from mien.runtime.protobuf import fields, packed, text

Values = npt.NDArray[np.generic]

_TYPES = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 10: "<f2"}  # of tensors

# Layers that pass on what they get: the same numbers, or the same in another form.
_SAME = {"Identity", "Cast", "Dropout", "QuantizeLinear", "DequantizeLinear"}
_RESHAPED = {"Flatten", "Reshape", "Squeeze"}
_MEANS = {"ReduceMean", "GlobalAveragePool"}

# A head is a few layers and a small matrix. What leads further was made to keep us busy, and is no linear head.
_MOST_STEPS = 200
_MOST_WEIGHTS = 1 << 20


@dataclass(frozen=True)
class Node:
    """A layer: what it does, the names of what it takes and gives, its whole numbers, and the constant in it."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: Mapping[str, int]
    value: Values | None = None


class Graph:
    """The layers and constants of an ONNX file.

    Args:
        data: the bytes of the file.

    Raises:
        ModelError: they are no ONNX file.
    """

    def __init__(self, data: bytes) -> None:
        self.constants: dict[str, Values] = {}
        self.makers: dict[str, Node] = {}
        try:
            for field, graph in fields(memoryview(data)):
                if field == 7 and not isinstance(graph, int):  # ModelProto.graph
                    self._read(graph)
        except (IndexError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"expected an ONNX model, got bytes that are none: {error}") from error

    def _read(self, graph: memoryview) -> None:
        for field, value in fields(graph):
            if field == 5 and not isinstance(value, int):  # GraphProto.initializer
                name, tensor = _tensor(value)
                if tensor is not None:
                    self.constants[name] = tensor
            elif field == 1 and not isinstance(value, int):  # GraphProto.node
                node = _node(value)
                self.makers |= dict.fromkeys(node.outputs, node)
                if node.value is not None:
                    self.constants |= dict.fromkeys(node.outputs[:1], node.value)

    def linear_head(self, output: str, features: str) -> Floats | None:
        """The weights of a head that is a linear layer on the mean of the feature map.

        Args:
            output: that holds the head's probabilities.
            features: that holds the feature map (N, F, h, w).

        Returns:
            (K, F) float32; None where the head is of another kind, or sees something else than this mean.
        """
        return _Way(self).linear_head(output, features)


class _Way:
    """From a value back to what it is made of. After `_MOST_STEPS` layers a value counts as one that no layer made.

    That is safe: it is no constant then and no mean, and where it is a map, its own name says which.
    """

    def __init__(self, graph: Graph) -> None:
        self._constants, self._makers = graph.constants, graph.makers
        self._steps = 0

    def linear_head(self, output: str, features: str) -> Floats | None:
        """See `Graph.linear_head`."""
        maker = self._maker(output)
        if maker is None or maker.kind != "Softmax":
            return None
        maker = self._maker(maker.inputs[0])
        while maker is not None and maker.kind == "Add" and len(maker.inputs) == 2:  # of the bias
            constant, other = maker.inputs if self._constant(maker.inputs[0]) is not None else maker.inputs[::-1]
            maker = self._maker(other) if self._constant(constant) is not None else None
        if maker is None or maker.kind not in ("Gemm", "MatMul") or len(maker.inputs) < 2:
            return None
        weights = self._constant(maker.inputs[1])
        if weights is None or weights.ndim != 2 or maker.numbers.get("transA"):
            return None
        if not maker.numbers.get("transB"):
            weights = weights.T
        means = self._means(maker.inputs[0])
        return weights if means is not None and means == self._parts(features) else None

    def _step(self, name: str) -> Node | None:
        """The layer that made a value of others."""
        self._steps += 1
        node = self._makers.get(name) if self._steps <= _MOST_STEPS else None
        return node if node is not None and node.inputs else None

    def _root(self, name: str) -> tuple[str, Node | None]:
        """The name of a value before it was passed on as it is, and the layer that made it."""
        while (node := self._step(name)) is not None and node.kind in _SAME:
            name = node.inputs[0]
        return name, node

    def _maker(self, name: str) -> Node | None:
        return self._root(name)[1]

    def _constant(self, name: str) -> Floats | None:
        """A constant as it is computed with: cast, dequantised, transposed."""
        if name in self._constants:
            stored = self._constants[name]
            return stored.astype(np.float32, copy=False) if stored.size <= _MOST_WEIGHTS else None
        node = self._step(name)
        if node is None:
            return None
        values = self._constant(node.inputs[0])
        if values is None or node.kind in ("Identity", "Cast"):
            return values
        if node.kind == "Transpose" and values.ndim == 2:
            return values.T
        if node.kind == "DequantizeLinear":
            how = [self._constant(each) for each in node.inputs[1:3]]
            return _dequantised(values, how, node.numbers.get("axis", 1))
        return None

    def _means(self, name: str) -> list[str] | None:
        """The maps whose means over places stand side by side in a value; None where it is anything else."""
        maker = self._maker(name)
        if maker is None:
            return None
        if maker.kind in _MEANS:
            return self._parts(maker.inputs[0])
        if maker.kind in _RESHAPED:
            return self._means(maker.inputs[0])
        if maker.kind == "Concat":
            parts = [self._means(each) for each in maker.inputs]
            return None if any(each is None for each in parts) else [one for each in parts for one in each or ()]
        return None

    def _parts(self, name: str) -> list[str]:
        """The maps that stand side by side in a map."""
        root, maker = self._root(name)
        if maker is not None and maker.kind == "Concat":
            return [one for each in maker.inputs for one in self._parts(each)]
        return [root]


def _dequantised(values: Floats, how: Sequence[Floats | None], axis: int) -> Floats | None:
    """Values with a scale and maybe a zero point, one for all or one a channel; None where they do not fit."""
    scale = how[0] if how else None
    zero = how[1] if len(how) > 1 else np.zeros(1, np.float32)
    if scale is None or zero is None or zero.size not in (1, scale.size):
        return None
    shape = [1] * values.ndim
    if scale.size != 1:  # one a channel
        if not -values.ndim <= axis < values.ndim or values.shape[axis] != scale.size:
            return None
        shape[axis] = scale.size
    zero = np.broadcast_to(zero.ravel(), scale.size)
    result: Floats = (values - zero.reshape(shape)) * scale.reshape(shape)
    return result


def _node(message: memoryview) -> Node:
    inputs: list[str] = []
    outputs: list[str] = []
    kind = ""
    numbers: dict[str, int] = {}
    constant: Values | None = None
    for field, value in fields(message):
        if isinstance(value, int):
            continue
        if field in (1, 2):  # NodeProto.input, output
            (inputs if field == 1 else outputs).append(text(value))
        elif field == 4:  # op_type
            kind = text(value)
        elif field == 5:  # attribute
            name, number, tensor = _attribute(value)
            numbers[name] = number
            constant = tensor if name == "value" else constant
    return Node(kind, tuple(inputs), tuple(outputs), numbers, constant)


def _attribute(message: memoryview) -> tuple[str, int, Values | None]:
    """Name, whole number and tensor of an attribute; 0 and None where it has none."""
    name, number, tensor = "", 0, None
    for field, value in fields(message):
        if field == 3 and isinstance(value, int):  # AttributeProto.i
            number = value - (1 << 64) if value >> 63 else value
        elif field == 1 and not isinstance(value, int):  # name
            name = text(value)
        elif field == 5 and not isinstance(value, int):  # t
            tensor = _tensor(value)[1]
    return name, number, tensor


def _tensor(message: memoryview) -> tuple[str, Values | None]:
    """Name and values of a tensor; None of a type that no weight has."""
    name, kind, raw = "", 0, b""
    sizes: list[int] = []
    parts: list[memoryview] = []
    whole: list[int] = []
    for field, value in fields(message):
        if field == 1:  # TensorProto.dims
            sizes += [value] if isinstance(value, int) else packed(value)
        elif field == 2 and isinstance(value, int):  # data_type
            kind = value
        elif field == 5:  # int32_data, which holds all small types
            whole += [value] if isinstance(value, int) else packed(value)
        elif isinstance(value, int):
            continue
        elif field == 4:  # float_data
            parts.append(value)
        elif field == 8:  # name
            name = text(value)
        elif field == 9:  # raw_data
            raw = bytes(value)
    if kind not in _TYPES:
        return name, None
    of = np.dtype(_TYPES[kind])
    try:
        if whole:  # negative numbers are those of 64 bits, float16 its bits
            wide = np.array(whole, np.uint64).astype(np.int64)
            array = wide.astype(np.uint16).view(of) if of == np.float16 else wide.astype(of)
        else:
            array = np.frombuffer(raw or b"".join(parts), of)
        return name, array.reshape(sizes)
    except (ValueError, OverflowError):  # other sizes than those of its values
        return name, None
