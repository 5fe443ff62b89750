"""Embeddings of an exported encoder compared with those by torch: vectors, scores and lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from beekit.errors import ExportError
from beekit.index import ItemIndex
from beekit.index.measure import list_recall

# How much more than torch's own rounding another runtime may be off. Both compute one function in
# float32, each off by about that rounding; the other one sums in another order, and takes erf and
# exp from other polynomials. Four bits of the 24; a graph that is wrong is off by far more.
_ROUNDINGS = 16
# Of a unit vector, what no float32 arithmetic is better than.
_EPSILON = 2.0**-23
_TOP_K = 10


class Agreement(NamedTuple):
    """An exported encoder against torch, on one sample."""

    source: str  # of the sample, in words
    items: int
    batch_sizes: tuple[int, ...]  # that the exported encoder embedded the items in
    largest_difference: float  # of an entry of an embedding, over items and batch sizes
    largest_distance: float  # Euclidean, of an item's embedding from torch's, which has length 1
    rounding: float  # the same distance of torch in float32 from torch in float64
    tolerance: float  # what `largest_distance` may be
    users: int  # whose scores and lists were compared; user vectors are sums over histories
    score_difference: float  # largest of a score
    same_top_10: float  # share of torch's ten best unseen items that the exported encoder lists too

    def summary(self) -> str:
        """One line for people."""
        return (
            f"{self.items} {self.source}, embeddings at most {self.largest_distance:.1e} from "
            f"torch's (allowed {self.tolerance:.1e}), scores {self.score_difference:.1e}, "
            f"{self.same_top_10:.2%} of the ten best the same"
        )

    def require(self, runtime: str) -> None:
        """Refuse an export whose embeddings are off by more than rounding explains."""
        if not self.largest_distance <= self.tolerance:  # NaN too
            raise ExportError(
                f"embeddings in {runtime} are {self.largest_distance:.1e} from torch's "
                f"({self.items} {self.source})",
                expected=f"at most {self.tolerance:.1e}, {_ROUNDINGS} times torch's own rounding",
                remedy="Nothing was exported; try other versions of torch and the runtime, or "
                "serve this encoder with torch.",
            )


def compare(
    source: str,
    torchs: np.ndarray,
    exact: np.ndarray,
    step: int,
    exported: Mapping[int, np.ndarray],
    histories: sp.csr_array,
) -> Agreement:
    """The agreement of two sets of embeddings.

    By torch (items, dims) in float32, and every `step`-th item in float64; exported (items, dims)
    float32 by batch size. Histories are (users, items) of ones.
    """
    rounding = float(np.linalg.norm(torchs[::step] - exact, axis=1).max())
    gaps = [torchs.astype(np.float64) - each for each in exported.values()]
    one = next(iter(exported.values()))
    scores = [(histories @ vectors) @ vectors.T for vectors in (torchs, one)]
    k = min(_TOP_K, len(torchs))
    lists = [ItemIndex(vectors, gpu=False).recommend(histories, k)[0] for vectors in (torchs, one)]
    return Agreement(
        source=source,
        items=len(torchs),
        batch_sizes=tuple(exported),
        largest_difference=float(max(np.abs(gap).max() for gap in gaps)),
        largest_distance=float(max(np.linalg.norm(gap, axis=1).max() for gap in gaps)),
        rounding=rounding,
        tolerance=_ROUNDINGS * max(rounding, _EPSILON),
        users=histories.shape[0],
        score_difference=float(np.abs(scores[0] - scores[1]).max()),
        same_top_10=shared(lists[1], lists[0]),
    )


def shared(found: np.ndarray, wanted: np.ndarray) -> float:
    """Average share of the wanted that is found, over users with something to list."""
    shares = list_recall(found, wanted)
    listed = ~np.isnan(shares)
    return float(shares[listed].mean()) if listed.any() else 1.0
