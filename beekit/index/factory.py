"""FAISS indexes from factory strings, or an error that names a string that works.

Three kinds of index can search a subset of their items, which `candidates` needs: IVF (cells around
k-means centroids), HNSW (a graph), and flat codes (PQ, SQ). Each may come after a transform such as
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

faiss: Any = faiss_module  # its type stubs mistake C++ vectors for lists
_EXAMPLES = "Flat, IVF256,Flat, HNSW32, PQ48x8, IVF256,PQ48x8 or OPQ48,IVF256,PQ48x8"
# FAISS advises against k-means with fewer training vectors for each centroid than this.
_A_CELL = 39


def untrained(factory: str, dims: int) -> Any:
    """An empty FAISS index for inner products, from a string that `faiss.index_factory` reads.

    Raises:
        ConfigError: if FAISS cannot read the string, if it does not fit the dimensions, if the
            index would not search by inner product, or if it cannot search a subset of its items.
    """
    try:
        index = faiss.index_factory(dims, factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise ConfigError(
            f"index factory {factory!r} for {dims} dimensions ({_reason(error)})",
            expected=f"a FAISS factory string such as {_EXAMPLES}",
            remedy="Correct the string; the first number of PQ has to divide the dimensions.",
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
    """A FAISS index trained on vectors (items, dims), which answers with item indices.

    It holds each distinct vector once, in the order of `copies`, so that it does not depend on the
    order of rows. k-means starts from FAISS's fixed seeds. An HNSW graph is built by several
    threads, so two builds may differ; a saved index keeps its graph.

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
    """Within it, training prints no warnings about few vectors and skips steps that search does
    not use; an OPQ rotation is learnt for the code size of the index."""
    inner = searched(index)
    bits = max(1, min(8, int(math.log2(max(1, items)))))
    if isinstance(inner, faiss.IndexIVF):
        inner.cp.min_points_per_centroid = 1
    if hasattr(inner, "pq"):
        inner.pq.cp.min_points_per_centroid = 1
        bits = inner.pq.nbits
    if hasattr(inner, "do_polysemous_training"):
        # It takes minutes, and only prepares a search by Hamming distance that is not used here.
        inner.do_polysemous_training = False
    rotations = [t for t in _transforms(index) if isinstance(t, faiss.OPQMatrix)]
    # FAISS would learn a rotation for 8-bit codes whatever the index uses. FAISS does not own the
    # quantizers that it is given, so `codes` keeps them alive during training.
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
    """A factory string of the same kind, with cells and codes that `items` items can train; "Flat"
    if there is none."""
    bits = int(math.log2(max(1, items)))
    if bits < 1:
        return "Flat"
    cells = max(1, items // _A_CELL)
    fewer = re.sub(r"IVF(\d+)", lambda ivf: f"IVF{min(cells, int(ivf[1]))}", factory)
    codes = re.compile(r"(?<![A-Za-z])PQ(\d+)(?:x(\d+))?")
    fewer = codes.sub(lambda pq: f"PQ{pq[1]}x{min(bits, int(pq[2] or 8))}", fewer)
    return "Flat" if fewer == factory else fewer


def searched(index: Any) -> Any:
    """The index behind the transforms, or `index` itself if it has none. It must not be used after
    `index` is deleted."""
    inner = faiss.downcast_index(index)
    return searched(inner.index) if isinstance(inner, faiss.IndexPreTransform) else inner


def _transforms(index: Any) -> list[Any]:
    outer = faiss.downcast_index(index)
    if not isinstance(outer, faiss.IndexPreTransform):
        return []
    chain = [faiss.downcast_VectorTransform(outer.chain.at(i)) for i in range(outer.chain.size())]
    return [*chain, *_transforms(outer.index)]


def keeps_vectors(index: Any) -> bool:
    """Whether the index holds the vectors themselves and no codes, so that its scores are exact."""
    return isinstance(faiss.downcast_index(index), faiss.IndexIVFFlat | faiss.IndexHNSWFlat)


def _reason(error: RuntimeError) -> str:
    """FAISS's message, without the place in its source code."""
    message = " ".join(str(error).split())
    said = re.search(r"at \S+:\d+: (?:Error: )?(.*)$", message)
    return (said[1] if said else message)[:160]
