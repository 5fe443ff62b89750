"""The items' content vectors: checked, and brought to a scale networks learn from."""

from __future__ import annotations

import numpy as np

from beekit.errors import DataError
from beekit.finite import finite_vectors


def content_vectors(vectors: np.ndarray) -> np.ndarray:
    """Vectors (items, dims) as float32, row after row, checked by `finite_vectors`."""
    return finite_vectors(
        vectors, remedy="Embed the items again, or put zeros where an item has no content."
    )


def require_vectors_of(vectors: np.ndarray, items: int) -> None:
    """Refuse interactions over other items than the vectors describe."""
    if len(vectors) != items:
        raise DataError(
            f"interactions over {items:,} items",
            expected=f"the {len(vectors):,} items there are vectors of",
            remedy="Build X and the vectors with the same catalog.",
        )


def require_width(vectors: np.ndarray, dims: int) -> None:
    """Refuse vectors of new items that are not of the width of those known."""
    if vectors.shape[1] != dims:
        raise DataError(
            f"vectors of {vectors.shape[1]:,} dimensions",
            expected=f"{dims:,}, as those of the items known",
            remedy="Embed the new items with the same encoder.",
        )


def compared(vectors: np.ndarray, mean: np.ndarray, normalize: bool) -> np.ndarray:
    """Vectors (items, dims) less a mean (dims,), of length 1 if asked for; float32."""
    centred = vectors.astype(np.float64) - mean
    if normalize:
        lengths = np.linalg.norm(centred, axis=1, keepdims=True)
        centred = centred / np.where(lengths > 0, lengths, 1)
    return np.asarray(centred, dtype=np.float32)


def mean_of_known(vectors: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(dims,) float64 mean of the rows `known` (items,) to training; of all where none is."""
    decide = vectors[known] if known.any() else vectors
    return np.asarray(decide.mean(axis=0, dtype=np.float64))


def standardised(vectors: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Vectors less the mean of the `known` rows, over the root mean square of what remains.

    One scale for all dimensions, so that angles around the mean stay; encoders' embeddings share a
    large mean that would hide them. Only rows that training may see decide, or all where none is.
    """
    reference = vectors[known] if known.any() else vectors
    centre = mean_of_known(vectors, known)
    spread = float(np.sqrt(np.mean((reference - centre) ** 2)))
    return np.asarray((vectors - centre) / (spread or 1.0), dtype=np.float32)
