"""Scoring a recommender on a held-out part: metrics per user, averages with intervals."""

from __future__ import annotations

import difflib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from beekit.checked import plain_integer
from beekit.errors import ConfigError, DataError
from beekit.evaluation.answers import require_answer
from beekit.evaluation.intervals import coverage_interval, rate_intervals
from beekit.evaluation.item_intervals import Lists, item_interval
from beekit.evaluation.metrics import FROM_HITS, coverage
from beekit.ranking import Recommender
from beekit.ranking.protocol import nested_lists
from beekit.split import HeldOut

DEFAULT_METRICS = (
    "calibrated_recall@20",
    "calibrated_recall@50",
    "recall@20",
    "recall@50",
    "ndcg@100",
    "coverage@20",
    "mrr@20",
    "hit_rate@20",
)


@dataclass(frozen=True)
class Evaluation:
    """One model on one held-out part.

    Attributes:
        model: what was scored.
        scenario: which part of which kind of split.
        users: (users,) user indices evaluated, ascending.
        per_user: metric name to (users,) values; not for coverage, which is of all lists together.
        metrics: metric name to value, 95% interval over users (`ci95`), and over users and items
            (`ci95_items`; not for coverage).
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
    metrics: Sequence[str] = DEFAULT_METRICS,
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
        metrics: names with a cut, `ndcg@100`.
        top_k: length of the lists asked for, at least the largest cut.
        model, scenario: names for the result.
        exclude_seen: leave out what the source holds.
        batch_size: users at once; does not change the result.
        intervals: whether to compute them; without, that over users is the value twice, and there
            is none over users and items.
        seed: of the bootstrap over users.

    Raises:
        ConfigError: if `metrics` is empty, is text instead of a list or names something that is not
            a metric, if a cut is beyond `top_k`, or if `top_k` or `batch_size` is below 1.
        DataError: if no user has both a source and a target, if there are no candidates, or if the
            recommender answers with anything other than lists of candidates and their scores.
    """
    started = time.perf_counter()
    cuts = _cuts(metrics, top_k, batch_size)
    _require_somebody(held_out, scenario)
    users = held_out.users
    source, target = held_out.source[users], held_out.target[users]

    def asked_for(k: int) -> np.ndarray:
        """(users, k) item indices recommended."""
        parts = [slice(begin, begin + batch_size) for begin in range(0, len(users), batch_size)]
        return np.concatenate(
            [
                require_answer(
                    recommender.recommend(source[part], k, held_out.candidates, exclude_seen),
                    k=k,
                    n_items=source.shape[1],
                    candidates=held_out.candidates,
                    users=users[part],
                    model=model or type(recommender).__name__,
                )
                for part in parts
            ]
        )

    # One more than the cut, for intervals: what would come in without one of the others.
    if nested_lists(recommender):
        ranked = asked_for(top_k + 1)
    else:
        ranked = asked_for(top_k)
        if intervals and any(k == top_k and metric != "coverage" for metric, k in cuts):
            ranked = _with_next(ranked, asked_for(top_k + 1))
    # Targets outside the candidates stay: removing them would inflate recall.
    lists = Lists(ranked, target, held_out.candidates)
    ranked = ranked[:, :top_k]
    per_user = {
        name: FROM_HITS[metric](lists.found[:, :k], lists.counts)
        for name, (metric, k) in zip(metrics, cuts, strict=True)
        if metric != "coverage"
    }
    limits: dict[str, tuple[float, float]] = {}
    if intervals and per_user:
        stacked = np.stack(list(per_user.values()), axis=1)
        limits.update(zip(per_user, rate_intervals(stacked, seed), strict=True))
    summary: dict[str, dict[str, Any]] = {}
    for name, (metric, k) in zip(metrics, cuts, strict=True):
        if metric == "coverage":
            value = coverage(ranked, held_out.candidates, k)
            if intervals:
                limits[name] = coverage_interval(ranked[:, :k], held_out.candidates, seed)
        else:
            value = float(per_user[name].mean())
        summary[name] = {"value": value, "ci95": list(limits.get(name, (value, value)))}
        if intervals and name in per_user:
            wider = item_interval(lists, metric, k, per_user[name])
            summary[name] |= {"ci95_items": list(wider)} if wider else {}
    seconds = time.perf_counter() - started
    return Evaluation(model, scenario, users, per_user, summary, ranked, lists, seconds)


def usual_metrics(asked: Sequence[str], top_k: int) -> tuple[str, ...]:
    """The metrics asked for, or where none are, the usual ones that fit into lists of `top_k`.

    Raises:
        ConfigError: if one of `asked` is not a metric or has a cut beyond `top_k`, or if none is
            asked for and none of the usual ones fits.
    """
    if not asked:
        usual = tuple(m for m in DEFAULT_METRICS if int(m.partition("@")[2]) <= top_k)
        if not usual:
            raise ConfigError(
                f"lists of {top_k}, and no metrics named",
                expected="lists of at least 20 for the usual metrics",
                remedy=f"Name metrics, such as recall@{max(top_k, 1)}, or raise top_k.",
            )
        return usual
    for metric in asked:
        parse_metric(metric, top_k)
    return tuple(asked)


def parse_metric(name: str, top_k: int | None = None) -> tuple[str, int]:
    """Name and cut of a metric such as ndcg@100.

    Raises:
        ConfigError: if the metric is unknown, if it has no cut of at least 1, or if the cut is
            beyond `top_k`.
    """
    known = (*FROM_HITS, "coverage")
    metric, _, cut = name.partition("@")
    if metric not in known:
        near = difflib.get_close_matches(metric, known, n=1)
        raise ConfigError(
            f"metric {name!r}",
            expected=f"one of {', '.join(known)}, with a cut such as ndcg@100",
            remedy=f"Did you mean {near[0]}@{cut or 20}?" if near else "Choose one of those.",
        )
    k = plain_integer(cut)
    if k is None or k < 1 or (top_k is not None and k > top_k):
        raise ConfigError(
            f"metric {name!r}" + ("" if top_k is None else f" with lists of {top_k}"),
            expected="a cut of at least 1" + (f" and at most {top_k}" if top_k else ""),
            remedy=f"Write for example {metric}@10, or raise top_k.",
        )
    return metric, k


def _cuts(metrics: Sequence[str], top_k: int, batch_size: int) -> list[tuple[str, int]]:
    """Each metric's name and cut."""
    if not metrics or isinstance(metrics, str) or top_k < 1 or batch_size < 1:
        raise ConfigError(
            f"metrics={metrics!r}, top_k={top_k}, batch_size={batch_size}",
            expected="a list of metrics, and lists and batches of at least 1",
            remedy='Write for example metrics=["recall@20"].',
        )
    return [parse_metric(name, top_k) for name in metrics]


def _with_next(ranked: np.ndarray, longer: np.ndarray) -> np.ndarray:
    """Lists (users, k) and after them the first item of longer lists that they do not hold.

    A list that ends early has no such place.
    """
    span = int(max(ranked.max(initial=0), longer.max(initial=0))) + 1
    of_user = np.arange(len(ranked))[:, None] * span
    new = (longer >= 0) & ~np.isin(of_user + longer, (of_user + ranked)[ranked >= 0])
    at = new.argmax(axis=1)
    there = new.any(axis=1) & (ranked[:, -1] >= 0)
    next_item = np.where(there, longer[np.arange(len(longer)), at], -1)
    return np.concatenate([ranked, next_item[:, None]], axis=1)


def _require_somebody(held_out: HeldOut, scenario: str) -> None:
    """Refuse a part that nobody can be evaluated on."""
    if len(held_out.users) and len(held_out.candidates):
        return
    where = f" of {scenario}" if scenario else ""
    found = "no candidates" if len(held_out.users) else "no user with a source and a target"
    raise DataError(
        f"nobody to evaluate: {found} in the part{where}",
        expected="at least one user with both, and one candidate",
        remedy="Hold out another share, or check source, target and candidates.",
    )
