"""Metrics by name: beekit's own, functions at an import path, and functions given in Python.

A metric from outside is a function of `ranked` (users, k) item indices, best first and padded with
-1, and of `target` (users, items) CSR, with at least one target for each user. It returns a
(users,) array. For example, in a file `novelty.py` that Python finds::

    import numpy as np

    def novelty(ranked, target):
        users = np.bincount(target.indices, minlength=target.shape[1]) + 1
        return np.where(ranked >= 0, -np.log2(users[ranked] / len(ranked)), 0).mean(axis=1)

and in YAML `metrics: [recall@20, novelty:novelty@20]`. Results use the name in the configuration.
Such a metric has an interval over users, but none over users and items, because that would need its
value for lists without an item.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from beekit.errors import ConfigError, DataError
from beekit.evaluation.item_intervals import Lists
from beekit.evaluation.metrics import FROM_HITS
from beekit.finite import require_finite
from beekit.import_path import imported
from beekit.json_values import plain_integer
from beekit.results import DEFAULT_METRIC

if TYPE_CHECKING:
    import scipy.sparse as sp

DEFAULT_METRICS = (
    DEFAULT_METRIC,
    "calibrated_recall@50",
    "recall@20",
    "recall@50",
    "ndcg@100",
    "coverage@20",
    "mrr@20",
    "hit_rate@20",
)
COVERAGE = "coverage"
_KNOWN = (*FROM_HITS, COVERAGE)

MetricFunction = Callable[[np.ndarray, "sp.csr_array"], np.ndarray]
"""A function from ranked (users, k) and target (users, items) to values (users,)."""
Metrics = Sequence[str | MetricFunction] | Mapping[str, MetricFunction]
"""A list of names and functions, or functions by name."""


@dataclass(frozen=True)
class NamedMetric:
    """A metric such as ndcg@100: its kind (ndcg), its cut k (100), and its function if it is from
    outside beekit."""

    name: str
    kind: str
    k: int
    function: MetricFunction | None = None

    def values(self, lists: Lists) -> np.ndarray:
        """The values (users,) float64. Not for coverage, which has one value for all lists.

        Raises:
            DataError: if a function from outside fails, or does not return a finite number for each
                user.
        """
        if self.function is None:
            return FROM_HITS[self.kind](lists.found[:, : self.k], lists.counts)
        try:
            given = np.asarray(self.function(lists.ranked[:, : self.k].copy(), lists.target.copy()))
        except Exception as error:  # whatever its own code raises
            said = " ".join(str(error).split())
            raise DataError(
                f"an error in metric {self.name} ({type(error).__name__}: {said})",
                expected="a function of lists (users, k) and targets (users, items)",
                remedy="Correct the function.",
            ) from error
        wanted = (len(lists.ranked),)
        if given.shape != wanted or given.dtype.kind not in "fiub":
            raise DataError(
                f"metric {self.name}, which returns an array of shape {given.shape} and type "
                f"{given.dtype}",
                expected=f"numbers of shape {wanted}, one for each user",
                remedy="Return one number for each row of `ranked`.",
            )
        require_finite(
            given,
            f"values of metric {self.name}",
            row="user",
            remedy="Let the metric return a finite number for every user; each has a target.",
        )
        return given.astype(np.float64)


def named_metrics(metrics: Metrics, top_k: int) -> list[NamedMetric]:
    """The metrics asked for, each once.

    A function without a name is named by its import path. A function whose name has no cut gets the
    cut `top_k`.

    Raises:
        ConfigError: if two functions have one name, if a function has the name of a metric of
            beekit, or if `named_metric` refuses a name.
    """
    found: dict[str, NamedMetric] = {}
    for one in metrics:
        function = metrics[one] if isinstance(metrics, Mapping) else one  # type: ignore[index]
        if isinstance(function, str):
            metric = named_metric(function, top_k)
        else:
            given = one if isinstance(one, str) else _import_path(one)
            metric = _from_outside(given if "@" in given else f"{given}@{top_k}", top_k, function)
        taken = metric.function is not None and metric.kind in _KNOWN
        if taken or found.setdefault(metric.name, metric).function != metric.function:
            raise ConfigError(
                f"two metrics named {metric.kind if taken else metric.name}",
                expected="different names, and none of beekit's own for a function",
                remedy='Give them names, for example metrics={"novelty@20": novelty, ...}.',
            )
    return list(found.values())


def usual_metrics(asked: Sequence[str], top_k: int) -> tuple[str, ...]:
    """The metrics asked for; if there are none, the default metrics whose cut is at most `top_k`.

    Raises:
        ConfigError: if `named_metric` refuses a name, or if no default metric fits.
    """
    for metric in asked:
        named_metric(metric, top_k)
    usual = tuple(asked) or tuple(m for m in DEFAULT_METRICS if kind_and_cut(m)[1] <= top_k)
    if not usual:
        raise ConfigError(
            f"lists of {top_k} items and no metrics",
            expected="lists of at least 20 items for the default metrics",
            remedy=f"Set metrics, for example recall@{max(top_k, 1)}, or raise top_k.",
        )
    return usual


def named_metric(name: str, top_k: int | None = None) -> NamedMetric:
    """The metric of a name such as ndcg@100, or my_package.my_module:novelty@20.

    Raises:
        ConfigError: if it is unknown or cannot be imported, or if `kind_and_cut` refuses the cut.
    """
    metric, _, cut = name.partition("@")
    if ":" in metric:
        kind_and_cut(name, top_k)  # checked before code from outside is run
        return _from_outside(name, top_k, imported(metric, f"metric {name!r}"))
    if metric not in _KNOWN:
        near = difflib.get_close_matches(metric, _KNOWN, n=1)
        raise ConfigError(
            f"metric {name!r}",
            expected=f"one of {', '.join(_KNOWN)}, with a cut such as ndcg@100, or "
            "package.module:function@100",
            remedy=f"Did you mean {near[0]}@{cut or 20}?" if near else "Choose one of those.",
        )
    return NamedMetric(name, *kind_and_cut(name, top_k))


def kind_and_cut(name: str, top_k: int | None = None) -> tuple[str, int]:
    """The kind (before the @) and the cut (after it) in a metric's name. The kind is not checked.

    Raises:
        ConfigError: if there is no cut of at least 1, or if it is beyond `top_k`.
    """
    kind, _, cut = name.partition("@")
    k = plain_integer(cut)
    if k is None or k < 1 or (top_k is not None and k > top_k):
        raise ConfigError(
            f"metric {name!r}" + ("" if top_k is None else f" with lists of {top_k}"),
            expected="a cut of at least 1" + (f" and at most {top_k}" if top_k else ""),
            remedy=f"Write for example {kind}@10, or raise top_k.",
        )
    return kind, k


def _import_path(function: Any) -> str:
    home = getattr(function, "__module__", type(function).__module__)
    return f"{home}:{getattr(function, '__qualname__', type(function).__qualname__)}"


def _from_outside(name: str, top_k: int | None, function: Any) -> NamedMetric:
    kind, k = kind_and_cut(name, top_k)
    if not callable(function):
        raise ConfigError(
            f"metric {name!r} of type {type(function).__name__}",
            expected="a function of ranked (users, k) and target (users, items)",
            remedy="Name a function that returns one number for each user.",
        )
    return NamedMetric(name, kind, k, function)
