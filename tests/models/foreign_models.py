"""Models as somebody else would write them, with nothing of beekit's but its protocol."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


def most_used(support, power, X, k, candidates, exclude_seen):
    scores = np.where(X.toarray() != 0, -np.inf, 0.0) if exclude_seen else np.zeros(X.shape)
    scores = scores + support**power
    if candidates is not None:
        scores[:, np.setdiff1d(np.arange(X.shape[1]), candidates)] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, order, 1).astype(np.float32)
    return np.where(np.isneginf(best), -1, order), best


@dataclass
class MostUsed:
    """A dataclass that leaves keeping to beekit."""

    power: float = 1.0
    support: np.ndarray | None = field(default=None, init=False)
    scores_cold_items = False

    def fit(self, X):
        self.support = np.asarray(X.sum(axis=0), dtype=np.float32)
        return self

    def recommend(self, X, k, candidates=None, exclude_seen=True):
        return most_used(self.support, self.power, X, k, candidates, exclude_seen)


class KeepsItself:
    """No dataclass; writes a file of a name that beekit uses too."""

    scores_cold_items = False

    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    def fit(self, X):
        self.support = np.asarray(X.sum(axis=0), dtype=np.float32)
        return self

    def recommend(self, X, k, candidates=None, exclude_seen=True):
        return most_used(self.support, self.power, X, k, candidates, exclude_seen)

    def save(self, folder):
        Path(folder).mkdir()
        kept = {"power": self.power, "support": self.support.tolist()}
        (Path(folder) / "model.json").write_text(json.dumps(kept))

    @classmethod
    def load(cls, folder):
        kept = json.loads((Path(folder) / "model.json").read_text())
        model = cls(kept["power"])
        model.support = np.array(kept["support"], dtype=np.float32)
        return model


class NoModel:
    """Learns, and recommends nothing."""

    def fit(self, X):
        return self


class Unkept(NoModel):
    """Can be used, and not be kept."""

    def recommend(self, X, k, candidates=None, exclude_seen=True):
        return most_used(np.ones(X.shape[1]), 1.0, X, k, candidates, exclude_seen)


def no_class():
    """A function."""
