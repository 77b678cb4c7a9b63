"""Messages of protocol buffers, read without their package: what an ONNX file is made of.

A message is a row of fields, each a number, a kind and a value (https://protobuf.dev/programming-guides/encoding).
"""

from collections.abc import Iterator

_VARINT, _LENGTH = 0, 2  # kinds of fields
_SIZES = {1: 8, 5: 4}  # bytes of two more
_64_BITS = (1 << 64) - 1


def fields(message: memoryview) -> Iterator[tuple[int, "memoryview | int"]]:
    """Number and value of each field of a message; 0, which no field has, for numbers of four or eight bytes.

    None of these is needed here, and one under the number of a text is none of its values.

    Raises:
        ValueError, IndexError: it is none.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if key >> 32:  # others cut it off, and see a field of another number
            raise ValueError("a field of a number beyond 32 bits")
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
        elif kind in _SIZES or kind == _LENGTH:
            size, at = _varint(message, at) if kind == _LENGTH else (_SIZES[kind], at)
            if at + size > len(message):
                raise ValueError("a field that reaches past the end")
            yield number if kind == _LENGTH else 0, message[at : at + size]
            at += size
        else:
            raise ValueError(f"a field of kind {kind}")


def messages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """The values of all fields of one number that are messages, texts or bytes."""
    return (value for number, value in fields(message) if number == wanted and not isinstance(value, int))


def packed(message: memoryview) -> Iterator[int]:
    """Whole numbers that stand together in one field."""
    at = 0
    while at < len(message):
        value, at = _varint(message, at)
        yield value


def text(value: memoryview) -> str:
    """A text; bytes that are no UTF-8 are replaced."""
    return str(value, "utf-8", "replace")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A whole number, seven bits a byte of which 64 count, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value & _64_BITS, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
