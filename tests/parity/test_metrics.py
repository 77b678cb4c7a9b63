"""Our metrics against scikit-learn, statsmodels and torchmetrics, on random and on degenerate predictions."""

import warnings

import numpy as np
import pytest
from sklearn import metrics as sklearn
from statsmodels.stats.proportion import proportion_confint

from mien.core.labels import LabelSet
from mien.evaluation import METRICS, Outcomes
from mien.evaluation.metrics import by_class, f1_by_class, precision_by_class, recall_by_class, wilson

K = 7
LABELS = LabelSet("letters", tuple("abcdefg"))


def random_case(seed):
    generator = np.random.default_rng(seed)
    n = int(generator.integers(1, 400))
    probabilities = generator.dirichlet(generator.uniform(0.1, 2, K), n)
    return probabilities, generator.choice(K, n, p=generator.dirichlet(np.ones(K)))


def certain(ids):
    return np.eye(K)[np.array(ids)]


CASES = {
    **{f"random-{seed}": random_case(seed) for seed in range(12)},
    "one face, right": (certain([2]), np.array([2])),
    "one face, wrong": (certain([2]), np.array([3])),
    "always one class": (certain([1] * 30), np.arange(30) % K),
    "one class alone": (random_case(3)[0][:20], np.full(20, 4)),
    "all right": (certain(np.arange(30) % K), np.arange(30) % K),
    "all wrong": (certain(np.arange(30) % K), (np.arange(30) + 1) % K),
    "uniform": (np.full((10, K), 1 / K), np.arange(10) % K),
}


@pytest.fixture(params=list(CASES))
def outcomes(request):
    probabilities, labels = CASES[request.param]
    return Outcomes(probabilities, labels, LABELS)


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_figures_of_the_confusion_matrix(outcomes):
    y, p = outcomes.labels, outcomes.predicted
    np.testing.assert_array_equal(outcomes.confusion, sklearn.confusion_matrix(y, p, labels=range(K)))
    assert METRICS["accuracy"](outcomes).value == pytest.approx(sklearn.accuracy_score(y, p), abs=1e-9)
    assert METRICS["macro_f1"](outcomes).value == pytest.approx(sklearn.f1_score(y, p, average="macro"), abs=1e-9)
    expected = sklearn.balanced_accuracy_score(y, p)
    assert METRICS["balanced_accuracy"](outcomes).value == pytest.approx(expected, abs=1e-9)


def test_figures_by_class(outcomes):
    y, p = outcomes.labels, outcomes.predicted
    wanted = sklearn.precision_recall_fscore_support(y, p, labels=range(K), zero_division=np.nan)
    ours = [each(outcomes.confusion) for each in (precision_by_class, recall_by_class, f1_by_class)]
    for name, a, b in zip(("precision", "recall", "f1"), ours, wanted, strict=False):
        np.testing.assert_allclose(a, b, atol=1e-9, err_msg=name)
    figures = by_class(outcomes)
    np.testing.assert_allclose([figures[f"recall_{label}"].value for label in LABELS], wanted[1], atol=1e-9)


def test_losses(outcomes):
    y, p = outcomes.labels, outcomes.probabilities
    assert METRICS["nll"](outcomes).value == pytest.approx(sklearn.log_loss(y, p, labels=range(K)), abs=1e-9)
    brier = np.mean([sum((p[i, k] - (y[i] == k)) ** 2 for k in range(K)) for i in range(len(y))])
    assert METRICS["brier"](outcomes).value == pytest.approx(brier, abs=1e-9)


def test_calibration_error_in_float64(outcomes):
    """Bin by bin, as the definition says."""
    confidence, expected = outcomes.probabilities.max(1), 0.0
    for low in range(15):
        last = low == 14
        inside = (confidence >= np.linspace(0, 1, 16)[low]) & (last | (confidence < np.linspace(0, 1, 16)[low + 1]))
        if inside.any():
            expected += abs(outcomes.correct[inside].mean() - confidence[inside].mean()) * inside.mean()
    assert METRICS["ece"](outcomes).value == pytest.approx(expected, abs=1e-9)


def test_calibration_error_of_torchmetrics(outcomes):
    """That library computes in float32, hence the tolerance."""
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.functional.classification")
    p, y = torch.from_numpy(outcomes.probabilities), torch.from_numpy(outcomes.labels)
    theirs = float(classification.multiclass_calibration_error(p, y, num_classes=K, n_bins=15, norm="l1"))
    assert METRICS["ece"](outcomes).value == pytest.approx(theirs, abs=2e-6)


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 50), (50, 50), (7, 10), (2460, 3589), (1, 100_000)])
def test_wilson(successes, n):
    low, high = proportion_confint(successes, n, alpha=0.05, method="wilson")
    figure = wilson(successes, n)
    assert (figure.low, figure.high) == pytest.approx((low, high), abs=1e-9)


def test_the_bootstrap_interval_is_that_of_scipy():
    from scipy.stats import bootstrap

    probabilities, labels = random_case(5)
    outcomes = Outcomes(probabilities, labels, LABELS)

    def macro_f1(rows):
        cells = labels[rows] * K + outcomes.predicted[rows]
        return np.nanmean(f1_by_class(np.bincount(cells, minlength=K * K).reshape(K, K)))

    theirs = bootstrap(
        (np.arange(len(labels)),), macro_f1, n_resamples=3000, vectorized=False, method="percentile", rng=0
    ).confidence_interval
    ours = METRICS["macro_f1"](outcomes)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)
