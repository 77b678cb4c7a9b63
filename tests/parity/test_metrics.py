"""Our metrics against scikit-learn, statsmodels and torchmetrics, on random and on degenerate predictions."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import metrics as sklearn
from sklearn.calibration import calibration_curve
from statsmodels.stats.proportion import proportion_confint

from mien.core.labels import LabelSet
from mien.evaluation import METRICS, Outcomes, PredictionTable, judge
from mien.evaluation.affect import affect_figures, concordance
from mien.evaluation.bootstrap import draws, units_of
from mien.evaluation.curves import coverage_curve, precision_recall_curve, reliability_bins, roc_curve
from mien.evaluation.metrics import by_class, f1_by_class, precision_by_class, recall_by_class, wilson
from mien.evaluation.ranking import rank

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


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_averages_over_classes(average, outcomes):
    """Of classes that have the figure: scikit-learn's `zero_division=nan`."""
    y, p = outcomes.labels, outcomes.predicted
    for name in ("precision", "recall", "f1"):
        score = getattr(sklearn, f"{name}_score")
        expected = score(y, p, labels=range(K), average=average, zero_division=np.nan)
        each = score(y, p, labels=range(K), average=None, zero_division=np.nan)
        if average == "weighted" and not np.bincount(y, minlength=K)[~np.isnan(each)].any():
            expected = np.nan  # nothing that has weight is defined: scikit-learn forgets the weights then
        found = METRICS[f"{average}_{name}"](outcomes).value
        assert found == pytest.approx(expected, abs=1e-9, nan_ok=True), name


def test_kappa(outcomes):
    expected = sklearn.cohen_kappa_score(outcomes.labels, outcomes.predicted, labels=range(K))
    assert METRICS["kappa"](outcomes).value == pytest.approx(expected, abs=1e-9, nan_ok=True)


def areas_of_sklearn(probabilities, labels):
    """(2, K) areas and average precisions; NaN where scikit-learn says that there are none, or says 0 and warns."""
    expected = np.full((2, probabilities.shape[1]), np.nan)
    for k, scores in enumerate(probabilities.T):
        own = labels == k
        if own.any():
            expected[1, k] = sklearn.average_precision_score(own, scores)
        if own.any() and not own.all():
            expected[0, k] = sklearn.roc_auc_score(own, scores)
    return expected


def test_areas_under_curves(outcomes):
    expected = areas_of_sklearn(outcomes.probabilities, outcomes.labels)
    np.testing.assert_allclose([outcomes.ranking.auc, outcomes.ranking.precision], expected, atol=1e-9)
    for name, row in zip(("roc_auc", "average_precision"), expected, strict=True):
        assert METRICS[name](outcomes).value == pytest.approx(np.nanmean(row), abs=1e-9, nan_ok=True), name
    if not np.isnan(expected[0]).any():
        theirs = sklearn.roc_auc_score(outcomes.labels, outcomes.probabilities, multi_class="ovr", average="macro")
        assert METRICS["roc_auc"](outcomes).value == pytest.approx(theirs, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), n=st.integers(1, 25))
def test_areas_under_curves_with_ties(data, n):
    """Few distinct scores, any labels: what is equal counts half in the area, and is one step of the precision."""
    scores = data.draw(arrays.arrays(np.float64, (n, 3), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])))
    labels = data.draw(arrays.arrays(np.int64, n, elements=st.integers(0, 2)))
    found = rank(scores, labels, seed=0, resamples=1)
    np.testing.assert_allclose([found.auc, found.precision], areas_of_sklearn(scores, labels), atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), n=st.integers(2, 30), levels=st.sampled_from([2, 4, 1000]))
def test_curves_point_by_point(data, n, levels):
    scores = data.draw(arrays.arrays(np.float64, n, elements=st.integers(0, levels).map(lambda k: k / levels)))
    inside = data.draw(arrays.arrays(np.bool_, n))
    if inside.any() and not inside.all():
        ours = roc_curve("a", inside, scores)
        theirs = sklearn.roc_curve(inside, scores)
        found = (ours.false_positive_rate, ours.true_positive_rate, ours.thresholds)
        for a, b in zip(found, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-12)
    if inside.any():
        ours = precision_recall_curve("a", inside, scores)
        theirs = sklearn.precision_recall_curve(inside, scores, drop_intermediate=True)
        for a, b in zip((ours.precision, ours.recall, ours.thresholds[:-1]), theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-12)


@pytest.mark.parametrize("people", [None, np.array([f"s{k // 4}" for k in range(40)])])
def test_areas_of_bootstrap_samples(people):
    """Each sample's area is scikit-learn's of its faces, each as often as it was drawn."""
    generator = np.random.default_rng(2)
    scores, labels = generator.integers(0, 9, (40, 3)) / 8, generator.integers(0, 3, 40)
    found = rank(scores, labels, people, seed=4, resamples=20)
    unit = units_of(people, 40)
    for row, times in enumerate(np.concatenate(list(draws(unit.max() + 1, seed=4, resamples=20)))):
        drawn = np.repeat(np.arange(40), times[unit].astype(int))
        expected = areas_of_sklearn(scores[drawn], labels[drawn])
        np.testing.assert_allclose([found.auc_samples[row], found.precision_samples[row]], expected, atol=1e-9)


def delong(scores, inside):
    """DeLong, DeLong and Clarke-Pearson 1988, https://doi.org/10.2307/2531595: standard error of one area."""
    wins = (scores[inside][:, None] > scores[~inside]) + (scores[inside][:, None] == scores[~inside]) / 2
    return np.sqrt(wins.mean(1).var(ddof=1) / len(wins) + wins.mean(0).var(ddof=1) / wins.shape[1])


def test_the_bootstrap_interval_of_an_area_is_near_that_of_delong():
    probabilities, labels = random_case(5)
    probabilities[np.arange(len(labels)), labels] += 0.2
    found = rank(probabilities, labels, seed=0)
    for k in range(K):
        low, high = np.nanquantile(found.auc_samples[:, k], (0.025, 0.975))
        expected = 2 * 1.96 * delong(probabilities[:, k], labels == k)
        assert high - low == pytest.approx(expected, rel=0.12), k


def test_figures_by_class(outcomes):
    y, p = outcomes.labels, outcomes.predicted
    wanted = sklearn.precision_recall_fscore_support(y, p, labels=range(K), zero_division=np.nan)
    ours = [each(outcomes.confusion) for each in (precision_by_class, recall_by_class, f1_by_class)]
    for name, a, b in zip(("precision", "recall", "f1"), ours, wanted, strict=False):
        np.testing.assert_allclose(a, b, atol=1e-9, err_msg=name)
    figures = by_class(outcomes)
    np.testing.assert_allclose([figures[f"f1_{label}"].value for label in LABELS], wanted[2], atol=1e-9)
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


def test_the_reliability_diagram_of_sklearn(outcomes):
    bins = reliability_bins(outcomes)
    theirs = calibration_curve(outcomes.correct, outcomes.probabilities.max(1), n_bins=15)
    there = bins.n > 0
    np.testing.assert_allclose([bins.accuracy[there], bins.confidence[there]], theirs, atol=1e-9)
    assert np.isnan(bins.accuracy[~there]).all() and bins.n.sum() == len(outcomes)


def test_accuracy_by_coverage_is_that_of_the_faces_answered(outcomes):
    curve, confidence = coverage_curve(outcomes), outcomes.probabilities.max(1)
    np.testing.assert_array_equal(curve.thresholds, np.unique(confidence)[::-1])
    for threshold, coverage, accuracy in zip(curve.thresholds, curve.coverage, curve.accuracy, strict=True):
        answered = confidence >= threshold
        expected = sklearn.accuracy_score(outcomes.labels[answered], outcomes.predicted[answered])
        assert (coverage, accuracy) == pytest.approx((answered.mean(), expected), abs=1e-9)


@pytest.mark.parametrize("n", [1, 2, 300])
@pytest.mark.parametrize("model", ["random", "perfect", "constant"])
def test_errors_of_valence_and_arousal_and_of_votes_are_those_of_sklearn(n, model):
    generator = np.random.default_rng(n)
    truth = generator.integers(-4, 5, (n, 2)) / 4  # with ties
    said = {"random": generator.uniform(-1, 1, (n, 2)), "perfect": truth, "constant": np.full((n, 2), 0.25)}[model]
    figures = affect_figures(truth, said)
    for k, name in enumerate(("valence", "arousal")):
        x, y = truth[:, k], said[:, k]
        assert figures[f"{name}_mae"].value == pytest.approx(sklearn.mean_absolute_error(x, y), abs=1e-9)
        assert figures[f"{name}_rmse"].value == pytest.approx(sklearn.root_mean_squared_error(x, y), abs=1e-9)
        apart = (
            np.cov(x, bias=True) + np.cov(y, bias=True) + (x.mean() - y.mean()) ** 2 if n > 1 else (x[0] - y[0]) ** 2
        )
        expected = 2 * np.cov(x, y, bias=True)[0, 1] / apart if n > 1 and apart else 0.0 if apart else np.nan
        assert figures[f"{name}_ccc"].value == pytest.approx(expected, abs=1e-9, nan_ok=True)
    p = generator.dirichlet(np.ones(K), n).astype(np.float32)
    votes = {"random": p[::-1], "perfect": p, "constant": np.full_like(p, 1 / K)}[model]
    table = PredictionTable(
        np.arange(n).astype(str), np.full(n, "test"), np.zeros(n, np.int16), p, LABELS, soft=np.ascontiguousarray(votes)
    )
    expected = sklearn.mean_absolute_error(votes.astype(np.float64), p.astype(np.float64))
    assert judge(table).metrics["votes_mae"].value == pytest.approx(expected, abs=1e-9)


def test_calibration_error_of_torchmetrics(outcomes):
    """That library computes in float32, hence the tolerance."""
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.functional.classification")
    p, y = torch.from_numpy(outcomes.probabilities), torch.from_numpy(outcomes.labels)
    theirs = float(classification.multiclass_calibration_error(p, y, num_classes=K, n_bins=15, norm="l1"))
    assert METRICS["ece"](outcomes).value == pytest.approx(theirs, abs=2e-6)


@pytest.mark.parametrize("seed", range(3))
def test_kappa_and_areas_of_torchmetrics(seed):
    """That library computes areas in float32, hence the tolerance; it counts a class without faces as 0."""
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.functional.classification")
    generator = np.random.default_rng(seed)
    probabilities, labels = generator.dirichlet(np.ones(K), 200), np.arange(200) % K
    outcomes = Outcomes(probabilities, labels, LABELS)
    p, y = torch.from_numpy(probabilities), torch.from_numpy(labels)
    kappa = classification.multiclass_cohen_kappa(p, y, num_classes=K)
    assert METRICS["kappa"](outcomes).value == pytest.approx(float(kappa), abs=1e-6)
    areas = classification.multiclass_auroc(p, y, num_classes=K, average=None)
    np.testing.assert_allclose(outcomes.ranking.auc, areas.numpy(), atol=2e-6)
    precisions = classification.multiclass_average_precision(p, y, num_classes=K, average=None)
    np.testing.assert_allclose(outcomes.ranking.precision, precisions.numpy(), atol=2e-6)


def test_concordance_of_torchmetrics():
    """That library divides the moments by n - 1, Lin by n: of many values they agree, of few they need not."""
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("torchmetrics.functional.regression").concordance_corrcoef
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, 100_000)
    y = 0.5 * x + generator.normal(0.2, 0.3, len(x))
    expected = float(theirs(torch.from_numpy(y), torch.from_numpy(x)))
    assert concordance(x, y) == pytest.approx(expected, abs=1e-5)


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
