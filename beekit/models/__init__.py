"""Recommenders that answer one protocol."""

from beekit.models.floors import Popularity, Random
from beekit.models.protocol import Recommendations, Recommender

__all__ = ["Popularity", "Random", "Recommendations", "Recommender"]
