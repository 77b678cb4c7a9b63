"""Damage to files: to their bytes, to their numbers, to the words and lines of a text, to boxes within boxes."""

import re

import numpy as np

CANARY = "../canary/secret"  # beside the folder that inputs stand in: nothing may open it

_EDGES = (
    0,
    1,
    -1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    1 << 24,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    1 << 40,
    (1 << 63) - 1,
)

# What a hand or a program may write where something else should stand.
ODD = (
    "", "0", "-1", "256", "7", "1.5", "1e9", "1e400", "nan", "-inf", "9" * 400, "9" * 5000, "0x10", "true", "null",
    '""', '"', '"a\nb"', "'''\n'''", "[]", "{}", "[[[]]]", "[" * 3000, "{" * 3000, "[1, 2, 3]", '["a", "a"]',
    "{a = {b = []}}", "1 2", "٣", "\0", "\ufeff", "\u202e", "\ud800", "a" * 10000, "2026-11-21",
    "'", ";", ",", "\t", "\r", "=", "<", "&x;",
    CANARY, f'"{CANARY}"', "/etc/passwd", '"/etc/passwd"', "file:///etc/passwd", "..", "/",
    "nul", "%s%n", "{0.__class__}",
)  # fmt: skip
_TOKEN = re.compile(rb"[\w.+-]+|\"[^\"\n]*\"|[^\w\s]")


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """One of: bits flipped, bytes replaced, a piece cut out, repeated, or moved; the end cut off."""
    raw = np.frombuffer(data, np.uint8).copy()
    kind = rng.integers(6)
    # Half of the damage goes to the header, where most of the decisions are made.
    reach = min(len(raw), 64) if rng.random() < 0.5 else len(raw)
    places = rng.integers(0, reach, rng.integers(1, 9))
    start, length = int(rng.integers(0, reach)), int(rng.integers(1, 65))
    piece = raw[start : start + length]
    if kind == 0:
        raw[places] ^= np.uint8(1) << rng.integers(0, 8, len(places), np.uint8)
    elif kind == 1:
        raw[places] = rng.integers(0, 256, len(places), np.uint8)
    elif kind == 2:
        raw = np.delete(raw, slice(start, start + length))
    elif kind == 3:
        raw = np.insert(raw, start, piece)
    elif kind == 4:
        rest = np.delete(raw, slice(start, start + length))
        raw = np.insert(rest, int(rng.integers(0, len(rest) + 1)), piece)
    else:
        raw = raw[: rng.integers(0, len(raw))]
    return raw.tobytes()


def numbers(data: bytes, rng: np.random.Generator) -> bytes:
    """A number of 1 to 8 bytes, of either order, replaced by one at an edge: sizes, counts and offsets lie."""
    raw = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        size = int(rng.choice([1, 2, 4, 4, 4, 8]))
        reach = min(len(raw), 256) if rng.random() < 0.6 else len(raw)
        if reach <= size:
            break
        at = int(rng.integers(0, reach - size))
        value = _EDGES[int(rng.integers(len(_EDGES)))] & ((1 << 8 * size) - 1)
        raw[at : at + size] = value.to_bytes(size, "little" if rng.random() < 0.5 else "big")
    return bytes(raw)


def binary(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes or numbers damaged; now and then both."""
    if rng.random() < 0.5:
        data = numbers(data, rng)
        if rng.random() < 0.7:
            return data
    return mutate(data, rng) if data else data


def text(data: bytes, rng: np.random.Generator) -> bytes:
    """One to three of: a word or sign replaced, doubled or left out; a line left out, doubled or moved; bytes."""
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        kind = rng.integers(5)
        if not data:
            return data
        data = mutate(data, rng) if kind == 0 else _lines(data, rng) if kind == 1 else _words(data, rng)
    return data


def _words(data: bytes, rng: np.random.Generator) -> bytes:
    found = [each.span() for each in _TOKEN.finditer(data)]
    if not found:
        return data
    start, end = found[int(rng.integers(len(found)))]
    other = found[int(rng.integers(len(found)))]
    new = (
        ODD[int(rng.integers(len(ODD)))].encode("utf-8", "surrogatepass"),
        b"",
        data[start:end] * 2,
        data[slice(*other)],
    )[int(rng.choice(4, p=[0.7, 0.1, 0.1, 0.1]))]
    return data[:start] + new + data[end:]


def _lines(data: bytes, rng: np.random.Generator) -> bytes:
    lines = data.splitlines(keepends=True)
    line = lines.pop(int(rng.integers(len(lines))))
    for _ in range(int(rng.integers(0, 3))):
        lines.insert(int(rng.integers(0, len(lines) + 1)), line)
    return b"".join(lines)
