"""The protocol of recommenders, and ranking by scores: the k best items, with ties broken."""

from typing import TYPE_CHECKING

from beekit.lazy_names import lazy_names

if TYPE_CHECKING:
    from beekit.ranking.protocol import Model, RatingPredictor, Recommendations, Recommender
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        protocol="Model RatingPredictor Recommendations Recommender",
    )

__all__ = ["Model", "RatingPredictor", "Recommendations", "Recommender"]
