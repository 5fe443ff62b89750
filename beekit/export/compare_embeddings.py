"""Comparing the embeddings of an exported encoder with torch's: vectors, scores and lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from beekit.errors import ExportError
from beekit.index import ItemIndex
from beekit.index.measure import list_recall

# The allowed distance from torch, as a multiple of torch's own rounding error. Both compute the
# same function in float32, but another runtime sums in another order and approximates erf and exp
# in another way. 16 is four of the 24 bits of a float32; a wrong graph differs by far more.
_ROUNDINGS = 16
# The rounding error that float32 arithmetic always has for a vector of length 1.
_EPSILON = 2.0**-23
_TOP_K = 10


class Agreement(NamedTuple):
    """An exported encoder compared with torch on one sample.

    Attributes:
        source: origin of the sample, in words.
        items: number of items.
        batch_sizes: batch sizes in which the exported encoder embedded the items.
        largest_difference: largest difference of a number in an embedding.
        largest_distance: largest Euclidean distance of an embedding from torch's, of length 1.
        rounding: the same distance between torch in float32 and torch in float64.
        tolerance: the largest allowed `largest_distance`.
        users: number of users with compared scores and lists; a user vector is the sum over a
            history.
        score_difference: largest difference of a score.
        same_top_10: share of torch's ten best unseen items that the exported encoder lists too.
    """

    source: str
    items: int
    batch_sizes: tuple[int, ...]
    largest_difference: float
    largest_distance: float
    rounding: float
    tolerance: float
    users: int
    score_difference: float
    same_top_10: float

    def summary(self) -> str:
        """The agreement in one line."""
        return (
            f"{self.items} {self.source}, embeddings at most {self.largest_distance:.1e} from "
            f"torch's (allowed {self.tolerance:.1e}), scores {self.score_difference:.1e}, "
            f"{self.same_top_10:.2%} of the ten best the same"
        )

    def require(self, runtime: str) -> None:
        """Check that the embeddings differ by no more than rounding explains.

        Raises:
            ExportError: if they do.
        """
        if not self.largest_distance <= self.tolerance:  # NaN too
            raise ExportError(
                f"embeddings in {runtime} are {self.largest_distance:.1e} from torch's "
                f"({self.items} {self.source})",
                expected=f"at most {self.tolerance:.1e}, {_ROUNDINGS} times torch's rounding error",
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
    """The agreement of an exported encoder with torch.

    Args:
        source: origin of the items, in words.
        torchs: (items, dims) embeddings by torch in float32.
        exact: embeddings by torch in float64, of every `step`-th item.
        step: see `exact`.
        exported: (items, dims) float32 embeddings of the exported encoder, by batch size.
        histories: (users, items) of ones.
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
    """The share of the `wanted` lists (users, k) that is in the `found` lists, averaged over users
    whose wanted list is not empty."""
    shares = list_recall(found, wanted)
    listed = ~np.isnan(shares)
    return float(shares[listed].mean()) if listed.any() else 1.0
