"""Metrics by length of history and by popularity of items, and the nearest items of some items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from beekit.data import Catalog
from beekit.errors import DataError
from beekit.evaluation.comparisons import Evaluated, users_of_all
from beekit.evaluation.intervals import mean_intervals, rate_intervals
from beekit.evaluation.metrics import hits
from beekit.evaluation.named_metrics import kind_and_cut
from beekit.evaluation.scoring import Evaluation
from beekit.finite import finite_vectors
from beekit.index import ItemIndex
from beekit.matrices import as_csr, ones
from beekit.results import lower_is_better
from beekit.split import HeldOut

# Lower ends of the bins: of history lengths, and of the numbers of users of an item.
_HISTORY = np.array([1, 2, 5, 10, 20, 50, 100, 200])
_SUPPORT = np.array([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000])
# Bins with fewer users than this are left out, because their values mean nothing.
_FEWEST = 20


def by_history(
    evaluations: Sequence[Evaluated], source: sp.csr_array, metric: str
) -> dict[str, Any]:
    """A metric of several models by the number of a user's known interactions.

    Args:
        evaluations: models scored on the same users.
        source: (users, items) the known interactions of all users.
        metric: a per-user metric of the evaluations.

    Returns:
        {"metric", "bins": [{"low", "high", "users", "models": {name: {"value", "ci95"}}}]}, as in
        results.json. "low" and "high" both belong to a bin. Bins with fewer than 20 users are left
        out.

    Raises:
        DataError: if there are no evaluations, if they are of different users or one lacks
            `metric`, or if `source` is not a matrix of finite numbers.
    """
    users = users_of_all(evaluations, metric)
    lengths = np.diff(as_csr(source, "source").indptr)[users]
    bins = []
    for low, above in zip(_HISTORY, [*_HISTORY[1:], np.inf], strict=True):
        members = (lengths >= low) & (lengths < above)
        if members.sum() >= _FEWEST:
            values = [evaluation.values_of(metric, members) for evaluation in evaluations]
            high = min(above - 1, lengths.max())
            bins.append(_bin(low, high, evaluations, values, metric))
    return {"metric": metric, "bins": bins}


def by_support(
    evaluations: Sequence[Evaluation], part: HeldOut, interactions: sp.csr_array, metric: str
) -> dict[str, Any]:
    """Recall of several models by the number of users of the target items.

    A bin holds the items whose number of users is in a range. Its value is the mean, over users
    with a target in the bin, of the share of these targets among the user's first k
    recommendations, where k is the cut of `metric`. All interactions of an item count, also
    held-out ones, so that cold items have a popularity too.

    Args:
        evaluations: models scored on the same users of `part`.
        part: the held-out part that they were scored on.
        interactions: (users, items) all of X.
        metric: the metric whose cut is used.

    Returns:
        the structure that `by_history` returns, with the metric "recall@k"; "users" counts those
        with a target in the bin.

    Raises:
        ConfigError: if `metric` has no cut.
        DataError: if there are no evaluations, if they are of different users, or if `interactions`
            is not finite, has other items than `part`, or has no user for a target item.
    """
    _, k = kind_and_cut(metric)
    users = users_of_all(evaluations)
    target = as_csr(part.target[users])
    support = _support(interactions, part.target.shape[1])
    if not support[target.indices].all():
        raise DataError(
            "target items that no user has in the interactions",
            expected="all of X, including what is held out",
            remedy="Give `split.interactions.matrix`, not `split.train`.",
        )
    place = np.searchsorted(_SUPPORT, support, side="right") - 1  # (items,) bin of each
    in_bin = (place[:, None] == np.arange(len(_SUPPORT))).astype(np.float64)  # (items, bins)
    wanted = ones(target) @ in_bin
    found = []
    for evaluation in evaluations:
        owner, rank = np.nonzero(hits(evaluation.ranked[:, :k], target))
        pairs = (np.ones(len(owner)), (owner, evaluation.ranked[owner, rank]))
        found.append(sp.csr_array(pairs, shape=target.shape) @ in_bin)
    bins = []
    for number, low in enumerate(_SUPPORT):
        members = wanted[:, number] > 0
        if members.sum() >= _FEWEST:
            values = [one[members, number] / wanted[members, number] for one in found]
            high = support[place == number].max()
            bins.append(_bin(low, high, evaluations, values, metric))
    return {"metric": f"recall@{k}", "bins": bins}


def _support(interactions: sp.csr_array, items: int) -> np.ndarray:
    """(items,) the number of users of each item."""
    return np.bincount(as_csr(interactions, items=items).indices, minlength=items)


def _bin(
    low: float,
    high: float,
    evaluations: Sequence[Evaluated],
    values: Sequence[np.ndarray],
    metric: str,
) -> dict[str, Any]:
    """The bin from `low` to `high`, with mean and interval of each model's values (users,)."""
    columns = np.stack(values, axis=1)
    intervals = (mean_intervals if lower_is_better(metric) else rate_intervals)(columns)
    measured = zip(evaluations, columns.mean(axis=0), intervals, strict=True)
    models = {
        evaluation.model: {"value": float(value), "ci95": list(limits)}
        for evaluation, value, limits in measured
    }
    return {"low": int(low), "high": int(high), "users": len(columns), "models": models}


def neighbours(
    before: ItemIndex,
    after: ItemIndex,
    interactions: sp.csr_array,
    catalog: Catalog,
    among: np.ndarray,
    *,
    text_parts: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
    items: int = 6,
    k: int = 5,
) -> list[dict[str, Any]]:
    """The nearest items of some items before and after training, and how many users have both.

    Args:
        before, after: indexes of the same catalog.
        interactions: (users, items) all of X, including held-out interactions; it is only shown.
        catalog: names and texts of the items.
        among: item indices to choose from; those with the most users are shown.
        text_parts: for encoders that read text and picture, the part of the vectors (items, dims)
            that comes from the text, before and after training.
        items: number of items to show.
        k: number of neighbours of each.

    Returns:
        [{"item_id", "label", "text", "users", "before", "after"}]. "before" and "after" are lists
        of {"item_id", "label", "score", "together"}; with `text_parts` also "text" and "image",
        which add up to the score.

    Raises:
        DataError: if an index, the interactions or a text part has another number of items than the
            catalog, or if a number is not finite.
    """
    support = _support(interactions, len(catalog))
    for index in (before, after):
        if len(index) != len(catalog):
            raise DataError(
                f"an index of {len(index):,} items",
                expected=f"the {len(catalog):,} items of the catalog",
                remedy="Index the same catalog.",
            )
    for text_part in text_parts:
        if text_part is not None:
            rows, dims = after.item_vectors.shape
            finite_vectors(text_part, "text part", catalog.item_ids, rows=rows, dims=dims)
    chosen = among[np.argsort(-support[among], kind="stable")[:items]]
    by_item = sp.csc_array(ones(interactions))
    labels = catalog.labels(chosen)
    shown: list[dict[str, Any]] = [
        {
            "item_id": str(catalog.item_ids[item]),
            "label": label,
            "text": "" if catalog.text is None else catalog.texts[item][:300],
            "users": int(support[item]),
        }
        for item, label in zip(chosen, labels, strict=True)
    ]
    for key, index, text_part in zip(("before", "after"), (before, after), text_parts, strict=True):
        ranked, scores = index.similar(chosen, k)
        for entry, item, near, score in zip(shown, chosen, ranked, scores, strict=True):
            near, score = near[near >= 0], score[near >= 0]
            together = (by_item[:, [item]].T @ by_item[:, near]).toarray()[0]
            shown_near = (near, catalog.labels(near), score, together)
            entry[key] = [
                {
                    "item_id": str(catalog.item_ids[other]),
                    "label": name,
                    "score": round(float(s), 4),
                    "together": int(count),
                }
                for other, name, s, count in zip(*shown_near, strict=True)
            ]
            if text_part is not None:
                owed = text_part[near] @ index.item_vectors[item]
                for other, text in zip(entry[key], owed.tolist(), strict=True):
                    other["text"] = round(text, 4)
                    other["image"] = round(other["score"] - text, 4)
    return shown
