"""The table of an ablation: which effect size stands in it, and what is left empty."""

import numpy as np
import pytest

from mien.core.labels import LabelSet
from mien.evaluation import PredictionTable
from mien.evaluation.comparison import compare_predictions
from mien.experiments.ablated import csv_rows, rows_of

AB = LabelSet("ab", ("a", "b"))


def table(wrong, n=100):
    """Right on all images but the first `wrong`."""
    labels = np.arange(n) % 2
    said = np.where(np.arange(n) < wrong, 1 - labels, labels)
    p = np.where(np.arange(2) == said[:, None], 0.8, 0.2).astype(np.float32)
    return PredictionTable(np.array([f"i{k}" for k in range(n)]), np.full(n, "valid"), labels.astype(np.int16), p, AB)


def ablated(**wrong):
    tables = {name: [table(each) for each in seeds] for name, seeds in wrong.items()}
    found = compare_predictions(tables, against="full", resamples=300)
    return found, rows_of({"own": found}, full="full")


def test_the_full_model_comes_first_and_runs_decide_the_effect_size():
    _, (full, less) = ablated(less=(20, 25, 24), full=(10, 12, 15))
    assert (full.variant, full.head, full.difference, full.effect) == ("full", "own", None, "")
    lost = np.array([-0.10, -0.13, -0.09])
    assert less.variant == "less" and less.effect == "cohen_dz"
    assert less.effect_size == pytest.approx(lost.mean() / lost.std(ddof=1))
    assert less.difference.value == pytest.approx(lost.mean()) and less.differ
    assert less.to_dict()["difference"]["value"] == less.difference.value


def test_of_one_run_it_is_that_of_the_test_that_decides():
    found, (_, less) = ablated(full=(10,), less=(18,))
    assert (less.test, less.effect, less.effect_size) == ("mcnemar", "cohen_g", -0.5)
    assert less.p == less.p_holm == found.pairs[0].decided_by.finding.p


def test_what_is_not_defined_is_empty():
    _, rows = ablated(full=(10, 10), same=(10, 10))
    header, full, same = csv_rows(rows)
    cells = dict(zip(header, same, strict=True))
    assert cells["effect"] == "cohen_dz" and cells["effect_size"] == "" and cells["difference"] == 0
    assert set(full[header.index("difference") :]) == {""}
