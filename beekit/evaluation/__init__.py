"""Metrics, intervals, comparisons, and one evaluator for every recommender and every split."""

from typing import TYPE_CHECKING

from beekit.lazy_names import lazy_names

if TYPE_CHECKING:
    from beekit.evaluation.breakdown import by_history, by_support, neighbours
    from beekit.evaluation.comparisons import (
        best_against_others,
        compare_metrics,
        compare_models,
        holm,
    )
    from beekit.evaluation.intervals import Paired, compare
    from beekit.evaluation.named_metrics import DEFAULT_METRICS
    from beekit.evaluation.rating_scoring import RatingEvaluation, evaluate_ratings
    from beekit.evaluation.scoring import Evaluation, evaluate
    from beekit.evaluation.validation import HeldOutEvaluator, MeanEvaluator
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        breakdown="by_history by_support neighbours",
        comparisons="best_against_others compare_metrics compare_models holm",
        intervals="Paired compare",
        named_metrics="DEFAULT_METRICS",
        rating_scoring="RatingEvaluation evaluate_ratings",
        scoring="Evaluation evaluate",
        validation="HeldOutEvaluator MeanEvaluator",
    )

__all__ = [
    "DEFAULT_METRICS",
    "Evaluation",
    "HeldOutEvaluator",
    "MeanEvaluator",
    "Paired",
    "RatingEvaluation",
    "best_against_others",
    "by_history",
    "by_support",
    "compare",
    "compare_metrics",
    "compare_models",
    "evaluate",
    "evaluate_ratings",
    "holm",
    "neighbours",
]
