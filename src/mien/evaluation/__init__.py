"""Figures out of prediction tables. No models, no plots, no torch."""

from mien.evaluation.calibration import cross_fitted_ece, fit_temperature
from mien.evaluation.curves import CoverageCurve, Curves, PrecisionRecallCurve, ReliabilityBins, RocCurve, curves_of
from mien.evaluation.fairness import Gap, GroupRow, GroupTable, by_group
from mien.evaluation.judge import ClassRow, Evaluation, judge
from mien.evaluation.metrics import METRICS, Estimate, UndefinedMetricWarning
from mien.evaluation.outcomes import Outcomes
from mien.evaluation.predictions import PredictionTable, average, in_common, pooled, read_predictions

__all__ = [
    "METRICS",
    "ClassRow",
    "CoverageCurve",
    "Curves",
    "Estimate",
    "Evaluation",
    "Gap",
    "GroupRow",
    "GroupTable",
    "Outcomes",
    "PrecisionRecallCurve",
    "PredictionTable",
    "ReliabilityBins",
    "RocCurve",
    "UndefinedMetricWarning",
    "average",
    "by_group",
    "cross_fitted_ece",
    "curves_of",
    "fit_temperature",
    "in_common",
    "judge",
    "pooled",
    "read_predictions",
]
