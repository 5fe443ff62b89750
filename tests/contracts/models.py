"""Every model of `beekit.models`, small and quick, for the contract suite.

A factory gets the items' vectors (items, dims) float32, for models that know items by content.
"""

from __future__ import annotations

from beekit.models import EASE, Popularity, Random

MODELS = {
    "popularity": lambda vectors: Popularity(),
    "random": lambda vectors: Random(3),
    "EASE": lambda vectors: EASE(regularization=1.0),
    "EASE float64": lambda vectors: EASE(regularization=1.0, dtype="float64"),
}

# The same list for everybody, or by chance: no right answer on the toy matrix.
IMPERSONAL = {"popularity", "random"}
