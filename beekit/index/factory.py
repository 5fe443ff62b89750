"""FAISS indexes from factory strings, or an error that names one that would do.

Three kinds can be told which items to search, and so can serve `candidates`: IVF (cells around
k-means centroids), HNSW (a graph), and flat codes (PQ, SQ), each also behind a transform such as
OPQ or PCA.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss as faiss_module
import numpy as np

from beekit.errors import ConfigError
from beekit.index.duplicate_vectors import Copies

faiss: Any = faiss_module  # its stubs take C++ vectors for lists
_EXAMPLES = "Flat, IVF256,Flat, HNSW32, PQ48x8, IVF256,PQ48x8 or OPQ48,IVF256,PQ48x8"
# Training vectors a centroid below which FAISS advises against k-means.
_A_CELL = 39


def untrained(factory: str, dims: int) -> Any:
    """An empty FAISS index for inner products, from a string as `faiss.index_factory` reads it.

    Raises:
        ConfigError: if FAISS cannot read the string, if it does not fit the dimensions, if the
            index would not search by inner product, or if it cannot be told which items to search.
    """
    try:
        index = faiss.index_factory(dims, factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise ConfigError(
            f"index factory {factory!r} for {dims} dimensions ({_reason(error)})",
            expected=f"a FAISS factory string such as {_EXAMPLES}",
            remedy="Correct the string; a PQ's first number has to divide the dimensions.",
        ) from error
    inner = searched(index)
    by_product = index.metric_type == inner.metric_type == faiss.METRIC_INNER_PRODUCT
    known = isinstance(inner, faiss.IndexIVF | faiss.IndexHNSW | faiss.IndexFlatCodes)
    if not by_product or not known or (isinstance(inner, faiss.IndexIVF) and inner.nlist < 1):
        kind = type(inner).__name__ + ("" if by_product else " by distance")
        raise ConfigError(
            f"index factory {factory!r}, a FAISS {kind}",
            expected=f"IVF, HNSW, PQ or SQ by inner product, such as {_EXAMPLES}",
            remedy="Choose one of them; fetched items are ranked exactly in any case.",
        )
    return index


def trained(factory: str, vectors: np.ndarray, copies: Copies) -> Any:
    """A FAISS index trained on vectors (items, dims); it holds one of each and answers with items.

    k-means starts from FAISS's fixed seeds. An HNSW graph is built by several threads at once, and
    FAISS does not promise the same one twice; a saved index keeps the one it has. The vectors come
    in the order that `copies` has of them, so that rows in another order make the same index.

    Raises:
        ConfigError: if `untrained` refuses the factory, or if there are too few items to train it.
    """
    index = untrained(factory, vectors.shape[1])
    try:
        with _prepared(index, len(vectors)):
            index.train(vectors[copies.members])
        numbered = faiss.IndexIDMap(index)
        numbered.add_with_ids(vectors[copies.first], copies.first)
    except RuntimeError as error:
        smaller = smaller_factory(factory, len(vectors))
        raise ConfigError(
            f"index factory {factory!r} for {len(vectors):,} items ({_reason(error)})",
            expected="at least as many items as it has centroids",
            remedy=f"Use {smaller!r}.",
        ) from error
    return numbered


@contextmanager
def _prepared(index: Any, items: int) -> Iterator[None]:
    """Settings for training: no warnings, since quality is measured, and no extras."""
    inner = searched(index)
    bits = max(1, min(8, int(math.log2(max(1, items)))))
    if isinstance(inner, faiss.IndexIVF):
        inner.cp.min_points_per_centroid = 1
    if hasattr(inner, "pq"):
        inner.pq.cp.min_points_per_centroid = 1
        bits = inner.pq.nbits
    if hasattr(inner, "do_polysemous_training"):
        # Reorders codes for a search by Hamming distance that is not used here, in minutes.
        inner.do_polysemous_training = False
    rotations = [t for t in _transforms(index) if isinstance(t, faiss.OPQMatrix)]
    # A rotation is learnt for codes of the bits used; FAISS by itself takes 8 for any. It does not
    # own them, so they are kept here for as long as it has them.
    codes = [faiss.ProductQuantizer(rotation.d_out, rotation.M, bits) for rotation in rotations]
    for rotation, code in zip(rotations, codes, strict=True):
        code.cp.min_points_per_centroid = 1
        rotation.pq = code
    try:
        yield
    finally:
        for rotation in rotations:
            rotation.pq = None


def smaller_factory(factory: str, items: int) -> str:
    """The same kind of index with cells and codes that so few items can train, or Flat."""
    bits = int(math.log2(max(1, items)))
    if bits < 1:
        return "Flat"
    cells = max(1, items // _A_CELL)
    fewer = re.sub(r"IVF(\d+)", lambda ivf: f"IVF{min(cells, int(ivf[1]))}", factory)
    codes = re.compile(r"(?<![A-Za-z])PQ(\d+)(?:x(\d+))?")
    fewer = codes.sub(lambda pq: f"PQ{pq[1]}x{min(bits, int(pq[2] or 8))}", fewer)
    return "Flat" if fewer == factory else fewer


def searched(index: Any) -> Any:
    """What searches in an index, itself or behind its transforms; it lives as long as the index."""
    inner = faiss.downcast_index(index)
    return searched(inner.index) if isinstance(inner, faiss.IndexPreTransform) else inner


def _transforms(index: Any) -> list[Any]:
    outer = faiss.downcast_index(index)
    if not isinstance(outer, faiss.IndexPreTransform):
        return []
    chain = [faiss.downcast_VectorTransform(outer.chain.at(i)) for i in range(outer.chain.size())]
    return [*chain, *_transforms(outer.index)]


def keeps_vectors(index: Any) -> bool:
    """Whether the index holds vectors as they are, rather than codes, so its scores are exact."""
    return isinstance(faiss.downcast_index(index), faiss.IndexIVFFlat | faiss.IndexHNSWFlat)


def _reason(error: RuntimeError) -> str:
    """What FAISS says, without where in its sources."""
    message = " ".join(str(error).split())
    said = re.search(r"at \S+:\d+: (?:Error: )?(.*)$", message)
    return (said[1] if said else message)[:160]
