"""Crops in, calibrated probabilities out; and a card that does not fit its net."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.core.errors import DataError, ModelError, UsageError
from mien.core.labels import LABEL_SETS, LabelSet
from mien.runtime.card import Card, Head, InputSpec
from mien.runtime.classifier import Classifier
from mien.runtime.preprocess import fit_crops, to_tensor
from mien.runtime.session import Session


@pytest.fixture(scope="module")
def session(tiny_model_bytes: bytes) -> Session:
    return Session(tiny_model_bytes, threads=1, device="cpu")


@pytest.fixture
def card(tiny_model: Path) -> Card:
    return Card.load(tiny_model.with_suffix(".toml"))


def faces(n: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (n, *(shape or (48, 48))), np.uint8)


def with_temperature(card: Card, temperature: float) -> Card:
    heads = {name: dataclasses.replace(head, temperature=temperature) for name, head in card.heads.items()}
    return dataclasses.replace(card, heads=heads)


def test_predict_gives_what_the_net_gives(card: Card, session: Session) -> None:
    crops = faces(5)
    raw = session.run(None, image=to_tensor(crops, card.input))
    classifier = Classifier(card, session)
    for head, k in (("ferplus", 8), ("fer2013", 7), (None, 8)):
        found = classifier.predict(crops, head=head)
        assert found.shape == (5, k) and found.dtype == np.float32
        np.testing.assert_allclose(found, raw[f"probabilities_{head or 'ferplus'}"], atol=1e-6)
    assert classifier.label_set() == LABEL_SETS["ferplus"]
    assert classifier.label_set("fer2013") == LABEL_SETS["fer2013"]


def test_the_temperature_of_the_card_is_applied(card: Card, session: Session) -> None:
    crops = faces(6)
    raw = Classifier(card, session).predict(crops).astype(np.float64)
    wanted = np.sqrt(raw) / np.sqrt(raw).sum(1, keepdims=True)  # p ** (1 / 2)
    np.testing.assert_allclose(Classifier(with_temperature(card, 2.0), session).predict(crops), wanted, atol=1e-6)


def test_batches_change_nothing(card: Card, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier, crops = Classifier(card, session), faces(11)
    whole = classifier.predict(crops, batch=11)
    np.testing.assert_allclose(classifier.predict(crops, batch=1), whole, atol=1e-6)
    sizes: list[int] = []
    run = session.run

    def counted(names: Any, /, **feeds: np.ndarray) -> dict[str, np.ndarray]:
        sizes.append(len(feeds["image"]))
        return run(names, **feeds)

    monkeypatch.setattr(session, "run", counted)
    np.testing.assert_allclose(classifier.predict(crops, batch=4), whole, atol=1e-6)
    assert sizes == [4, 4, 3]
    with pytest.raises(UsageError, match="expected a batch of 1 or more faces, got 0"):
        classifier.predict(crops, batch=0)


def test_no_face_is_no_row(card: Card, session: Session) -> None:
    classifier = Classifier(card, session)
    assert classifier.predict(faces(0)).shape == (0, 8)
    assert classifier.predict(faces(0), head="fer2013").shape == (0, 7)
    assert classifier.features(faces(0)).shape == (0, 1, 4, 4)


def test_crops_of_another_size_or_colour_are_fitted(card: Card, session: Session) -> None:
    classifier, crops = Classifier(card, session), faces(3, 70, 60, 3)
    np.testing.assert_array_equal(classifier.predict(crops), classifier.predict(fit_crops(crops, card.input)))
    with pytest.raises(DataError, match="expected faces of shape"):
        classifier.predict(np.zeros((48, 48), np.uint8))


def test_a_net_that_has_not_learnt_valence_and_arousal_says_so(card: Card, session: Session) -> None:
    classifier = Classifier(card, session)
    assert not classifier.tells_affect
    with pytest.raises(ModelError, match="expected the output valence_arousal from tiny, got a net without it"):
        classifier.affect(faces(1))


def test_features(card: Card, session: Session) -> None:
    crops = faces(7)
    found = Classifier(card, session).features(crops, batch=3)
    pooled = to_tensor(crops, card.input).reshape(7, 1, 4, 12, 4, 12).mean((3, 5))
    np.testing.assert_allclose(found, pooled, atol=1e-5)
    with pytest.raises(ModelError, match="expected a feature map from tiny"):
        Classifier(dataclasses.replace(card, features=""), session).features(crops)


def test_an_unknown_head_lists_the_known(card: Card, session: Session) -> None:
    classifier = Classifier(card, session)
    for call in (classifier.predict, classifier.label_set):
        argument: Any = {"head": "fer2031"}
        with pytest.raises(UsageError, match="expected a head of tiny out of ferplus, fer2013, got 'fer2031'"):
            call(faces(1), **argument) if call == classifier.predict else call(**argument)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"input": InputSpec(64, "gray", (0,), (1,))}, r"of shape \(N, 1, 64, 64\), got \(None, 1, 48, 48\)"),
        ({"input": InputSpec(48, "rgb", (0, 0, 0), (1, 1, 1))}, r"of shape \(N, 3, 48, 48\), got \(None, 1, 48, 48\)"),
        (
            {"heads": {"ferplus": Head(LABEL_SETS["ferplus"], "p")}},
            "expected the output p for head ferplus, got features",
        ),
        (
            {"heads": {"ferplus": Head(LabelSet("two", ("a", "b")), "probabilities_ferplus")}},
            "expected 2 classes from head ferplus as its card says, got 8",
        ),
        (
            {"heads": {"ferplus": Head(LABEL_SETS["ferplus"], "features")}},
            r"expected the output features of shape \(N, K\), got \(None, 1, 4, 4\)",
        ),
        ({"features": "maps"}, "expected the output maps, got features, probabilities_ferplus"),
        (
            {"features": "probabilities_fer2013"},
            r"expected the output probabilities_fer2013 of shape \(N, F, h, w\), got \(None, 7\)",
        ),
    ],
)
def test_a_card_that_does_not_fit(card: Card, session: Session, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        Classifier(dataclasses.replace(card, **changes), session)


def test_an_output_that_is_no_probability_is_refused(tiny_model_bytes: bytes, card: Card) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(tiny_model_bytes)
    for node in model.graph.node:
        if node.op_type == "Softmax":
            node.op_type = "Identity"
            del node.attribute[:]
    classifier = Classifier(card, Session(model.SerializeToString(), threads=1, device="cpu"))
    with pytest.raises(ModelError, match="expected probabilities from probabilities_ferplus of tiny, .* softmax"):
        classifier.predict(faces(4))


def test_all_heads_in_one_pass_say_what_each_says_alone(
    card: Card, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier, crops = Classifier(card, session), faces(5)
    alone = {head: classifier.predict(crops, head=head, batch=3) for head in card.heads}
    passes: list[Any] = []
    run = session.run
    monkeypatch.setattr(session, "run", lambda names, **feeds: passes.append(names) or run(names, **feeds))
    found = classifier.predict_heads(crops, batch=3)
    assert len(passes) == 2  # of 3 faces and 2
    assert list(found) == ["ferplus", "fer2013"]
    for head, each in found.items():
        np.testing.assert_array_equal(each, alone[head])
    assert list(classifier.predict_heads(crops, heads=["fer2013"])) == ["fer2013"]
    none = classifier.predict_heads(crops[:0])
    assert {head: each.shape for head, each in none.items()} == {"ferplus": (0, 8), "fer2013": (0, 7)}
    with pytest.raises(UsageError, match="expected a head of tiny out of"):
        classifier.predict_heads(crops, heads=["nobody"])
