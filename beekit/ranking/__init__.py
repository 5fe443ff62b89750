"""What it means to recommend: the protocol, and the k best of scores."""

from beekit.ranking.protocol import Model, Recommendations, Recommender

__all__ = ["Model", "Recommendations", "Recommender"]
