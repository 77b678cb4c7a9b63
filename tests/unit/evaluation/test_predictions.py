"""Prediction tables: validated, the same after a trip through Parquet, readable from a csv made elsewhere."""

import csv
import inspect
import os
import sys
from dataclasses import replace

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.core.errors import DataError, OutputError
from mien.core.labels import LABEL_SETS, LabelSet
from mien.evaluation import PredictionTable, average, in_common, pooled, read_predictions

FER2013, FERPLUS = LABEL_SETS["fer2013"], LABEL_SETS["ferplus"]


def make(n=5, *, seed=0, full=True, model="m"):
    generator = np.random.default_rng(seed)
    soft = generator.dirichlet(np.ones(8), n).astype(np.float32)
    soft[1::2] = np.nan
    more = {
        "soft": soft,
        "subject": np.array([f"s{k}" for k in range(n)], np.str_),
        "group": np.array(["ü"] * n, np.str_),
        "in_train": np.arange(n) % 2 == 0,
        "groups": {"gender": np.array(["female", ""] * n, np.str_)[:n], "age": np.array(["4-19"] * n, np.str_)},
        "affect": np.where(np.arange(n)[:, None] == 1, np.nan, generator.uniform(-1, 1, (n, 2))).astype(np.float32),
        "predicted_affect": generator.uniform(-1, 1, (n, 2)).astype(np.float32),
    }
    return PredictionTable(
        ids=np.array([f"face-{k}" for k in range(n)], np.str_),
        split=np.array(["valid"] * n, np.str_),
        label_ids=generator.integers(-1, 8, n).astype(np.int16),
        probabilities=generator.dirichlet(np.ones(8), n).astype(np.float32),
        label_set=FERPLUS,
        meta={"model": model, "rule": "a rule"},
        **(more if full else {}),
    )


def assert_same(a, b):
    assert a.label_set == b.label_set and dict(a.meta) == dict(b.meta)
    assert list(a.group_columns) == list(b.group_columns)
    arrays = ("ids", "split", "label_ids", "probabilities", "soft", "in_train", "affect", "predicted_affect")
    for name in (*arrays, *a.group_columns):
        one, two = (each.group_columns[name] if name in each.group_columns else getattr(each, name) for each in (a, b))
        assert (one is None) == (two is None), name
        if one is not None:
            np.testing.assert_array_equal(one, two, err_msg=name)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n=st.integers(0, 9), full=st.booleans(), seed=st.integers(0, 99))
def test_the_same_after_a_trip_through_parquet(n, full, seed, tmp_path):
    table = make(n, full=full, seed=seed)
    table.write(tmp_path / "p.parquet")
    assert_same(read_predictions(tmp_path / "p.parquet"), table)


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path):
    (tmp_path / "group=1").mkdir()
    make(full=False).write(tmp_path / "group=1" / "p.parquet")
    assert_same(read_predictions(tmp_path / "group=1" / "p.parquet"), make(full=False))


def test_the_columns_are_those_of_the_contract(tmp_path):
    make().write(tmp_path / "p.parquet")
    names = parquet.read_schema(tmp_path / "p.parquet").names
    about = ["id", "split", "subject", "group", "group_gender", "group_age", "in_train", "label"]
    affect = ["valence", "arousal", "predicted_valence", "predicted_arousal"]
    chances = [f"{kind}_{label}" for kind in ("p", "soft") for label in FERPLUS]
    assert names == [*about, *chances, *affect]


def test_a_csv_made_elsewhere(tmp_path):
    table = make(full=False)
    columns = table.to_columns()
    path = tmp_path / "p.csv"
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([list(columns), *zip(*columns.values(), strict=True)])
    read = read_predictions(path)
    assert read.label_set == FERPLUS  # known by its labels
    np.testing.assert_array_equal(read.label_ids, table.label_ids)
    np.testing.assert_allclose(read.probabilities, table.probabilities)
    path.write_text("id,label,p_yes,p_no\na,yes,0.75,0.25\nb,,0.5,0.5\n")
    read = read_predictions(path)
    assert read.label_set == LabelSet("custom", ("yes", "no")) and read.label_ids.tolist() == [0, -1]
    assert len(read.labelled()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the columns id, label and p_<label>... in .*, got none"),
        ("id,label\n1,a\n", "got id, label"),
        ("id,label,p_a,p_b\n1,c,0.5,0.5\n", "expected labels out of a, b in .*, got 'c'"),
        (
            "id,label,p_a,p_b\n1,a,0.5,0.6\n",
            r"got 0.5, 0.6 for '1' \(1 of 1 rows\): write what comes after",
        ),
        ("id,label,p_a,p_b\n1,a,,0.6\n", "rows sum to 1"),
        ("id,label,p_a,p_b\n1,a,1,0\n2,a,1,0\n1,b,1,0\n", "each id once in .*, got 1 more than once, such as '1'"),
        ("id,p_a,p_b\n1,1,0\n", "expected the columns id, label and p_<label>... in .*, got id, p_a, p_b"),
        ("id,label,p_a,p_b\n1,a,1.5,-0.5\n", "rows sum to 1"),
        ("id,label,p_a,p_b\n1,a,nan,nan\n", "rows sum to 1"),
        ("id,label,p_a,p_b\n1,a,x,0.6\n", r"expected numbers in the columns p_<label> of .*p\.csv"),
        (
            "id,label,p_a,p_b\n1,a,1,0\n\n2,a,0.5\n",
            r"expected 4 cells in each row of .*p\.csv, as in its header, got 3 in row 3$",
        ),
        ("id,label,p_a,p_b\n1,a,\xff\xfe", "expected a csv in UTF-8 at "),
        (
            f"id,label,p_a,p_b\n{'x' * 2000},a,1,0\n",
            "at most 1,024 characters in the column id of .*, got one of 2,000",
        ),
        (f"id,label,group,p_a,p_b\n1,a,{'x' * 2000},1,0\n", "at most 1,024 characters in the column group, got one of"),
    ],
)
def test_what_is_no_prediction_table(text, message, tmp_path):
    path = tmp_path / "p.csv"
    path.write_text(text, "latin-1")
    with pytest.raises(DataError, match=message) as caught:
        read_predictions(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_are_not_there_or_damaged(tmp_path):
    with pytest.raises(DataError, match="no such file: check the path"):
        read_predictions(tmp_path / "p.parquet")
    (tmp_path / "p.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(DataError, match="expected Parquet at"):
        read_predictions(tmp_path / "p.parquet")
    with pytest.raises(OutputError, match="expected to write"):
        make().write(tmp_path / "absent" / "p.parquet")


def test_parts_that_do_not_fit():
    parts = {name: getattr(make(), name) for name in ("ids", "split", "label_ids", "probabilities", "label_set")}
    with pytest.raises(DataError, match=r"expected probabilities of shape \(5, 8\) in the predictions, got \(4, 8\)"):
        PredictionTable(**parts | {"probabilities": parts["probabilities"][:4]})
    with pytest.raises(DataError, match=r"class ids in -1\.\.7"):
        PredictionTable(**parts | {"label_ids": np.full(5, 8, np.int16)})


def test_parts_of_groups_and_affect_that_do_not_fit():
    with pytest.raises(DataError, match=r"expected group_age of shape \(5,\) in the predictions, got \(4,\)"):
        replace(make(), groups={"age": np.array(["a"] * 4)})
    with pytest.raises(DataError, match=r"expected affect of shape \(5, 2\) in the predictions, got \(5,\)"):
        replace(make(), affect=np.zeros(5, np.float32))


def test_a_part_keeps_every_column():
    some = make(8).select(np.array([6, 1]))
    assert some.ids.tolist() == ["face-6", "face-1"] and some.groups["gender"].tolist() == ["female", ""]
    assert list(some.group_columns) == ["subject", "group", "gender", "age"]
    np.testing.assert_array_equal(some.predicted_affect, make(8).predicted_affect[[6, 1]])
    assert np.isnan(some.affect[1]).all() and list(make(full=False).group_columns) == []


def test_folds_together_keep_the_groups_that_all_know():
    one, two = make(4), make(4, seed=1)
    two = replace(two, ids=np.array([f"other-{k}" for k in range(4)]), groups={"gender": two.groups["gender"]})
    both = pooled([one, two], model="both")
    assert list(both.groups) == ["gender"] and len(both) == 8 and both.predicted_affect.shape == (8, 2)
    assert pooled([one, replace(two, predicted_affect=None)]).predicted_affect is None
    assert both.meta == {"model": "both", "rule": "a rule"}


def test_the_mean_of_several():
    one, two = make(model="a"), make(seed=1, model="b")
    two = PredictionTable(one.ids, one.split, one.label_ids, two.probabilities, FERPLUS, meta=two.meta)
    mean = average([one, two])
    np.testing.assert_allclose(mean.probabilities, (one.probabilities + two.probabilities) / 2, rtol=1e-6)
    assert mean.meta["model"] == "ensemble" and mean.meta["members"] == "a, b"
    with pytest.raises(DataError, match="the same labels on the same faces"):
        average([one, make(4)])


def test_labels_in_common():
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.ones(8), 4).astype(np.float32)
    probabilities[3] = np.eye(8, dtype=np.float32)[7]  # contempt alone, which FER2013 lacks
    scaled, ids, soft, labels = in_common(probabilities, FERPLUS, np.array([0, 6, -1, 3], np.int16), FER2013)
    assert labels.labels == FERPLUS.labels[:7] and soft is None
    assert [labels.labels[k] if k >= 0 else None for k in ids] == ["anger", "neutral", None, "happiness"]
    np.testing.assert_allclose(scaled[:3], probabilities[:3, :7] / probabilities[:3, :7].sum(1, keepdims=True))
    np.testing.assert_allclose(scaled[3], 1 / 7)
    back, ids, _, labels = in_common(scaled, labels, np.array([7, 1], np.int16), FERPLUS)
    assert ids.tolist() == [-1, 1] and back.shape == (4, 7)
    with pytest.raises(DataError, match=r"expected two labels or more that the model knows .*, got yes, no"):
        in_common(probabilities, FERPLUS, np.zeros(4, np.int16), LabelSet("other", ("yes", "no")))


def test_votes_on_labels_in_common():
    votes = np.float32([[0.2, 0, 0, 0, 0.3, 0, 0, 0.5], [0, 0, 0, 0, 0, 0, 0, 1], [np.nan] * 8])
    same = np.full((3, 7), 1 / 7, np.float32)
    *_, soft, labels = in_common(same, FER2013, np.zeros(3, np.int16), FERPLUS, votes)
    assert labels == FER2013 and soft[0, FER2013.index("neutral")] == np.float32(0.4)
    assert soft[0, FER2013.index("anger")] == np.float32(0.6) and np.isnan(soft[1:]).all()


def test_a_folder_is_no_table_but_may_hold_some(tmp_path):
    with pytest.raises(DataError, match="expected a prediction table at .*, got a folder: name a file$"):
        read_predictions(tmp_path)
    (tmp_path / "ferplus").mkdir()
    make().write(tmp_path / "ferplus" / "predictions-valid.parquet")
    with pytest.raises(DataError, match=r"got a folder that holds ferplus.predictions-valid\.parquet: name one$"):
        read_predictions(tmp_path)
    os.makedirs(tmp_path / "/".join("d" * 300))
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        with pytest.raises(DataError, match="got a folder: name a file$"):
            read_predictions(tmp_path)
    finally:
        sys.setrecursionlimit(limit)


def test_passes_add_up_and_what_is_true_of_one_alone_is_not_said_of_the_mean(tmp_path):
    one = make(model="a")
    two = replace(one, meta={**one.meta, "passes": "2", "mapping": "of one", "lists": "l"})
    mean = average([one, two])
    mean.write(tmp_path / "p.parquet")
    assert (one.passes, two.passes, read_predictions(tmp_path / "p.parquet").passes) == (1, 2, 3)
    assert "mapping" not in mean.meta and average([two, two]).meta["mapping"] == "of one"


@pytest.mark.parametrize(
    "about",
    ["[]", "null", '{"meta": "x"}', '{"meta": null}', '{"meta": {"passes": "many"}}', '{"label_set": [1]}', "[" * 3000],
)
def test_words_beside_the_columns_that_are_none(about, tmp_path):
    columns = {"id": ["1"], "label": ["a"], "p_a": [1.0], "p_b": [0.0]}
    parquet.write_table(pyarrow.table(columns).replace_schema_metadata({"mien": about}), tmp_path / "p.parquet")
    with pytest.raises(DataError, match=r"expected a prediction table at .*p\.parquet, got: ") as caught:
        read_predictions(tmp_path / "p.parquet")
    assert "\n" not in str(caught.value)


def test_cells_that_are_lists(tmp_path):
    columns = {"id": [[1, 2], [3]], "label": ["a", "b"], "p_a": [1.0, 0.0], "p_b": [0.0, 1.0]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "p.parquet")
    assert read_predictions(tmp_path / "p.parquet").ids.tolist() == ["[1, 2]", "[3]"]
    parquet.write_table(pyarrow.table(columns | {"label": [[], [1]]}), tmp_path / "p.parquet")
    with pytest.raises(DataError, match=r"expected labels out of a, b in .*p\.parquet, got \[1\], \[\]"):
        read_predictions(tmp_path / "p.parquet")
