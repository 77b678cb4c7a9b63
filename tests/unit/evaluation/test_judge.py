"""One prediction table's figures, and the flat file they end in."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.core.labels import LABEL_SETS
from mien.evaluation import METRICS, PredictionTable, judge, read_predictions
from mien.evaluation.metrics import BY_CLASS

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
    f1 = judge(predictions).metrics["macro_f1_without_train_duplicates"]
    assert f1.value == alone.metrics["macro_f1"].value and f1.n == alone.n
    assert "accuracy_without_train_duplicates" not in judge(replace(predictions, in_train=None)).metrics


def with_more(predictions):
    """The same with votes, groups, valence and arousal."""
    generator, n = np.random.default_rng(1), len(predictions)
    soft = generator.dirichlet(np.ones(7), n).astype(np.float32)
    soft[::3] = np.nan
    affect = generator.uniform(-1, 1, (n, 2)).astype(np.float32)
    groups = {"gender": np.where(np.arange(n) % 3 == 0, "male", "female"), "age": np.array(["a", *["b"] * (n - 1)])}
    return replace(predictions, soft=soft, groups=groups, affect=affect, predicted_affect=affect / 2)


def test_figures_of_votes_groups_and_affect_where_they_are_known(predictions):
    assert not any("votes" in name or "gap" in name or "valence" in name for name in judge(predictions).metrics)
    more = with_more(predictions)
    found = judge(more)
    labelled = more.labelled()
    voted = ~np.isnan(labelled.soft[:, 0])
    expected = np.abs(labelled.probabilities - labelled.soft)[voted].mean()
    assert found.metrics["votes_mae"].value == pytest.approx(expected, abs=1e-6)
    assert found.metrics["votes_mae"].n == voted.sum()
    assert found.metrics["valence_mae"].value == pytest.approx(np.abs(more.affect[:, 0]).mean() / 2, abs=1e-6)
    assert found.metrics["valence_mae"].n == 200  # faces without a class have a valence, too
    assert found.metrics["accuracy_gap_gender"] == found.groups["gender"].accuracy_gap.estimate
    assert np.isnan(found.metrics["accuracy_gap_age"].value) and list(found.groups) == ["gender", "age"]
    assert any("the gap between groups of age is not defined" in note for note in found.notes)
    file = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert file["accuracy_gap_age"]["value"] is None
    assert [each["too_small"] for each in file["groups"]["age"]["groups"]] == [True, False]
    lines = found.groups_csv().splitlines()
    assert lines[0].startswith("column,group,n,people,accuracy,accuracy_low,") and len(lines) == 5
    assert lines[3].startswith("age,a,") and lines[3].endswith(",,,,,,")


def test_all_can_be_had_again_from_the_file(predictions, tmp_path):
    found = judge(with_more(predictions))
    found.predictions.write(tmp_path / "p.parquet")
    again = judge(read_predictions(tmp_path / "p.parquet"))
    assert json.dumps(again.to_dict()) == json.dumps(found.to_dict())
    assert again.curves.to_dict() == found.curves.to_dict()


def test_the_page_explains_every_figure(predictions):
    page = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text("utf-8")
    found = [name.replace("gender", "<column>") for name in judge(with_more(predictions)).overall]
    told = [name for name in found if not name.endswith("_age") and not name.startswith("arousal")]  # as their likes
    assert set(METRICS) < set(told) and [name for name in told if f"`{name}`" not in page] == []
    assert [kind for kind in BY_CLASS if f"`{kind}_<label>`" not in page] == []


def test_one_row_a_class(predictions):
    found = judge(predictions)
    assert [row.label for row in found.classes] == list(LABELS)
    assert [row.n for row in found.classes] == found.confusion.sum(1).tolist()
    assert found.classes[2].f1 == found.metrics["f1_fear"] and found.classes[2].roc_auc == found.metrics["roc_auc_fear"]
    assert set(METRICS) <= set(found.overall) and not any("fear" in name for name in found.overall)
    lines = found.classes_csv().splitlines()
    assert lines[0].startswith("label,n,recall,recall_low,recall_high,precision,") and len(lines) == 8
    assert float(lines[3].split(",")[2]) == pytest.approx(found.classes[2].recall.value, abs=1e-6)


def test_the_curves_are_those_of_the_labelled_faces(predictions):
    curves = judge(predictions).curves
    assert curves.reliability.n.sum() == (predictions.label_ids >= 0).sum()
    accuracy = judge(predictions).metrics["accuracy"].value
    assert curves.coverage.accuracy[-1] == pytest.approx(accuracy) and curves.coverage.coverage[-1] == 1
    assert [each.label for each in curves.roc] == list(LABELS)


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


def test_the_rates_of_the_confusion_matrix(predictions):
    some = judge(predictions.select(predictions.label_ids != 1))  # nobody is disgusted
    rates = some.confusion_rates
    assert np.isnan(rates[1]).all() and np.delete(rates, 1, 0).sum(1) == pytest.approx(np.ones(6))
    assert rates[3, 3] == some.metrics["recall_happiness"].value
    lines = some.confusion_csv(rates=True).splitlines()
    assert lines[2] == "disgust,,,,,,," and float(lines[4].split(",")[4]) == pytest.approx(rates[3, 3], abs=1e-6)
