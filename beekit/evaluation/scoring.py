"""Scoring a recommender on a held-out part: metrics per user, averages with intervals."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from beekit.errors import ConfigError, DataError
from beekit.evaluation.answer_checks import require_answer
from beekit.evaluation.intervals import coverage_interval, rate_intervals
from beekit.evaluation.item_intervals import Lists, item_interval, paired_item_interval
from beekit.evaluation.metrics import FROM_HITS, coverage
from beekit.evaluation.named_metrics import (
    COVERAGE,
    DEFAULT_METRICS,
    Metrics,
    kind_and_cut,
    named_metrics,
)
from beekit.ranking import Recommender
from beekit.ranking.lists import listed
from beekit.split import HeldOut


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of one model on one held-out part.

    Attributes:
        model, scenario: names of the model and of the held-out part.
        users: (users,) indices of the evaluated users, ascending.
        per_user: metric name to values (users,); without coverage, which has one value for all.
        metrics: metric name to value, 95% interval over users (`ci95`), and 95% interval over users
            and items (`ci95_items`; not for coverage and for metrics from outside); `reaches_all`
            if no user has more candidates than the list has places, so that each list holds all.
        ranked: (users, top_k) item indices recommended.
        lists: the recommended lists with targets and candidates, for comparisons.
        seconds: time of recommending and scoring, including intervals.
    """

    model: str
    scenario: str
    users: np.ndarray
    per_user: Mapping[str, np.ndarray] = field(repr=False)
    metrics: Mapping[str, Mapping[str, Any]]
    ranked: np.ndarray = field(repr=False)
    lists: Lists = field(repr=False)
    seconds: float

    def row(self) -> dict[str, Any]:
        """The evaluation as a row of results.json."""
        return {
            "model": self.model,
            "scenario": self.scenario,
            "users": len(self.users),
            "metrics": {name: dict(value) for name, value in self.metrics.items()},
            "seconds": round(self.seconds, 3),
        }

    def same_task(self, other: Any) -> bool:
        """Whether another evaluation has the same users, targets and candidates."""
        if not isinstance(other, Evaluation):
            return False
        first, second = self.lists.target, other.lists.target
        return (
            np.array_equal(self.users, other.users)
            and np.array_equal(self.lists.candidates, other.lists.candidates)
            and first.shape == second.shape
            and (first != second).nnz == 0
        )

    def item_interval_against(self, other: Evaluation, metric: str) -> tuple[float, float] | None:
        """95% interval, over users and items, of this model's metric minus the other's."""
        values = self.per_user[metric], other.per_user[metric]
        return paired_item_interval(self.lists, other.lists, *kind_and_cut(metric), values)

    def values_of(self, metric: str, members: np.ndarray) -> np.ndarray:
        """The values of some users, a mask (users,)."""
        return np.asarray(self.per_user[metric][members])


def evaluate(
    recommender: Recommender,
    held_out: HeldOut,
    *,
    metrics: Metrics = DEFAULT_METRICS,
    top_k: int = 100,
    model: str = "",
    scenario: str = "",
    exclude_seen: bool = True,
    batch_size: int = 4096,
    intervals: bool = True,
    seed: int = 0,
) -> Evaluation:
    """Recommend to every held-out user by the known interactions, and score by the hidden ones.

    Averages are over users with a source (known interactions) and a target (hidden interactions).
    Only candidates of the held-out part are ranked.

    Metrics are computed on lists of `top_k` items. An interval over items needs one item more. For
    most recommenders one request of `top_k + 1` items gives both. If `nested_lists` of the
    recommender is False, as for an approximate index, the longer lists are a second request.

    Args:
        recommender: any object with `recommend`.
        held_out: the users, their sources and targets, and the candidates.
        metrics: a list of names with a cut, such as `ndcg@100` or
            `my_package.my_module:novelty@20`, and functions; or a mapping from names to functions
            (`beekit.evaluation.named_metrics`).
        top_k: length of the lists; at least the largest cut.
        model, scenario: names for the result.
        exclude_seen: leave out the items of a user's source.
        batch_size: number of users in a request; it does not change the result.
        intervals: whether to compute intervals. If False, both ends of `ci95` are the value, and
            there is no `ci95_items`.
        seed: seed of the bootstrap over users.

    Raises:
        ConfigError: if `metrics` is empty or a string, if a metric is unknown or cannot be
            imported, if a cut is larger than `top_k`, or if `top_k` or `batch_size` is below 1.
        DataError: if no user has both a source and a target, if there are no candidates, if the
            recommender does not return lists of candidates with their scores, or if a metric from
            outside does not return a finite number for each user.
    """
    started = time.perf_counter()
    if not metrics or isinstance(metrics, str) or top_k < 1 or batch_size < 1:
        raise ConfigError(
            f"metrics={metrics!r}, top_k={top_k}, batch_size={batch_size}",
            expected="a list of metrics, and lists and batches of at least 1",
            remedy='Write for example metrics=["recall@20"].',
        )
    asked = named_metrics(metrics, top_k)
    _require_somebody(held_out, scenario)
    users = held_out.users
    source, target = held_out.source[users], held_out.target[users]

    candidates, name = held_out.candidates, model or type(recommender).__name__

    def recommended(k: int) -> np.ndarray:
        """(users, k) the recommended item indices, checked."""
        lists = []
        for begin in range(0, len(users), batch_size):
            part = slice(begin, begin + batch_size)
            answer = recommender.recommend(source[part], k, candidates, exclude_seen)
            checked = require_answer(answer, k, source.shape[1], candidates, users[part], name)
            lists.append(checked)
        return np.concatenate(lists)

    # One item more than the cut, for intervals: it would come in if another item were missing.
    if getattr(recommender, "nested_lists", True):
        ranked = recommended(top_k + 1)
    else:
        ranked = recommended(top_k)
        if intervals and any(one.k == top_k and one.kind in FROM_HITS for one in asked):
            ranked = _with_next(ranked, recommended(top_k + 1))
    # Targets that are no candidates are kept, because removing them would inflate recall.
    lists = Lists(ranked, target, candidates)
    ranked = ranked[:, :top_k]
    per_user = {one.name: one.values(lists) for one in asked if one.kind != COVERAGE}
    limits: dict[str, tuple[float, float]] = {}
    if intervals and per_user:
        stacked = np.stack(list(per_user.values()), axis=1)
        limits = dict(zip(per_user, rate_intervals(stacked, seed), strict=True))
    most = most_candidates(source, candidates, exclude_seen)
    summary: dict[str, dict[str, Any]] = {}
    for one in asked:
        wider = None
        if one.kind == COVERAGE:
            value = coverage(ranked, candidates, one.k)
            if intervals:
                limits[one.name] = coverage_interval(ranked[:, : one.k], candidates, seed)
        else:
            value = float(per_user[one.name].mean())
            if intervals:
                wider = item_interval(lists, one.kind, one.k, per_user[one.name])
        summary[one.name] = {"value": value, "ci95": list(limits.get(one.name, (value, value)))}
        summary[one.name] |= {"ci95_items": list(wider)} if wider else {}
        summary[one.name] |= {"reaches_all": True} if one.k >= most else {}
    seconds = time.perf_counter() - started
    return Evaluation(model, scenario, users, per_user, summary, ranked, lists, seconds)


def most_candidates(source: sp.csr_array, candidates: np.ndarray, exclude_seen: bool = True) -> int:
    """How many candidates are left to the user of `source` (users, items) with the most."""
    if not exclude_seen or not source.shape[0]:
        return len(candidates)
    candidate = np.zeros(source.shape[1], dtype=np.int64)
    candidate[candidates] = 1
    stored = sp.csr_array(
        (np.ones(source.nnz, np.int64), source.indices, source.indptr), shape=source.shape
    )
    return len(candidates) - int((stored @ candidate).min())


def _with_next(ranked: np.ndarray, longer: np.ndarray) -> np.ndarray:
    """Lists (users, k + 1): `ranked` (users, k), and then the first item of `longer` that the list
    does not hold yet; -1 if the list has fewer than k items."""
    new = (longer >= 0) & ~listed(ranked, longer)
    first = np.take_along_axis(longer, new.argmax(axis=1, keepdims=True), 1)
    there = new.any(axis=1, keepdims=True) & (ranked[:, -1:] >= 0)
    return np.concatenate([ranked, np.where(there, first, -1)], axis=1)


def _require_somebody(held_out: HeldOut, scenario: str) -> None:
    if not len(held_out.users) or not len(held_out.candidates):
        where = f" of {scenario}" if scenario else ""
        found = "no candidates" if len(held_out.users) else "no user with a source and a target"
        raise DataError(
            f"nobody to evaluate: {found} in the held-out part{where}",
            expected="at least one user with a source and a target, and one candidate",
            remedy="Hold out another share, or check source, target and candidates.",
        )
