"""Content vectors of items: checking, centring and scaling them."""

from __future__ import annotations

import numpy as np

from beekit.errors import DataError
from beekit.finite import finite_vectors


def content_vectors(vectors: np.ndarray) -> np.ndarray:
    """Vectors (items, dims) as contiguous float32, checked by `finite_vectors`."""
    return finite_vectors(
        vectors, remedy="Embed the items again, or put zeros where an item has no content."
    )


def require_vectors_of(vectors: np.ndarray, items: int) -> None:
    """Refuse interactions whose number of items is not the number of content vectors."""
    if len(vectors) != items:
        raise DataError(
            f"interactions over {items:,} items",
            expected=f"the {len(vectors):,} items that have content vectors",
            remedy="Build X and the vectors with the same catalog.",
        )


def require_width(vectors: np.ndarray, dims: int) -> None:
    """Refuse vectors of new items that do not have `dims` dimensions."""
    if vectors.shape[1] != dims:
        raise DataError(
            f"vectors of {vectors.shape[1]:,} dimensions",
            expected=f"{dims:,}, as the vectors of the known items have",
            remedy="Embed the new items with the same encoder.",
        )


def compared(vectors: np.ndarray, mean: np.ndarray, normalize: bool) -> np.ndarray:
    """Vectors (items, dims) minus `mean` (dims,), scaled to length 1 if `normalize`; float32."""
    centred = vectors.astype(np.float64) - mean
    if normalize:
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        centred = centred / np.where(lengths > 0, lengths, 1)
    return np.asarray(centred, dtype=np.float32)


def mean_of_known(vectors: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(dims,) float64 mean of the rows where `known` (items,) is true; of all rows if none is."""
    decide = vectors[known] if known.any() else vectors
    return np.asarray(decide.mean(axis=0, dtype=np.float64))


def standardised(vectors: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Vectors minus the mean of the `known` rows, divided by the root mean square of the rest.

    All dimensions are divided by the same number, so that angles around the mean do not change.
    Without centring, the large mean that an encoder's embeddings share would hide these angles.
    Mean and scale come from the rows that training may see, or from all rows if there are none.
    """
    reference = vectors[known] if known.any() else vectors
    centre = mean_of_known(vectors, known)
    spread = float(np.sqrt(np.mean((reference - centre) ** 2)))
    return np.asarray((vectors - centre) / (spread or 1.0), dtype=np.float32)
