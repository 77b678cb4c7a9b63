"""One prediction table's figures, and the flat file they end in."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mien.core.labels import LABEL_SETS
from mien.evaluation import METRICS, PredictionTable, judge

LABELS = LABEL_SETS["fer2013"]


@pytest.fixture
def predictions():
    generator = np.random.default_rng(0)
    labels = generator.integers(-1, 7, 200).astype(np.int16)
    logits = generator.normal(size=(200, 7)) + 2 * np.eye(7)[labels] * (labels >= 0)[:, None]
    probabilities = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)
    ids = np.array([str(k) for k in range(200)])
    in_train = np.arange(200) < 50
    meta = {"model": "m", "rule": "a rule", "data": "d"}
    return PredictionTable(ids, np.full(200, "valid"), labels, probabilities, LABELS, in_train=in_train, meta=meta)


def test_faces_without_a_label_count_for_nothing(predictions):
    whole, labelled = judge(predictions), judge(predictions.labelled())
    assert whole.n == (predictions.label_ids >= 0).sum() == len(labelled.predictions)
    assert whole.metrics == labelled.metrics
    assert whole.confusion.sum() == whole.n


def test_every_registered_metric_is_there(predictions):
    metrics = judge(predictions).metrics
    assert set(METRICS) <= set(metrics) and "ece_cross_fitted" in metrics and "recall_anger" in metrics


def test_the_accuracy_without_faces_that_stand_in_train(predictions):
    figure = judge(predictions).metrics["accuracy_without_train_duplicates"]
    alone = judge(predictions.select(slice(50, None)))
    assert figure.value == alone.metrics["accuracy"].value and figure.n == alone.n
    assert "accuracy_without_train_duplicates" not in judge(replace(predictions, in_train=None)).metrics


def test_the_metrics_file_is_flat_and_plain(predictions):
    text = json.dumps(judge(predictions, notes=["said"]).to_dict(), allow_nan=False)
    file = json.loads(text)
    assert file["n"] == 200 - (predictions.label_ids < 0).sum()
    assert set(file["accuracy"]) == {"value", "low", "high"} and file["accuracy"]["low"] < file["accuracy"]["value"]
    assert file["rule"] == f"a rule, n = {file['n']}" and file["data"] == "d" and file["model"] == "m"
    assert file["labels"] == list(LABELS) and file["label_set"] == "fer2013" and file["notes"] == ["said"]


def test_what_is_not_defined_is_null_and_a_note(predictions):
    some = judge(predictions.select((predictions.label_ids != 1) & (predictions.probabilities.argmax(1) != 1)))
    assert any("macro_f1 leaves out disgust" in note for note in some.notes)
    assert some.to_dict()["recall_disgust"] == {"value": None, "low": None, "high": None, "n": 0}
    nobody = judge(predictions.select(slice(0, 0)))
    assert nobody.n == 0 and nobody.to_dict()["accuracy"]["value"] is None
    assert any("accuracy" in note or "a share" in note for note in nobody.notes)
    json.dumps(nobody.to_dict(), allow_nan=False)


def test_the_confusion_matrix_as_csv(predictions):
    lines = judge(predictions).confusion_csv().splitlines()
    assert lines[0] == "label,anger,disgust,fear,happiness,sadness,surprise,neutral" and len(lines) == 8
    row = judge(predictions).confusion[3].tolist()
    assert lines[4] == "happiness," + ",".join(map(str, row))
