"""What a network from strangers may not do; seen in its file, before the runtime gets it.

An ONNX file is a program, if a small one. It may name other files to read (external data), claim tensors of any size,
run in circles, and call for operators of libraries that are not ONNX's. No net that recognises faces needs any of
these. Field numbers are those of onnx.proto3 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
"""

import functools
import math
import os
from collections.abc import Iterator
from typing import Any

from mien.core.errors import ModelError, UsageError, one_line
from mien.runtime.protobuf import fields, messages, packed, text

MOST_BYTES = 2_000_000_000  # of a file: protocol buffers hold no more
MOST_VALUES = 1 << 29  # of one tensor: 2 GB of float32
MOST_LAYERS = 100_000
MEMORY_MB = 4096  # for all nets of a process together, weights and what they compute
MEMORY = "MIEN_MODEL_MEMORY_MB"  # names another bound

# "" and ai.onnx are ONNX itself; com.microsoft is what the runtime's own quantisation and fusion write.
_DOMAINS = ("", "ai.onnx", "com.microsoft")
_IN_CIRCLES = ("Loop", "Scan", "SequenceMap")
_OF_FILES = ("EPContext",)  # of com.microsoft: takes code for a device out of a file that it names
_DEPTH = 16  # of networks in networks, the branches of an If
_EXTERNAL = 1  # TensorProto.EXTERNAL


def check(data: bytes, name: str) -> None:
    """Look through an ONNX file for what is not allowed.

    Args:
        data: its bytes.
        name: what messages call it.

    Raises:
        ModelError: it is no ONNX file, keeps values in other files, has operators of other domains or loops, claims a
            tensor of more than `MOST_VALUES`, or has more than `MOST_LAYERS`.
    """
    if len(data) > MOST_BYTES:
        raise ModelError(f"expected at most {MOST_BYTES:,} bytes of an ONNX model in {name}, got {len(data):,}")
    model = memoryview(data)
    try:
        graphs = [*messages(model, 7)]  # ModelProto.graph
        functions = [*messages(model, 25)]  # ModelProto.functions: FunctionProto
        own = {text(domain) for each in functions for domain in messages(each, 10)}
        layers = [node for each in graphs for node in _layers(each, 1, 0)]  # GraphProto.node
        layers += [node for each in functions for node in _layers(each, 7, 0)]  # FunctionProto.node
        for node in layers:
            _check_layer(node, own, name)
        tensors = [each for graph in graphs for each in _initializers(graph)]
        tensors += [each for node in layers for each in _tensors_in(node)]
        for tensor in tensors:
            _check_tensor(tensor, name)
    except (ValueError, IndexError) as error:
        raise ModelError(f"expected an ONNX model in {name}, got: {error}") from error
    if len(layers) > MOST_LAYERS:
        raise ModelError(f"expected at most {MOST_LAYERS:,} layers in {name}, got {len(layers):,}")


@functools.cache
def bound_memory(ort: Any) -> None:
    """Let the sessions of this process that ask for it share one bounded store of memory.

    Shapes may be computed, so that no look at a file tells what a net will take; the runtime fails where it takes more.

    Raises:
        UsageError: `$MIEN_MODEL_MEMORY_MB` is no number of megabytes.
    """
    said = _memory_mb()
    if not (said.isdecimal() and int(said) > 0):
        raise UsageError(f"expected a number of megabytes as ${MEMORY}, got {said!r}")
    place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(place, ort.OrtArenaCfg({"max_mem": int(said) << 20}))


def _memory_mb() -> str:
    return os.environ.get(MEMORY, str(MEMORY_MB))


def what_went_wrong(error: Exception) -> str:
    """What the runtime says, in one line; where the store of `bound_memory` is full, how to make it larger."""
    text = one_line(error)
    if "Available memory of" not in str(error):
        return text
    return f"a need of more memory than {_memory_mb()} MB: if it is worth it, set {MEMORY}"


def _layers(graph: memoryview, field: int, depth: int) -> Iterator[memoryview]:
    """The layers of a network, and of those in it."""
    if depth > _DEPTH:
        raise ValueError(f"networks in networks, more than {_DEPTH} deep")
    for node in messages(graph, field):
        yield node
        for attribute in messages(node, 5):  # NodeProto.attribute
            for number in (6, 11):  # AttributeProto.g, graphs
                for inner in messages(attribute, number):
                    yield from _layers(inner, 1, depth + 1)


def _check_layer(node: memoryview, own: set[str], name: str) -> None:
    kind = "".join(text(each) for each in [*messages(node, 4)][-1:])  # NodeProto.op_type: of several the last counts
    domain = "".join(text(each) for each in [*messages(node, 7)][-1:])  # NodeProto.domain
    if domain not in _DOMAINS and domain not in own:
        raise ModelError(
            f"expected operators of ONNX in {name}, got {domain}.{kind}: export it without custom operators"
        )
    if kind in _IN_CIRCLES or kind in _OF_FILES:
        what = "a loop" if kind in _IN_CIRCLES else "one that names another file"
        raise ModelError(f"expected a net of layers in {name}, got {what} ({kind}): export it without")


def _initializers(graph: memoryview) -> Iterator[memoryview]:
    """The tensors of a network."""
    yield from messages(graph, 5)  # GraphProto.initializer
    for sparse in messages(graph, 15):  # GraphProto.sparse_initializer
        yield from _of_sparse(sparse)


def _of_sparse(sparse: memoryview) -> Iterator[memoryview]:
    sizes = _sizes(sparse, 3)  # SparseTensorProto.dims
    if math.prod(sizes) > MOST_VALUES:
        raise ValueError(f"a tensor of {' x '.join(map(str, sizes))} values")
    for number in (1, 2):  # values, indices
        yield from messages(sparse, number)


def _tensors_in(node: memoryview) -> Iterator[memoryview]:
    """The tensors of a layer's attributes, and of the networks in them."""
    for attribute in messages(node, 5):
        for number in (5, 10):  # AttributeProto.t, tensors
            yield from messages(attribute, number)
        for number in (22, 23):  # sparse_tensor, sparse_tensors
            for sparse in messages(attribute, number):
                yield from _of_sparse(sparse)
        for number in (6, 11):
            for inner in messages(attribute, number):
                yield from _initializers(inner)


def _sizes(message: memoryview, field: int) -> list[int]:
    found: list[int] = []
    for number, value in fields(message):
        if number == field:
            found += [value] if isinstance(value, int) else packed(value)
    return found


def _check_tensor(tensor: memoryview, name: str) -> None:
    called, elsewhere, where = "", False, ""
    for number, value in fields(tensor):
        if number == 14 and isinstance(value, int):  # TensorProto.data_location
            elsewhere = elsewhere or value == _EXTERNAL
        elif number == 13 and not isinstance(value, int):  # external_data: pairs of key and value
            key, said = ("".join(map(text, messages(value, part))) for part in (1, 2))
            elsewhere, where = True, said if key == "location" else where
        elif number == 8 and not isinstance(value, int):
            called = text(value)
    if elsewhere:
        raise ModelError(
            f"expected a model whose weights stand in {name} itself, got one that reads {called[:80]!r} from another "
            f"file, {where[:80]!r} (external data): save it as one file"
        )
    sizes = _sizes(tensor, 1)  # TensorProto.dims
    if math.prod(sizes) > MOST_VALUES:
        raise ModelError(
            f"expected tensors of at most {MOST_VALUES:,} values in {name}, got {called[:80]!r} of "
            f"{' x '.join(map(str, sizes[:8]))}"
        )
