"""What a network from strangers may not do; seen in its file, before the runtime gets it.

An ONNX file is a program, if a small one. It may name other files to read (external data), claim tensors of any size,
run in circles, call for operators of libraries that are not ONNX's, and hold functions that call functions, of which
the runtime puts the layers in place of every call. No net that recognises faces needs much of this. Field numbers are
those of onnx.proto3 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3).
"""

import functools
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from mien.core.errors import ModelError, UsageError, one_line
from mien.runtime.protobuf import fields, messages, packed, text

MOST_BYTES = 2_000_000_000  # of a file: protocol buffers hold no more
MOST_VALUES = 1 << 29  # of one tensor: 2 GB of float32
MOST_DIMENSIONS = 16  # of one tensor: the runtime knows no bound, and no layer of a net has more than six
MOST_LAYERS = 10_000  # with those of functions at every call; the runtime's time for some grows with their square
MOST_FIELDS = 500_000  # of messages, two bytes and up: each takes the runtime hundreds, and us a microsecond or more
MEMORY_MB = 4096  # for all nets of a process together, weights and what they compute
MEMORY = "MIEN_MODEL_MEMORY_MB"  # names another bound

# "", or ai.onnx, is ONNX itself; com.microsoft is what the runtime's own quantisation and fusion write.
_DOMAINS = ("", "com.microsoft")
_IN_CIRCLES = ("Loop", "Scan", "SequenceMap")
_OF_FILES = ("EPContext",)  # of com.microsoft: takes code for a device out of a file that it names
_DEPTH = 16  # of networks in networks, the branches of an If; of types in types; of functions that call functions
_EXTERNAL = 1  # TensorProto.EXTERNAL
_NET = ""  # stands for the net itself among the functions

# What is looked through: kinds of messages, and the fields in which they hold others.
_HOLDS = {
    "model": {7: "network", 25: "function"},
    "network": {1: "layer", 5: "tensor", 11: "value", 12: "value", 13: "value", 15: "sparse"},
    "function": {7: "layer", 11: "attribute", 12: "value"},
    "layer": {5: "attribute"},
    "attribute": {5: "tensor", 6: "network", 10: "tensor", 11: "network", 22: "sparse", 23: "sparse"}
    | {14: "type", 15: "type"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "place"},
    "value": {2: "type"},
    "type": {1: "array", 4: "element", 5: "map", 8: "array", 9: "element"},
    "array": {2: "shape"},
    "element": {1: "type"},
    "map": {2: "type"},
}


def check(data: bytes, name: str) -> None:
    """Look through an ONNX file for what is not allowed.

    Args:
        data: its bytes.
        name: what messages call it.

    Raises:
        ModelError: it is no ONNX file, keeps values in other files, has operators of other domains or loops, claims a
            tensor of more than `MOST_VALUES` or `MOST_DIMENSIONS`, or has more than `MOST_LAYERS` or `MOST_FIELDS`.
    """
    if len(data) > MOST_BYTES:
        raise ModelError(f"expected at most {MOST_BYTES:,} bytes of an ONNX model in {name}, got {len(data):,}")
    try:
        bodies = _bodies(memoryview(data), name)
        for called in dict.fromkeys(each for body in bodies.values() for each in body):
            _check_call(called, bodies, name)
        layers = _with_functions(bodies)
    except (ValueError, IndexError) as error:
        raise ModelError(f"expected an ONNX model in {name}, got: {error}") from error
    if layers > MOST_LAYERS:
        raise ModelError(f"expected at most {MOST_LAYERS:,} layers in {name}, got {layers:,} at all calls of functions")


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


def _bodies(model: memoryview, name: str) -> dict[str, list[str]]:
    """What the layers of the net call, and those of each function of the file; its tensors are checked."""
    bodies: dict[str, list[str]] = {_NET: []}
    left, count = iter(range(MOST_FIELDS)), 0
    for kind, body in _held("model", model, left):
        calls: list[str] = []
        for inner, part in _parts(kind, body, left):
            if inner == "layer":
                calls.append(_called(part, 7, 4, 8))  # NodeProto.domain, op_type, overload
            elif inner == "tensor":
                _check_tensor(part, name)
            elif inner == "sparse":
                _check_size(_sizes(part, 3), "a sparse one", name)  # SparseTensorProto.dims
            if count + len(calls) > MOST_LAYERS:
                raise ModelError(f"expected at most {MOST_LAYERS:,} layers in {name}, got more")
        count += len(calls)
        of = _NET if kind == "network" else _called(body, 10, 1, 13)  # FunctionProto.domain, name, overload
        bodies.setdefault(of, []).extend(calls)
    return bodies


def _held(kind: str, message: memoryview, left: Iterator[int]) -> Iterator[tuple[str, memoryview]]:
    """What a message holds, and its kind; `left` counts the fields down."""
    holds = _HOLDS.get(kind, {})
    for number, value in fields(message):
        if next(left, None) is None:
            raise ValueError(f"more than {MOST_FIELDS:,} fields")
        if number in holds and not isinstance(value, int):
            yield holds[number], value


def _parts(kind: str, message: memoryview, left: Iterator[int], depth: int = 0) -> Iterator[tuple[str, memoryview]]:
    """All that a message holds and, once its fields are counted, the message."""
    if depth > _DEPTH:
        raise ValueError(f"networks in networks, or types in types, more than {_DEPTH} deep")
    for inner, part in _held(kind, message, left):
        yield from _parts(inner, part, left, depth + (inner in ("network", "type")))
    yield kind, message


def _called(message: memoryview, *numbers: int) -> str:
    """What a layer calls, or a function's name: the fields domain, name and overload, joined as the runtime does."""
    found = dict.fromkeys(numbers, "")
    for number, value in fields(message):
        if number in found and not isinstance(value, int):
            found[number] = text(value)  # of several the last counts
    domain, kind, overload = found.values()
    return ":".join(("" if domain == "ai.onnx" else domain, kind, overload)[: 3 if overload else 2])


def _check_call(called: str, own: Collection[str], name: str) -> None:
    domain, kind = called.split(":")[:2]
    if domain not in _DOMAINS and called not in own:
        raise ModelError(
            f"expected operators of ONNX in {name}, got {domain}.{kind}: export it without custom operators"
        )
    if kind in _IN_CIRCLES or kind in _OF_FILES:
        what = "a loop" if kind in _IN_CIRCLES else "one that names another file"
        raise ModelError(f"expected a net of layers in {name}, got {what} ({kind}): export it without")


def _with_functions(bodies: Mapping[str, Sequence[str]]) -> int:
    """The number of layers with those of functions at every call, however deep; the calls count as well."""
    found = dict.fromkeys(bodies, 0)
    for _ in range(_DEPTH + 2):  # each time right one call deeper; the last finds that nothing has changed
        before = found
        found = {name: sum(1 + before.get(each, 0) for each in body) for name, body in bodies.items()}
        if found == before:
            return found[_NET]
    raise ValueError(f"functions that call functions, more than {_DEPTH} deep")


def _sizes(message: memoryview, field: int) -> list[int]:
    found: list[int] = []
    for number, value in fields(message):
        if number == field:
            found += [value] if isinstance(value, int) else islice(packed(value), MOST_DIMENSIONS + 1)
        if len(found) > MOST_DIMENSIONS:  # multiplied they would be a number of thousands of digits
            raise ValueError(f"a tensor of more than {MOST_DIMENSIONS} dimensions")
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
    _check_size(_sizes(tensor, 1), repr(called[:80]), name)  # TensorProto.dims


def _check_size(sizes: Sequence[int], called: str, name: str) -> None:
    if math.prod(sizes) > MOST_VALUES:
        raise ModelError(
            f"expected tensors of at most {MOST_VALUES:,} values in {name}, got {called} of "
            f"{' x '.join(map(str, sizes[:8]))}"
        )
