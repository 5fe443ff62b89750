"""Metrics, intervals and the one evaluator for every recommender and split."""

from beekit.evaluation.evaluate import DEFAULT_METRICS, Evaluation, evaluate
from beekit.evaluation.intervals import Paired, compare
from beekit.evaluation.validation import HeldOutEvaluator

__all__ = [
    "DEFAULT_METRICS",
    "Evaluation",
    "HeldOutEvaluator",
    "Paired",
    "compare",
    "evaluate",
]
