"""Ten thousand mutated csv files and as many mutated cards: each is read, or refused in one sentence."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from fuzzing.cases import Outcome, peak_mb
from fuzzing.damage import mutate

from mien import sample
from mien.core.errors import MienError
from mien.core.images import read_image
from mien.core.types import Faces
from mien.datasets import open_data
from mien.runtime.card import Card
from mien.runtime.classifier import Classifier
from mien.runtime.preprocess import crop_faces
from mien.runtime.session import Session
from mien.zoo import store

COUNT = int(os.environ.get("MIEN_SOAK_MUTATIONS", "10000"))
SEED = 20131201
ROWS = ("Training", "Training", "PublicTest", "PrivateTest")
VOTES = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"

# What a hand or a program may write where something else should stand.
ODD_CELLS = (
    b"",
    b"-1",
    b"256",
    b"7",
    b"1e9",
    b"nan",
    b"9" * 5000,
    b"\xff\xfe",
    b"\0",
    b'"',
    b'"a\nb"',
    b"1 2",
    "٣".encode(),
)
ODD_VALUES = (
    "0", "-1", "1.5", "nan", "-inf", "1e400", "9" * 400, "true", '""', '"../x"', "[]", "[[[]]]", "{}", "2026-11-21",
    '"\\u0000"', "'''\n'''", "[1, 2, 3]", '["a", "a"]', "{a = {b = []}}", "[" * 3000, "0x10", '"' + "a" * 10000 + '"',
)  # fmt: skip

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


def refused(error: MienError) -> str:
    assert "expected" in str(error)
    assert len(str(error).splitlines()) == 1
    return "refused"


@pytest.fixture
def tables() -> tuple[bytes, bytes]:
    """fer2013.csv and fer2013new.csv of four faces."""
    rng = np.random.default_rng(0)
    pixels = [" ".join(map(str, rng.integers(0, 256, 48 * 48))) for _ in ROWS]
    faces = [f"{k},{pixels[k]},{usage}" for k, usage in enumerate(ROWS)]
    votes = [f"{usage},fer{k:07}.png,8,0,1,0,0,1,0,0,0,0" for k, usage in enumerate(ROWS)]
    texts = ["emotion,pixels,Usage", *faces], ["Usage,Image name," + VOTES, *votes]
    return tuple("\r\n".join([*lines, ""]).encode() for lines in texts)  # type: ignore[return-value]


def mutate_table(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes damaged, or a cell replaced, or a row taken out, doubled or moved."""
    kind = rng.integers(4)
    if kind < 2:
        return mutate(data, rng)
    lines = data.split(b"\r\n")
    place = int(rng.integers(0, len(lines)))
    if kind == 2:
        split = b" " if b" " in lines[place] and rng.random() < 0.5 else b","
        cells = lines[place].split(split)
        cells[int(rng.integers(0, len(cells)))] = ODD_CELLS[int(rng.integers(0, len(ODD_CELLS)))]
        lines[place] = split.join(cells)
    else:
        line = lines.pop(place)
        for _ in range(int(rng.integers(0, 3))):
            lines.insert(int(rng.integers(0, len(lines) + 1)), line)
    return b"\r\n".join(lines)


def test_every_mutated_csv_is_read_or_refused(tables: tuple[bytes, bytes], tmp_path: Path) -> None:
    found, sides = Outcome(), (tmp_path / "fer2013.csv", tmp_path / "fer2013new.csv")
    for number in range(COUNT):
        rng = np.random.default_rng((SEED, number))
        for side, (path, data) in enumerate(zip(sides, tables, strict=True)):
            path.write_bytes(mutate_table(data, rng) if number % 2 == side else data)
        began = time.perf_counter()
        try:
            table = open_data(f"ferplus={tmp_path}")
        except MienError as error:
            found.counts[refused(error)] += 1
        else:
            assert table.images.shape == (len(table.ids), 48, 48)
            assert table.sources["fer2013"].ids.max(initial=0) < 7
            assert table.sources["ferplus"].ids.max(initial=0) < 8
            found.counts["read"] += 1
        found.slowest = max(found.slowest, time.perf_counter() - began)
    found.peak_mb = peak_mb()
    print(f"csv: {found}")
    assert found.slowest < 5
    assert min(found.counts["read"], found.counts["refused"]) > COUNT // 50


def mutate_card(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes damaged, or a value replaced, or a line taken out, doubled or moved."""
    kind = rng.integers(4)
    if kind == 0:
        return mutate(data, rng)
    lines = data.decode().split("\n")
    place = int(rng.integers(0, len(lines)))
    if kind == 3:
        line = lines.pop(place)
        for _ in range(int(rng.integers(0, 3))):
            lines.insert(int(rng.integers(0, len(lines) + 1)), line)
    else:
        key, equals, _ = lines[place].partition(" = ")
        lines[place] = key + (equals or " = ") + ODD_VALUES[int(rng.integers(0, len(ODD_VALUES)))]
    return "\n".join(lines).encode()


def test_every_mutated_card_is_read_and_works_or_is_refused(tmp_path: Path) -> None:
    original = store.load_card("mien-s")
    weights = store.WEIGHTS / original.files[original.default_file].file
    data, session = original.dump().encode(), Session(weights, threads=1)
    image, path, found = read_image(sample("astronaut")), tmp_path / "card.toml", Outcome()
    faces = Faces(np.array([[170, 60, 280, 200]]), np.array([0.9]), np.full((1, 5, 2), np.nan))
    for number in range(COUNT):
        path.write_bytes(mutate_card(data, np.random.default_rng((SEED, number))))
        began = time.perf_counter()
        try:
            card = Card.load(path)
        except MienError as error:
            found.counts[refused(error)] += 1
        else:
            assert Card.parse(card.dump()).dump() == card.dump()  # compared as text: NaN is not equal to itself
            assert card.describe()
            try:
                classifier = Classifier(card, session)
                probabilities = classifier.predict(crop_faces(image, faces, card.input, card.crop))
            except MienError as error:
                found.counts[refused(error) + " beside its net"] += 1
            else:
                assert np.isfinite(probabilities).all()
                assert probabilities.sum() == pytest.approx(1, abs=1e-4)
                found.counts["works"] += 1
        found.slowest = max(found.slowest, time.perf_counter() - began)
    found.peak_mb = peak_mb()
    print(f"cards: {found}")
    assert found.slowest < 5
    assert min(found.counts["works"], found.counts["refused"]) > COUNT // 50
