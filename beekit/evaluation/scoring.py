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
from beekit.evaluation.item_intervals import Lists, item_interval
from beekit.evaluation.metrics import FROM_HITS, coverage
from beekit.evaluation.named_metrics import COVERAGE, DEFAULT_METRICS, Metrics, named_metrics
from beekit.ranking import Recommender
from beekit.ranking.lists import listed
from beekit.split import HeldOut


@dataclass(frozen=True)
class Evaluation:
    """One model on one held-out part, `scenario`.

    Attributes:
        users: (users,) user indices evaluated, ascending.
        per_user: metric name to (users,) values; not for coverage, which is of all lists together.
        metrics: metric name to value, 95% interval over users (`ci95`), and over users and items
            (`ci95_items`; not for coverage, nor for metrics from outside); `reaches_all` where no
            user has more candidates than the cut, so that each list holds all of them.
        ranked: (users, top_k) item indices recommended.
        lists: the same with what was to be found, for comparisons.
        seconds: recommending and scoring, intervals included.
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
        """As a row of results.json."""
        return {
            "model": self.model,
            "scenario": self.scenario,
            "users": len(self.users),
            "metrics": {name: dict(value) for name, value in self.metrics.items()},
            "seconds": round(self.seconds, 3),
        }


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
    """Recommend to every held-out user from what is known of them, and score against the rest.

    Metrics are those of lists of `top_k`, as `recommend` serves them. An interval over items at
    that cut needs one place more. Where longer lists begin as shorter ones do, one request of
    `top_k + 1` gives both; of a recommender whose lists do not (`nested_lists`, an approximate
    index), a second request is made for that place alone.

    Averages are over users with a source and a target. Items are ranked among the part's
    candidates; what a user's source holds is never recommended again.

    Args:
        recommender: anything that answers `recommend`.
        held_out: whom to ask, and what is to be found.
        metrics: names with a cut, `ndcg@100` or `my_package.my_module:novelty@20`, or functions;
            or functions by name (`beekit.evaluation.named_metrics`).
        top_k: length of the lists asked for, at least the largest cut.
        model, scenario: names for the result.
        exclude_seen: leave out what the source holds.
        batch_size: users at once; does not change the result.
        intervals: whether to compute them; without, that over users is the value twice, and there
            is none over users and items.
        seed: of the bootstrap over users.

    Raises:
        ConfigError: if `metrics` is empty, is text instead of a list or names something that is not
            a metric or cannot be imported, if a cut is beyond `top_k`, or if `top_k` or
            `batch_size` is below 1.
        DataError: if no user has both a source and a target, if there are no candidates, if the
            recommender does not answer with lists of candidates and their scores, or if a metric
            from outside does not answer with a finite number for each user.
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
        """(users, k) item indices recommended."""
        lists = []
        for begin in range(0, len(users), batch_size):
            part = slice(begin, begin + batch_size)
            answer = recommender.recommend(source[part], k, candidates, exclude_seen)
            checked = require_answer(answer, k, source.shape[1], candidates, users[part], name)
            lists.append(checked)
        return np.concatenate(lists)

    # One more than the cut, for intervals: what would come in without one of the others.
    if getattr(recommender, "nested_lists", True):
        ranked = recommended(top_k + 1)
    else:
        ranked = recommended(top_k)
        if intervals and any(one.k == top_k and one.kind in FROM_HITS for one in asked):
            ranked = _with_next(ranked, recommended(top_k + 1))
    # Targets outside the candidates stay: removing them would inflate recall.
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
    return len(candidates) - int((source.astype(bool).astype(np.int64) @ candidate).min())


def _with_next(ranked: np.ndarray, longer: np.ndarray) -> np.ndarray:
    """Lists (users, k) and after them the first item of longer lists that they do not hold; a list
    that ends early has no such place."""
    new = (longer >= 0) & ~listed(ranked, longer)
    first = np.take_along_axis(longer, new.argmax(axis=1, keepdims=True), 1)
    there = new.any(axis=1, keepdims=True) & (ranked[:, -1:] >= 0)
    return np.concatenate([ranked, np.where(there, first, -1)], axis=1)


def _require_somebody(held_out: HeldOut, scenario: str) -> None:
    if not len(held_out.users) or not len(held_out.candidates):
        where = f" of {scenario}" if scenario else ""
        found = "no candidates" if len(held_out.users) else "no user with a source and a target"
        raise DataError(
            f"nobody to evaluate: {found} in the part{where}",
            expected="at least one user with both, and one candidate",
            remedy="Hold out another share, or check source, target and candidates.",
        )
