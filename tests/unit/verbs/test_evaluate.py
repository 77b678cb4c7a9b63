"""The verb evaluate: heads meet label sources, several models meet, and files are what the contract says."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from mien.core.errors import DataError, ModelError, OutputError, UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table, write_table
from mien.evaluation import read_predictions
from mien.verbs.evaluate import EvaluateConfig, evaluate

FER2013, FERPLUS = LABEL_SETS["fer2013"], LABEL_SETS["ferplus"]


def make_table(sources=("ferplus", "fer2013")):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (60, 48, 48), dtype=np.uint8)
    images[40:44] = images[:4]  # four validation faces stand in train too
    columns = {}
    for name in sources:  # every class, and faces without a label
        ids = generator.permuted(np.resize(np.arange(-1, len(LABEL_SETS[name]), dtype=np.int16), (2, 30)), axis=1)
        columns[name] = LabelColumn(LABEL_SETS[name], ids.ravel(), rule="r")
    split = ["train"] * 30 + ["valid"] * 30
    return Table([f"face-{k}" for k in range(60)], images, split, columns, meta={"name": "made up"})


@pytest.fixture
def table(tmp_path):
    write_table(make_table(), tmp_path / "table.parquet")
    return str(tmp_path / "table.parquet")


def only(result):
    (evaluation,) = result.evaluations
    return evaluation


def test_the_default_head_meets_the_source_of_its_name(tiny_model, table):
    evaluation = only(evaluate(tiny_model, data=table))
    labels = make_table().of_split("valid").sources["ferplus"]
    assert evaluation.n == (labels.ids >= 0).sum()
    assert evaluation.label_set == FERPLUS and evaluation.name == "tiny" and not evaluation.notes
    predictions = evaluation.predictions
    np.testing.assert_array_equal(predictions.label_ids, labels.ids)
    right = (predictions.probabilities.argmax(1) == labels.ids)[labels.ids >= 0]
    assert evaluation.metrics["accuracy"].value == pytest.approx(right.mean())
    assert evaluation.rule == f"r, n = {evaluation.n}"


def test_another_head_meets_its_own_source(tiny_model, table):
    evaluation = only(evaluate(tiny_model, data=table, head="fer2013"))
    assert evaluation.label_set == FER2013 and evaluation.predictions.meta["label_source"] == "fer2013"


@pytest.mark.parametrize("split", ["train", "valid"])
def test_faces_that_stand_in_train_are_marked(split, tiny_model, table):
    predictions = only(evaluate(tiny_model, data=table, split=split)).predictions
    if split == "train":
        assert predictions.in_train is None
    else:
        assert predictions.ids[predictions.in_train].tolist() == [f"face-{k}" for k in range(40, 44)]


def test_without_a_head_the_source_that_is_there_decides(tiny_model, tmp_path):
    write_table(make_table(["fer2013"]), tmp_path / "t.parquet")
    evaluation = only(evaluate(tiny_model, data=str(tmp_path / "t.parquet")))
    assert evaluation.predictions.meta["head"] == "fer2013" and not evaluation.notes


def test_a_head_without_its_source_is_judged_by_common_labels_and_says_so(tiny_model, tmp_path):
    write_table(make_table(["fer2013"]), tmp_path / "t.parquet")
    evaluation = only(evaluate(tiny_model, data=str(tmp_path / "t.parquet"), head="ferplus"))
    assert evaluation.label_set.labels == FERPLUS.labels[:7]
    expected = make_table(["fer2013"]).of_split("valid").sources["fer2013"].names()
    got = [evaluation.label_set.labels[k] if k >= 0 else None for k in evaluation.predictions.label_ids]
    assert got == expected
    np.testing.assert_allclose(evaluation.predictions.probabilities.sum(1), 1, rtol=1e-5)
    (note,) = evaluation.notes
    assert "head ferplus judged by the labels of fer2013, 7 in common" in note and "without contempt" in note


def test_files_of_one_evaluation(tiny_model, table, tmp_path):
    out = tmp_path / "out"
    result = evaluate(tiny_model, data=table, out=out)
    names = ["predictions-valid.parquet", "metrics-valid.json", "confusion-valid.csv"]
    assert [each.name for each in result.files] == names and sorted(names) == sorted(f.name for f in out.iterdir())
    evaluation = only(result)
    metrics = json.loads((out / "metrics-valid.json").read_text("utf-8"))
    assert metrics["n"] == evaluation.n and metrics["accuracy"]["value"] == evaluation.metrics["accuracy"].value
    beside = {"data": "made up", "split": "valid", "head": "ferplus", "label_source": "ferplus", "model": "tiny"}
    assert beside.items() <= metrics.items() and metrics["data_sha256"] == make_table().digest()
    with open(out / "confusion-valid.csv", newline="") as file:
        counts = [row[1:] for row in csv.reader(file)][1:]
    assert np.array(counts, int).sum() == evaluation.n
    again = only(evaluate(out / "predictions-valid.parquet"))  # any figure can be had again from the file
    assert again.metrics == evaluation.metrics and again.predictions.meta == evaluation.predictions.meta


def test_results_are_not_overwritten_by_accident(tiny_model, table, tmp_path):
    evaluate(tiny_model, data=table, out=tmp_path / "out")
    with pytest.raises(OutputError, match=r"expected no results for valid in .*, got metrics-valid\.json"):
        evaluate(tiny_model, data=table, out=tmp_path / "out")
    evaluate(tiny_model, data=table, out=tmp_path / "out", overwrite=True)
    evaluate(tiny_model, data=table, out=tmp_path / "out", split="train")  # another split is another result
    with pytest.raises(OutputError, match="expected a folder for the results"):
        evaluate(tiny_model, data=table, out=table)


def test_several_models_and_their_mean(tiny_model, table, tmp_path):
    told = []
    result = evaluate(
        [tiny_model, tiny_model], data=table, tta=True, out=tmp_path / "o", tell=lambda *each: told.append(each)
    )
    assert [each.name for each in result.evaluations] == ["tiny", "tiny+flip", "tiny-2", "tiny-2+flip", "ensemble"]
    plain, flipped, second, _, mean = result.evaluations
    np.testing.assert_allclose(mean.predictions.probabilities, plain.predictions.probabilities, rtol=1e-5)
    assert plain.metrics == second.metrics and flipped.passes == 2 and mean.passes == 2
    assert not np.allclose(flipped.predictions.probabilities, plain.predictions.probabilities)
    assert mean.predictions.meta["members"] == "tiny, tiny-2"
    assert {"metrics-valid-tiny.json", "metrics-valid-ensemble.json"} <= {each.name for each in result.files}
    assert len(result.files) == 15 and all(each.is_file() for each in result.files)
    assert told[-1] == (120, 120) and [done for done, _ in told] == sorted(done for done, _ in told)


def test_the_mirror_image_is_one(tiny_model, table, tmp_path):
    whole = make_table()
    mirrored = Table(whole.ids, np.ascontiguousarray(whole.images[:, :, ::-1]), whole.split, whole.sources)
    write_table(mirrored, tmp_path / "mirrored.parquet")
    a = evaluate(tiny_model, data=table, tta=True).evaluations
    b = only(evaluate(tiny_model, data=str(tmp_path / "mirrored.parquet")))
    mean = (a[0].predictions.probabilities + b.predictions.probabilities) / 2
    np.testing.assert_allclose(a[1].predictions.probabilities, mean, rtol=1e-5)


def test_faces_to_leave_out(tiny_model, table, tmp_path):
    (tmp_path / "list.csv").write_text("id\nface-31\nface-2\n")
    evaluation = only(evaluate(tiny_model, data=table, drop=tmp_path / "list.csv"))
    assert len(evaluation.predictions) == 29 and "face-31" not in evaluation.predictions.ids
    assert evaluation.predictions.meta["dropped"] == "1"


def test_several_lists_drop_and_relabel(tiny_model, table, tmp_path):
    column = make_table().sources["ferplus"]
    row = 34 + int(np.flatnonzero(column.ids[34:] > 0)[0])  # labelled, and not neutral
    (tmp_path / "a.csv").write_text("id,action\nface-31,drop\nface-32,review\n")
    (tmp_path / "b.csv").write_text("id\nface-33\n")
    (tmp_path / "new.csv").write_text(f"id,source,suggestion\nface-{row},ferplus,neutral\n")
    drop, relabel = [tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "new.csv"
    evaluation = only(evaluate(tiny_model, data=table, drop=drop, relabel=relabel, out=tmp_path / "o"))
    said = evaluation.predictions
    assert len(said) == 28 and said.meta["dropped"] == "2"
    assert said.meta["lists"].startswith("--relabel new.csv (sha256 ") and "--drop a.csv" in said.meta["lists"]
    assert said.label_ids[said.ids.tolist().index(f"face-{row}")] == FERPLUS.index("neutral")
    assert (
        "1 images of valid labelled anew" in evaluation.notes[0] and "1 images of valid left out" in evaluation.notes[2]
    )
    # Predictions that were stored before are judged by the list in the same way.
    evaluate(tiny_model, data=table, out=tmp_path / "plain")
    stored = tmp_path / "plain" / "predictions-valid.parquet"
    again = only(evaluate(stored, drop=drop, relabel=relabel))
    assert again.metrics["accuracy"] == evaluation.metrics["accuracy"]
    (tmp_path / "new.csv").write_text("id,source,suggestion\nface-40,ferplus,cheer\n")
    for model in (tiny_model, stored):
        with pytest.raises(DataError, match=r"got 'cheer' \(.*new\.csv, line 2\)"):
            evaluate(model, data=table, relabel=tmp_path / "new.csv")


def test_notes_name_the_model_they_are_about(tiny_model, table, tmp_path, capsys):
    from mien.cli.app import main

    evaluate(tiny_model, data=table, out=tmp_path / "o")
    stored = str(tmp_path / "o" / "predictions-valid.parquet")
    (tmp_path / "list.csv").write_text("id\nface-31\n")
    assert main(["evaluate", stored, str(tiny_model), "--data", table, "--drop", str(tmp_path / "list.csv")]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "left out by" in line]
    assert said == [
        f"mien: tiny: 1 images of valid left out by {tmp_path / 'list.csv'}"
    ]  # the stored ones say nothing of it
    assert main(["evaluate", str(tiny_model), "--data", table, "--drop", str(tmp_path / "list.csv"), "--tta"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "left out by" in line]
    assert said == [f"mien: 1 images of valid left out by {tmp_path / 'list.csv'}"]


def test_predictions_and_models_together(tiny_model, table, tmp_path):
    evaluate(tiny_model, data=table, out=tmp_path / "o")
    result = evaluate([tmp_path / "o" / "predictions-valid.parquet", tiny_model], data=table)
    assert [each.name for each in result.evaluations][-1] == "ensemble"
    assert result.evaluations[0].metrics == result.evaluations[1].metrics
    with pytest.raises(DataError, match=r"the split 'test' in .*predictions-valid\.parquet, got valid only"):
        evaluate(tmp_path / "o" / "predictions-valid.parquet", split="test")
    with pytest.raises(DataError, match="expected predictions of head 'fer2013' in .*, got those of 'ferplus'"):
        evaluate(tmp_path / "o" / "predictions-valid.parquet", head="fer2013")


def test_predictions_of_another_program(tmp_path):
    (tmp_path / "theirs.csv").write_text("id,label,p_anger,p_fear\na,anger,0.9,0.1\nb,fear,0.6,0.4\nc,,0.5,0.5\n")
    evaluation = only(evaluate(tmp_path / "theirs.csv"))
    assert evaluation.n == 2 and evaluation.metrics["accuracy"].value == 0.5 and evaluation.name == "theirs"
    assert read_predictions(tmp_path / "theirs.csv").meta == {}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"split": "test"}, DataError, "expected the split 'test' in the data, got train, valid only"),
        ({"split": "dev"}, UsageError, "expected a split out of train, valid, test, got 'dev'"),
        ({"head": "rafdb"}, UsageError, "'rafdb'"),
        ({"data": None}, UsageError, "expected --data TABLE or NAME=ROOT to evaluate .*tiny"),
        ({"data": "nowhere"}, UsageError, "expected a .parquet table, or NAME=FOLDER"),
    ],
)
def test_wrong_use_is_one_line(changes, error, message, tiny_model, table):
    with pytest.raises(error, match=message) as caught:
        evaluate(tiny_model, **{"data": table, **changes})
    assert "\n" not in str(caught.value)


def test_a_model_that_is_not_there(table):
    with pytest.raises((UsageError, ModelError), match="absent"):
        evaluate("absent-model", data=table)
    with pytest.raises(UsageError, match="expected a model, run folder or prediction table, got none"):
        evaluate([], data=table)


def test_data_without_labels(tiny_model, tmp_path):
    write_table(make_table([]), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="expected labels in the data, got none"):
        evaluate(tiny_model, data=str(tmp_path / "t.parquet"))


def test_it_needs_no_torch(tiny_model, table):
    code = (
        "import sys; sys.modules['torch'] = None; from mien.verbs.evaluate import evaluate; "
        f"print(evaluate({str(tiny_model)!r}, data={table!r}).evaluations[0].n)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def test_the_settings_are_checked_when_made():
    with pytest.raises(UsageError, match="expected a split"):
        EvaluateConfig(split="validation")
