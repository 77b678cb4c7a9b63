"""The verb evaluate: heads meet label sources, several models meet, and files are what the contract says."""

import csv
import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from mien.cli.app import main
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
    evaluation.predictions.write(tmp_path / "p.parquet")
    assert only(evaluate(tmp_path / "p.parquet")).notes == (note,)  # figures from the file need to be told it, too


def test_votes_of_another_source_count_on_the_labels_that_both_know(tiny_model):
    rows = make_table(["ferplus"])
    votes = np.full((60, 8), 1 / 8, np.float32)
    data = replace(rows, sources={"ferplus": replace(rows.source("ferplus"), soft=votes)})
    evaluation = only(evaluate(tiny_model, data=data, head="fer2013"))
    figure, predictions = evaluation.metrics["votes_mae"], evaluation.predictions.labelled()
    assert figure.value == pytest.approx(np.abs(predictions.probabilities - 1 / 7).mean(), abs=1e-6)
    assert figure.n == evaluation.n and "without contempt" in evaluation.notes[0]


def test_labels_of_another_source_are_said_to_be_so_where_all_are_common(tiny_model, tmp_path):
    rows = make_table(["fer2013"])
    evaluation = only(
        evaluate(tiny_model, data=replace(rows, sources={"rafdb": rows.source("fer2013")}), head="fer2013")
    )
    assert evaluation.notes == ("head fer2013 judged by the labels of rafdb, 7 in common",)


def test_files_of_one_evaluation(tiny_model, table, tmp_path):
    out = tmp_path / "out"
    result = evaluate(tiny_model, data=table, out=out)
    names = ["predictions-valid.parquet", "metrics-valid.json", "confusion-valid.csv", "confusion-rates-valid.csv"]
    names += ["classes-valid.csv", "curves-valid.json"]
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


def test_files_of_curves_and_classes(tiny_model, table, tmp_path):
    evaluation = only(evaluate(tiny_model, data=table, out=tmp_path))
    assert json.loads((tmp_path / "curves-valid.json").read_text("utf-8")) == evaluation.curves.to_dict()
    with open(tmp_path / "classes-valid.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == list(FERPLUS) and sum(int(row["n"]) for row in rows) == evaluation.n
    with open(tmp_path / "confusion-rates-valid.csv", newline="") as file:
        rates = np.array([row[1:] for row in csv.reader(file)][1:], float)
    np.testing.assert_allclose(rates, evaluation.confusion_rates, atol=1e-6)


def with_groups(rows):
    extra = {
        "group_gender": np.array((["female"] * 12 + ["male"] * 12 + ["unsure"] * 3 + [""] * 3) * 2, np.str_),
        "valence": np.linspace(-1, 1, 60, dtype=np.float32),
        "arousal": np.where(np.arange(60) % 2, np.nan, 0.25).astype(np.float32),
    }
    labels = LabelColumn(FERPLUS, np.resize(np.arange(8, dtype=np.int16), 60))
    return Table(rows.ids, rows.images, rows.split, {"ferplus": labels}, extra, rows.meta)


def test_groups_of_people(tiny_model, tmp_path, capsys):
    write_table(with_groups(make_table()), tmp_path / "t.parquet")
    arguments = ["evaluate", str(tiny_model), "--data", str(tmp_path / "t.parquet"), "--out", str(tmp_path / "o")]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert "groups by gender, 3 faces of none" in lines and "unsure 3 too small" in lines
    assert any(line.startswith("gap in accuracy: 0.") for line in lines)
    evaluation = only(evaluate(tmp_path / "o" / "predictions-valid.parquet"))
    women = evaluation.groups["gender"].rows[0]
    assert (women.name, women.n) == ("female", 12) and f"female 12 {women.accuracy.value:.3f}" in " ".join(lines)
    with open(tmp_path / "o" / "groups-valid.csv", newline="") as file:
        assert [row["group"] for row in csv.DictReader(file)] == ["female", "male", "unsure"]
    assert "accuracy_gap_gender" in json.loads((tmp_path / "o" / "metrics-valid.json").read_text("utf-8"))


def test_of_many_people_the_largest_groups_are_shown(tmp_path, capsys):
    rows = [f"{k},{'ab'[k % 2]},0.7,0.3,s{k % 25:02}" for k in range(260)]  # s00 to s09 have eleven faces, others ten
    (tmp_path / "p.csv").write_text("\n".join(["id,label,p_a,p_b,subject", *rows]) + "\n")
    assert main(["evaluate", str(tmp_path / "p.csv")]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    shown = [line[0] for line in lines if line and line[0][:2] in ("s0", "s1", "s2")]
    assert shown == [f"s{k:02}" for k in range(20)]
    assert ["...", "and", "5", "smaller", "groups:", "--out", "writes", "all", "of", "them"] in lines


def teach_affect(path):
    """Give a net the output `valence_arousal`: tanh of the means of the upper and the lower half."""
    onnx = pytest.importorskip("onnx")
    model, helper = onnx.load(path), onnx.helper
    pooling = np.zeros((16, 2), np.float32)
    pooling[:8, 0] = pooling[8:, 1] = 1 / 8
    model.graph.initializer.append(onnx.numpy_helper.from_array(pooling, "w_affect"))
    model.graph.node.append(helper.make_node("MatMul", ["flat", "w_affect"], ["affect"]))
    model.graph.node.append(helper.make_node("Tanh", ["affect"], ["valence_arousal"]))
    kind = onnx.TensorProto.FLOAT
    model.graph.output.append(helper.make_tensor_value_info("valence_arousal", kind, ["n", 2]))
    old = hashlib.sha256(path.read_bytes()).hexdigest()
    onnx.save(model, path)
    card = path.with_suffix(".toml")
    text = card.read_text("utf-8").replace(old, hashlib.sha256(path.read_bytes()).hexdigest())
    card.write_text("\n".join(line for line in text.splitlines() if not line.startswith("bytes")), "utf-8")


def test_valence_and_arousal_of_a_model_that_tells_them(tiny_model, tmp_path):
    data = with_groups(make_table())
    assert not any("valence" in name for name in only(evaluate(tiny_model, data=data)).metrics)
    teach_affect(tiny_model)
    plain, flipped = evaluate(tiny_model, data=data, tta=True, out=tmp_path / "o").evaluations
    faces = data.of_split("valid").images.reshape(30, 2, 24, 48).mean((2, 3)) / 255
    expected = np.tanh((faces - 0.5) / 0.25)
    np.testing.assert_allclose(plain.predictions.predicted_affect, expected, atol=1e-5)
    np.testing.assert_allclose(flipped.predictions.predicted_affect, expected, atol=1e-5)  # mirrored halves are equal
    truth = np.linspace(-1, 1, 60)[30:]
    assert plain.metrics["valence_mae"].value == pytest.approx(np.abs(expected[:, 0] - truth).mean(), abs=1e-5)
    assert (plain.metrics["valence_mae"].n, plain.metrics["arousal_mae"].n) == (30, 15)
    assert not any("valence" in name for name in only(evaluate(tiny_model, data=make_table())).metrics)


def test_a_run_without_data_is_judged_by_its_predictions(tiny_model, table, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    message = "expected --data TABLE or NAME=ROOT, or predictions-valid.parquet in the run .*run, got neither$"
    with pytest.raises(UsageError, match=message):
        evaluate(run)
    for head in ("ferplus", "fer2013"):
        evaluate(tiny_model, data=table, head=head, out=run / head)
    with pytest.raises(UsageError, match="expected --head out of fer2013, ferplus for the predictions in .*run, got"):
        evaluate(run)
    card = tiny_model.with_suffix(".toml").read_text("utf-8")
    (run / "model.toml").write_text(card, "utf-8")
    found = only(evaluate(run))
    assert found.label_set == FERPLUS and found.n == only(evaluate(tiny_model, data=table)).n
    assert only(evaluate(run, head="fer2013")).label_set == FER2013
    with pytest.raises(UsageError, match=r"predictions-test.parquet in the run .*, got neither \(predictions-valid"):
        evaluate(run, split="test")
    with pytest.raises(UsageError, match="or predictions-valid.parquet of head rafdb in the run"):
        evaluate(run, head="rafdb")
    with pytest.raises(UsageError, match="expected --data TABLE or NAME=ROOT to evaluate .*run on, got none"):
        evaluate(run, tta=True)
    assert only(evaluate(run / "ferplus")).metrics == found.metrics  # a folder with the file itself
    assert found.name == "run" and only(evaluate(run / "ferplus" / "predictions-valid.parquet")).name == "tiny"


def test_a_run_is_called_after_its_folder_from_within_too(tiny_model, table, tmp_path, monkeypatch):
    evaluate(tiny_model, data=table, out=tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    assert only(evaluate(".")).name == "run"


def test_no_model_takes_the_files_of_another(tiny_model, table, tmp_path):
    """Tables of one model, of an ensemble and with signs that files cannot have in their names."""
    plain, flip = evaluate(tiny_model, data=table, tta=True).evaluations
    for file, model in {"a": "tiny", "b": "TINY", "c": "x:y", "d": "x/y", "e": "ensemble"}.items():
        replace(plain.predictions, meta={**plain.predictions.meta, "model": model}).write(tmp_path / f"{file}.parquet")
    result = evaluate([tmp_path / f"{file}.parquet" for file in "abcde"], out=tmp_path / "out")
    assert [each.name for each in result.evaluations] == ["tiny", "TINY-2", "x:y", "x/y-2", "ensemble-2", "ensemble"]
    assert len(set(result.files)) == len(list((tmp_path / "out").iterdir())) == 6 * 6
    flip.predictions.write(tmp_path / "flip.parquet")
    one, two, mean = evaluate([tmp_path / "a.parquet", tmp_path / "flip.parquet"]).evaluations
    assert (one.name, two.name) == ("tiny", "tiny+flip") and mean.predictions.meta["members"] == "tiny, tiny+flip"


def test_what_it_costs_stands_in_the_file(tiny_model, table, tmp_path):
    evaluate(tiny_model, data=table, tta=True, out=tmp_path)
    plain, flip = (tmp_path / f"predictions-valid-tiny{end}.parquet" for end in ("", "+flip"))
    assert only(evaluate(plain)).passes == 1 and only(evaluate(flip)).passes == 2
    assert evaluate([plain, flip]).evaluations[-1].passes == 3
    with pytest.raises(UsageError, match="expected a model to see the mirror images of --tta, got prediction tables"):
        evaluate(plain, tta=True)


def test_nothing_of_an_earlier_evaluation_stays_under_the_names_of_a_new_one(tiny_model, table, tmp_path):
    labels = make_table().source("ferplus")
    people = replace(make_table(), sources={"ferplus": labels}, extra={"subject": np.array(["a", "b"] * 30)})
    evaluate(tiny_model, data=people, out=tmp_path / "o")
    assert (tmp_path / "o" / "groups-valid.csv").exists()
    wrong = evaluate(tiny_model, data=table, out=tmp_path / "o", errors=True, overwrite=True)
    assert {each for each in wrong.files if each.parent.name == "errors-valid"}
    result = evaluate(tiny_model, data=table, out=tmp_path / "o", overwrite=True)
    assert set(result.files) == set((tmp_path / "o").iterdir())


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
    assert len(result.files) == 5 * 6 and all(each.is_file() for each in result.files)
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


def test_where_it_is_wrong(tiny_model, table, tmp_path, capsys):
    out = tmp_path / "out"
    words = ["evaluate", str(tiny_model), "--data", str(table), "--head", "fer2013", "--errors", "--out", str(out)]
    assert main(words) == 0
    found = json.loads((out / "errors-valid" / "errors.json").read_text("utf-8"))
    confusion = only(evaluate(tiny_model, data=table, head="fer2013")).confusion
    wrong = confusion.sum() - confusion.trace()
    assert sum(pair["count"] for pair in found["confused"]) == wrong
    assert (out / "errors-valid" / "hardest.png").stat().st_size > 1000
    said = capsys.readouterr()
    assert f"tiny: {wrong} of {confusion.sum()} faces wrong" in said.out and "\n  brightness " in said.out
    assert "errors-valid" in said.err and "mien: tiny: labels that may be wrong: by ferplus" in said.err
    for path in out.glob("*.json"):  # the errors alone are an earlier result, too
        path.unlink()
    with pytest.raises(OutputError, match=r"got errors-valid.errors\.json: choose another, or overwrite"):
        evaluate(tiny_model, data=table, out=out)
    for missing in ({"data": table}, {"out": out}):
        with pytest.raises(UsageError, match="expected --data with the faces and --out"):
            evaluate(tiny_model, errors=True, **missing)


def test_notes_name_the_model_they_are_about(tiny_model, table, tmp_path, capsys):
    evaluate(tiny_model, data=table, out=tmp_path / "o")
    stored = str(tmp_path / "o" / "predictions-valid.parquet")
    (tmp_path / "list.csv").write_text("id\nface-31\n")
    (tmp_path / "more.csv").write_text("id,source,suggestion\nface-32,ferplus,fear\nface-1,ferplus,fear\n")
    lists = ["--drop", str(tmp_path / "list.csv"), "--relabel", str(tmp_path / "more.csv")]
    assert main(["evaluate", stored, *lists, "--out", str(tmp_path / "p")]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if ".csv" in line and "wrote" not in line]
    assert said == [
        f"mien: 1 images of valid labelled anew by {tmp_path / 'more.csv'}",
        f"mien: 1 images of valid left out by {tmp_path / 'list.csv'}",
    ]
    about = read_predictions(tmp_path / "p" / "predictions-valid.parquet").meta
    assert about["dropped"] == "1" and about["lists"].startswith("--relabel more.csv (sha256 ")
    assert "; --drop list.csv (sha256 " in about["lists"]
    evaluate(tiny_model, data=table, relabel=tmp_path / "more.csv", out=tmp_path / "q")
    assert main(["evaluate", stored, str(tmp_path / "q" / "predictions-valid.parquet"), *lists[:2]]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "left out by" in line]
    assert said == [f"mien: 1 images of valid left out by {tmp_path / 'list.csv'}"]
    assert main(["evaluate", str(tiny_model), "--data", table, "--drop", str(tmp_path / "list.csv"), "--tta"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "left out by" in line]
    assert said == [f"mien: 1 images of valid left out by {tmp_path / 'list.csv'}"]
    (tmp_path / "other.csv").write_text("id,label,p_anger,p_fear\na,anger,0.9,0.1\nb,fear,0.6,0.4\n")
    (tmp_path / "one.csv").write_text("id,label,p_anger,p_fear\na,anger,0.9,0.1\nb,anger,1,0\n")
    assert main(["evaluate", str(tmp_path / "one.csv"), str(tmp_path / "other.csv")]) == 0
    assert "mien: one: macro_f1 leaves out fear: no such faces" in capsys.readouterr().err.splitlines()


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
    for data in (table, None):
        with pytest.raises((UsageError, ModelError), match="expected a model.*absent-model"):
            evaluate("absent-model", data=data)
    with pytest.raises(UsageError, match="expected a model, run folder or prediction table, got none"):
        evaluate([], data=table)


def test_data_without_labels(tiny_model, tmp_path):
    write_table(make_table([]), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="expected labels in the data, got none"):
        evaluate(tiny_model, data=str(tmp_path / "t.parquet"))


def test_nobody_with_a_label(tiny_model, tmp_path):
    rows = make_table(["ferplus"])
    nothing = LabelColumn(FERPLUS, np.full(60, -1, np.int16))
    data = Table(rows.ids, rows.images, rows.split, {"ferplus": nothing})
    with pytest.raises(
        DataError, match="faces with a label of ferplus in the split 'valid', got none of 30: choose"
    ) as e:
        evaluate(tiny_model, data=data)
    assert "\n" not in str(e.value)
    (tmp_path / "p.csv").write_text("id,label,p_a,p_b\n1,,0.5,0.5\n")
    with pytest.raises(DataError, match="expected faces with a label in the split 'valid', got none of 1: choose"):
        evaluate(tmp_path / "p.csv")
    (tmp_path / "p.csv").write_text("id,label,p_a,p_b\n")  # an empty split
    with pytest.raises(DataError, match="expected faces with a label in the split 'valid', got none of 0: choose"):
        evaluate(tmp_path / "p.csv")


def test_models_whose_labels_differ_have_no_mean(tmp_path):
    (tmp_path / "a.csv").write_text("id,label,p_a,p_b\n1,a,0.5,0.5\n")
    (tmp_path / "b.csv").write_text("id,label,p_a,p_c\n1,a,0.5,0.5\n")
    (tmp_path / "c.csv").write_text("id,label,p_a,p_b\n2,a,0.5,0.5\n")
    with pytest.raises(DataError, match="got the labels a, b and a, c: choose a head that all have"):
        evaluate([tmp_path / "a.csv", tmp_path / "b.csv"])
    with pytest.raises(
        DataError, match="got 1 and 1 faces, 0 in common, not all in one order: evaluate them on the same"
    ):
        evaluate([tmp_path / "a.csv", tmp_path / "c.csv"])


def test_it_needs_no_torch(tiny_model, table, tmp_path):
    """Neither to evaluate, nor to look at errors, nor to compare: nothing tries to import it."""
    code = f"""
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchmetrics", "lightning", "timm"):
            raise AssertionError(name)
sys.meta_path.insert(0, NoTorch())
import mien
out = {str(tmp_path)!r}
result = mien.evaluate({str(tiny_model)!r}, data={table!r}, tta=True, errors=True, out=out)
assert len(result.evaluations[0].curves.roc) == 8 and len(result.errors) == 2
tables = {{name: f"{{out}}/predictions-valid-tiny{{end}}.parquet" for name, end in (("plain", ""), ("flip", "+flip"))}}
print(len(mien.compare(tables, out=out, resamples=100).sentences))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1\n"


def test_the_settings_are_checked_when_made():
    with pytest.raises(UsageError, match="expected a split"):
        EvaluateConfig(split="validation")
