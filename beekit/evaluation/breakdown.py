"""Where a model gains: a metric by length of history, and neighbours of single items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from beekit.data import Catalog
from beekit.evaluation.intervals import mean_intervals
from beekit.evaluation.scoring import Evaluation
from beekit.index import ItemIndex

# Lower ends of the history lengths that are reported together.
_HISTORY = np.array([1, 2, 5, 10, 20, 50, 100, 200])
# Fewer users than this say nothing about a bin.
_FEWEST = 20


def by_history(
    evaluations: Sequence[Evaluation], source: sp.csr_array, metric: str
) -> dict[str, Any]:
    """A metric of several models by the number of known interactions of a user.

    Args:
        evaluations: models scored on the same users.
        source: (users, items) what was known of all users.
        metric: a per-user metric of the evaluations.

    Returns:
        {"metric", "bins": [{"low", "high", "users", "models": {name: {"value", "ci95"}}}]}, as in
        results.json; both ends of a bin belong to it.
    """
    users = evaluations[0].users
    lengths = np.diff(source.indptr)[users]
    bins = []
    for low, above in zip(_HISTORY, [*_HISTORY[1:], np.inf], strict=True):
        members = (lengths >= low) & (lengths < above)
        if members.sum() < _FEWEST:
            continue
        values = np.stack([e.per_user[metric][members] for e in evaluations], axis=1)
        limits = mean_intervals(values)
        bins.append(
            {
                "low": int(low),
                "high": int(min(above - 1, lengths.max())),
                "users": int(members.sum()),
                "models": {
                    e.model: {"value": float(value), "ci95": list(limit)}
                    for e, value, limit in zip(
                        evaluations, values.mean(axis=0), limits, strict=True
                    )
                },
            }
        )
    return {"metric": metric, "bins": bins}


def neighbours(
    before: ItemIndex,
    after: ItemIndex,
    interactions: sp.csr_array,
    catalog: Catalog,
    among: np.ndarray,
    *,
    items: int = 6,
    k: int = 5,
) -> list[dict[str, Any]]:
    """Nearest items of some items before and after training, with how often they are used together.

    Args:
        before, after: indexes over the same catalog.
        interactions: (users, items) all of X, held-out interactions included: this is for looking.
        catalog: names and texts.
        among: item indices to choose from; the most used are shown.
        items: how many.
        k: neighbours of each.

    Returns:
        [{"item_id", "label", "text", "users", "before": [{"label", "score", "together"}], "after"}]
    """
    support = np.bincount(interactions.indices, minlength=interactions.shape[1])
    chosen = among[np.argsort(-support[among], kind="stable")[:items]]
    by_item = sp.csc_array(interactions)
    labels = catalog.labels(chosen)
    shown: list[dict[str, Any]] = [
        {
            "item_id": str(catalog.item_ids[item]),
            "label": label,
            "text": catalog.texts[item][:300],
            "users": int(support[item]),
        }
        for item, label in zip(chosen, labels, strict=True)
    ]
    for key, index in (("before", before), ("after", after)):
        ranked, scores = index.similar(chosen, k)
        for entry, item, near, score in zip(shown, chosen, ranked, scores, strict=True):
            near, score = near[near >= 0], score[near >= 0]
            together = np.asarray((by_item[:, [item]].T @ by_item[:, near]).todense()).ravel()
            entry[key] = [
                {"label": name, "score": round(float(s), 4), "together": int(count)}
                for name, s, count in zip(catalog.labels(near), score, together, strict=True)
            ]
    return shown
