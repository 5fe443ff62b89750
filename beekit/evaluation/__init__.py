"""Metrics, intervals and the one evaluator for every recommender and split."""

from beekit.evaluation.breakdown import by_history, by_support, neighbours
from beekit.evaluation.intervals import Paired, compare
from beekit.evaluation.scoring import DEFAULT_METRICS, Evaluation, evaluate
from beekit.evaluation.validation import HeldOutEvaluator, MeanEvaluator

__all__ = [
    "DEFAULT_METRICS",
    "Evaluation",
    "HeldOutEvaluator",
    "MeanEvaluator",
    "Paired",
    "by_history",
    "by_support",
    "compare",
    "evaluate",
    "neighbours",
]
