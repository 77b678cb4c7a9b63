"""Figures out of prediction tables. No models, no plots, no torch."""

from mien.evaluation.calibration import cross_fitted_ece, fit_temperature
from mien.evaluation.judge import Evaluation, judge
from mien.evaluation.metrics import METRICS, Estimate, UndefinedMetricWarning
from mien.evaluation.outcomes import Outcomes
from mien.evaluation.predictions import PredictionTable, average, in_common, pooled, read_predictions

__all__ = [
    "METRICS",
    "Estimate",
    "Evaluation",
    "Outcomes",
    "PredictionTable",
    "UndefinedMetricWarning",
    "average",
    "cross_fitted_ece",
    "fit_temperature",
    "in_common",
    "judge",
    "pooled",
    "read_predictions",
]
