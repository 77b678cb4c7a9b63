import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mien.core.errors import UsageError
from mien.core.labels import LABEL_SETS
from mien.pipeline.baseline import measured

LABELS = LABEL_SETS["ferplus"]
NEUTRAL, ANGER = LABELS.index("neutral"), LABELS.index("anger")
ONE = np.array([0])

weights = arrays.arrays(np.float64, (6, 8), elements=st.floats(1e-4, 1))


def shares(**given: float) -> np.ndarray:
    """One row, (1, 8): what is not given is shared by the others."""
    row = np.full(8, (1 - sum(given.values())) / (8 - len(given)), np.float32)
    for label, value in given.items():
        row[LABELS.index(label)] = value
    return row[None]


def test_a_resting_face_that_looks_angry_becomes_neutral_and_its_anger_is_still_seen():
    rest = shares(anger=0.6, neutral=0.3)
    baseline = measured([(ONE, rest)] * 5, LABELS)
    assert baseline.subtracted(ONE, rest).argmax() == NEUTRAL
    assert baseline.subtracted(ONE, rest)[0, NEUTRAL] == pytest.approx(0.8)
    assert baseline.subtracted(ONE, shares(anger=0.995, neutral=0.002)).argmax() == ANGER
    assert baseline.subtracted(ONE, shares(happiness=0.9)).argmax() == LABELS.index("happiness")


def test_by_hand():
    """Odds of 5 : 4 against neutral, where 0.2 / 7 : 0.8 are expected; the others 0.1 / 6 : 0.4."""
    bias = measured([(ONE, shares(anger=0.5, neutral=0.4))], LABELS).bias[0]
    assert bias[ANGER] == pytest.approx(np.log((0.5 / 0.4) / (0.2 / 7 / 0.8)), abs=1e-5)
    assert bias[NEUTRAL] == 0
    others = np.log((0.1 / 6 / 0.4) / (0.2 / 7 / 0.8))
    assert np.delete(bias, [ANGER, NEUTRAL]) == pytest.approx(np.full(6, others), abs=1e-5)


def test_a_stretch_that_reads_as_neutral_changes_nothing():
    baseline = measured([(ONE, shares(neutral=0.93))], LABELS)
    other = shares(fear=0.7, neutral=0.2)
    assert baseline.subtracted(ONE, other) == pytest.approx(other, abs=1e-6)


@given(weights, weights)
def test_rows_sum_to_1_and_the_stretch_never_becomes_less_neutral(stretch, others):
    stretch, others = ((rows / rows.sum(1, keepdims=True)).astype(np.float32) for rows in (stretch, others))
    ids = np.zeros(6, np.int64)
    baseline = measured([(ids, stretch)], LABELS)
    corrected = baseline.subtracted(ids, others)
    assert corrected.sum(1) == pytest.approx(np.ones(6), abs=1e-5)
    assert (baseline.subtracted(ids, stretch)[:, NEUTRAL] >= stretch[:, NEUTRAL] - 1e-5).all()


def test_each_face_has_its_own_and_one_that_was_not_there_keeps_its_values():
    both = np.vstack([shares(anger=0.6, neutral=0.3), shares(sadness=0.6, neutral=0.3)])
    baseline = measured([(np.array([3, 5]), both)], LABELS)
    assert set(baseline.bias) == {3, 5}
    angry, sad = baseline.subtracted(np.array([5, 3]), np.repeat(shares(anger=0.6, neutral=0.3), 2, 0))
    assert angry.argmax() == ANGER
    assert sad.argmax() == NEUTRAL
    assert (baseline.subtracted(np.array([4]), both[:1]) == both[:1]).all()


def test_a_model_without_neutral_is_refused():
    with pytest.raises(UsageError, match="expected a model that knows 'neutral', for the baseline of a neutral face"):
        measured([], LABEL_SETS["mmi"])
