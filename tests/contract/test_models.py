"""What holds of every model that comes with mien; a further one is tested by being there."""

import math
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.core.images import read_image, to_gray
from mien.core.labels import LABEL_SETS
from mien.runtime.card import Card
from mien.runtime.classifier import Classifier
from mien.zoo import store

ROOM_MB = 18  # for all weights together
NAMES = store.names()

every_model = pytest.mark.parametrize("name", NAMES)


@cache
def card_of(name: str) -> Card:
    return store.load_card(name)


@cache
def classifier_of(name: str, variant: str) -> Classifier:
    return store.load_classifier(name, variant=variant, threads=1, device="cpu")


@pytest.fixture(scope="module")
def crops(samples: Path) -> np.ndarray:
    """60 crops (n, 96, 96): the two bundled portraits, moved and scaled at random, a third of them mirrored."""
    rng = np.random.default_rng(0)
    found = []
    for name, (x, y, side) in {"grace_hopper": (170, 60, 210), "astronaut": (170, 60, 110)}.items():
        gray = to_gray(read_image(samples / f"{name}.jpg"))
        for _ in range(30):
            dx, dy, scale = rng.uniform(-0.1, 0.1) * side, rng.uniform(-0.1, 0.1) * side, rng.uniform(0.8, 1.25)
            left, top, size = max(0, int(x + dx)), max(0, int(y + dy)), int(side * scale)
            part = cv2.resize(gray[top : top + size, left : left + size], (96, 96), interpolation=cv2.INTER_AREA)
            found.append(part[:, ::-1] if rng.random() < 1 / 3 else part)
    return np.stack(found)


def test_there_is_a_model() -> None:
    assert "mien-s" in NAMES


def test_all_weights_together_stay_small() -> None:
    assert sum(each.stat().st_size for each in store.WEIGHTS.iterdir()) < ROOM_MB * 1e6


def test_every_file_belongs_to_a_card() -> None:
    cards = [store.find_card(name) for name in NAMES]
    for folder in {each.parent for each in cards}:
        here = [each for each in cards if each.parent == folder]
        named = {each.name for each in here} | {f.file for each in here for f in card_of(each.stem).files.values()}
        assert {each.name for each in folder.iterdir()} == named


@every_model
def test_the_files_are_what_the_card_says(name: str) -> None:
    card = card_of(name)
    assert card.name == name
    store.verify(name)
    for each in card.files.values():
        assert (store.find_card(name).parent / each.file).stat().st_size == each.bytes, each.file


@every_model
def test_the_card_is_as_it_would_be_written(name: str) -> None:
    assert Card.parse(card_of(name).dump()) == card_of(name)


@every_model
def test_the_card_states_what_one_must_know(name: str) -> None:
    card = card_of(name)
    assert card.title and card.license and card.version
    assert card.data, "on which data, under which licence"
    assert card.parameters > 0 and card.macs > 0
    assert str(card.train.get("command", "")).startswith(("mien train", "mien join")), "the command that makes it again"
    for head in card.heads:
        figures = [each for each in card.figures if each.head == head]
        assert {"accuracy"} <= {each.metric for each in figures}, head
        for each in figures:
            assert each.data and each.split and each.n > 100
            assert math.isfinite(each.low) and math.isfinite(each.high), each.metric


def test_mien_m_is_not_much_larger() -> None:
    if "mien-m" not in store.names():  # an installed package has no `models/`
        pytest.skip("needs a clone")
    card = card_of("mien-m")
    assert card.parameters <= 12e6
    assert sum(each.bytes for name in ("mien-s", "mien-m") for each in card_of(name).files.values()) < 50e6


def test_mien_s_is_compact() -> None:
    card = card_of("mien-s")
    assert card.parameters <= 3e6 and card.macs <= 320e6
    assert card.default_head == "ferplus" and card.features
    assert {name: head.label_set for name, head in card.heads.items()} == {
        "ferplus": LABEL_SETS["ferplus"],
        "fer2013": LABEL_SETS["fer2013"],
    }


@every_model
def test_the_card_counts_the_parameters(name: str) -> None:
    onnx = pytest.importorskip("onnx")
    largest = max(card_of(name).files.values(), key=lambda each: each.bytes)
    graph = onnx.load(str(store.find_card(name).parent / largest.file)).graph
    stored = sum(math.prod(each.dims) for each in graph.initializer)
    assert stored == pytest.approx(card_of(name).parameters, rel=0.03)  # norms are folded into weights


@every_model
def test_probabilities_of_every_file_and_head(name: str, crops: np.ndarray) -> None:
    card = card_of(name)
    for variant in card.files:
        classifier = classifier_of(name, variant)
        for head, each in card.heads.items():
            found = classifier.predict(crops, head=head)
            assert found.shape == (len(crops), len(each.label_set)) and found.dtype == np.float32
            assert (found >= 0).all()
            np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
            assert np.ptp(found, axis=0).max() > 0.05, "faces that differ get answers that differ"


@every_model
def test_the_files_agree(name: str, crops: np.ndarray) -> None:
    """Float16 storage and int8 are the same net: the same answers but for rounding."""
    variants = list(card_of(name).files)
    for head in card_of(name).heads:
        first, *others = (classifier_of(name, each).predict(crops, head=head) for each in variants)
        for variant, other in zip(variants[1:], others, strict=True):
            assert np.abs(first - other).mean() < 0.02, (head, variant)
            assert (first.argmax(1) == other.argmax(1)).mean() >= 0.9, (head, variant)


@every_model
def test_any_face_gets_an_answer(name: str) -> None:
    rng = np.random.default_rng(0)
    card = card_of(name)
    strange = [
        np.zeros((2, 48, 48), np.uint8),
        np.full((1, 300, 200, 3), 255, np.uint8),
        rng.integers(0, 256, (3, 1, 1), np.uint8),
        rng.integers(0, 256, (2, 7, 1000, 3), np.uint8),
    ]
    for crops in strange:
        for variant in card.files:
            found = classifier_of(name, variant).predict(crops)
            assert np.isfinite(found).all()
            np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


@every_model
def test_a_batch_gives_what_single_faces_give(name: str, crops: np.ndarray) -> None:
    for variant in card_of(name).files:
        classifier = classifier_of(name, variant)
        single = np.concatenate([classifier.predict(crops[i : i + 1]) for i in range(5)])
        np.testing.assert_allclose(classifier.predict(crops)[:5], single, atol=1e-4)


@every_model
def test_the_feature_map_is_one(name: str, crops: np.ndarray) -> None:
    if not card_of(name).features:
        return
    for variant in card_of(name).files:
        found = classifier_of(name, variant).features(crops[:3])
        assert found.ndim == 4 and len(found) == 3 and found.dtype == np.float32
        assert np.isfinite(found).all() and found.std() > 0
