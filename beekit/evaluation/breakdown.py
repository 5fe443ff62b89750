"""Where a model gains: by length of history, by popularity of items, and around single items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from beekit.data import Catalog
from beekit.errors import DataError
from beekit.evaluation.comparisons import users_of_all
from beekit.evaluation.intervals import rate_intervals
from beekit.evaluation.metrics import hits
from beekit.evaluation.named_metrics import kind_and_cut
from beekit.evaluation.scoring import Evaluation
from beekit.finite import finite_vectors
from beekit.index import ItemIndex
from beekit.matrices import as_csr, ones
from beekit.split import HeldOut

# Lower ends of the history lengths, or of the numbers of users of an item, reported together.
_HISTORY = np.array([1, 2, 5, 10, 20, 50, 100, 200])
_SUPPORT = np.array([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000])
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

    Raises:
        DataError: if there are no evaluations, if they are of different users or one lacks
            `metric`, or if `source` is not a matrix of finite numbers.
    """
    users = users_of_all(evaluations, metric)
    lengths = np.diff(as_csr(source, "source").indptr)[users]
    bins = []
    for low, above in zip(_HISTORY, [*_HISTORY[1:], np.inf], strict=True):
        members = (lengths >= low) & (lengths < above)
        if members.sum() < _FEWEST:
            continue
        values = [evaluation.per_user[metric][members] for evaluation in evaluations]
        bins.append(_bin(low, min(above - 1, lengths.max()), evaluations, values))
    return {"metric": metric, "bins": bins}


def by_support(
    evaluations: Sequence[Evaluation], part: HeldOut, interactions: sp.csr_array, metric: str
) -> dict[str, Any]:
    """Recall of several models by how many users the items to be found have.

    For each range of support, averages over the users with a target in it the share of those
    targets among the user's first k recommendations, k being the cut of `metric`. Items are binned
    by all their users, held-out ones included: a cold item has a popularity too, nobody knew it.

    Args:
        evaluations: models scored on the same users of `part`.
        part: what was to be found.
        interactions: (users, items) all of X.
        metric: whose cut to use.

    Returns:
        as `by_history`, with "recall@k" for the metric and users with a target in the bin.

    Raises:
        ConfigError: if `metric` has no cut.
        DataError: if there are no evaluations, if they are of different users, if `interactions` is
            not a matrix of finite numbers over the items of `part`, or if it has no user of an item
            to be found.
    """
    _, k = kind_and_cut(metric)
    users = users_of_all(evaluations)
    target = as_csr(part.target[users])
    support = _support(interactions, part.target.shape[1])
    if not support[target.indices].all():
        raise DataError(
            "targets of items that nobody has in the interactions",
            expected="all of X, what is held out included",
            remedy="Give `split.interactions.matrix`, not the training part.",
        )
    place = np.searchsorted(_SUPPORT, support, side="right") - 1  # (items,) bin of each
    n_bins, n_users = len(_SUPPORT), len(users)
    owners = np.repeat(np.arange(n_users), np.diff(target.indptr))

    def counts(owner: np.ndarray, items: np.ndarray) -> np.ndarray:
        pairs = owner * n_bins + place[items]
        return np.bincount(pairs, minlength=n_users * n_bins).reshape(n_users, n_bins)

    wanted = counts(owners, target.indices)
    found = []
    for evaluation in evaluations:
        owner, rank = np.nonzero(hits(evaluation.ranked[:, :k], target))
        found.append(counts(owner, evaluation.ranked[owner, rank]))
    bins = []
    for number, low in enumerate(_SUPPORT):
        members = wanted[:, number] > 0
        if members.sum() < _FEWEST:
            continue
        values = [one[members, number] / wanted[members, number] for one in found]
        bins.append(_bin(low, support[place == number].max(), evaluations, values))
    return {"metric": f"recall@{k}", "bins": bins}


def _support(interactions: sp.csr_array, items: int) -> np.ndarray:
    """(items,) users of each item."""
    return np.bincount(as_csr(interactions, items=items).indices, minlength=items)


def _bin(
    low: float, high: float, evaluations: Sequence[Evaluation], values: Sequence[np.ndarray]
) -> dict[str, Any]:
    """Mean and interval of each model's values (users,) between two ends."""
    columns = np.stack(values, axis=1)
    measured = zip(evaluations, columns.mean(axis=0), rate_intervals(columns), strict=True)
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
    """Nearest items of some items before and after training, with how often they are used together.

    Args:
        before, after: indexes over the same catalog.
        interactions: (users, items) all of X, held-out interactions included: this is for looking.
        catalog: names and texts.
        among: item indices to choose from; the most used are shown.
        text_parts: of encoders that read text and picture, what of the (items, dims) vectors before
            and after comes from the text.
        items: how many.
        k: neighbours of each.

    Returns:
        [{"item_id", "label", "text", "users", "before", "after"}], where the last two are lists of
        {"item_id", "label", "score", "together"}; with `text_parts` also "text" and "image", which
        sum up to the score.

    Raises:
        DataError: if an index, the interactions or a text part has other items than the catalog, or
            if the interactions or a text part hold numbers that are not finite.
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
    indexes = (("before", before), ("after", after))
    for (key, index), text_part in zip(indexes, text_parts, strict=True):
        ranked, scores = index.similar(chosen, k)
        for entry, item, near, score in zip(shown, chosen, ranked, scores, strict=True):
            near, score = near[near >= 0], score[near >= 0]
            together = (by_item[:, [item]].T @ by_item[:, near]).toarray()[0]
            entry[key] = [
                {
                    "item_id": str(catalog.item_ids[other]),
                    "label": name,
                    "score": round(float(s), 4),
                    "together": int(count),
                }
                for other, name, s, count in zip(
                    near, catalog.labels(near), score, together, strict=True
                )
            ]
            if text_part is not None:
                owed = text_part[near] @ index.item_vectors[item]
                for other, text in zip(entry[key], owed.tolist(), strict=True):
                    other["text"] = round(text, 4)
                    other["image"] = round(other["score"] - text, 4)
    return shown
