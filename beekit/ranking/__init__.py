"""The protocol of recommenders, and ranking by scores: the k best items, with ties broken."""

from beekit.ranking.protocol import Model, Recommendations, Recommender

__all__ = ["Model", "Recommendations", "Recommender"]
