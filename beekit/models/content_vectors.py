"""The items' content vectors: checked, and brought to a scale networks learn from."""

from __future__ import annotations

import numpy as np

from beekit.errors import DataError
from beekit.finite import finite_vectors


def content_vectors(vectors: np.ndarray) -> np.ndarray:
    """Vectors (items, dims) as float32, row after row.

    Raises:
        DataError: if the vectors are not a matrix of numbers, if they are empty, or if a number is
            not finite or is too large for inner products.
    """
    return finite_vectors(
        vectors, remedy="Embed the items again, or put zeros where an item has no content."
    )


def require_vectors_of(vectors: np.ndarray, items: int) -> None:
    """Refuse interactions over other items than the vectors describe.

    Raises:
        DataError: if there is not one vector for each item of the interactions.
    """
    if len(vectors) != items:
        raise DataError(
            f"interactions over {items:,} items",
            expected=f"the {len(vectors):,} items there are vectors of",
            remedy="Build X and the vectors with the same catalog.",
        )


def require_width(vectors: np.ndarray, dims: int) -> None:
    """Refuse vectors of new items that are not of the width of those known.

    Raises:
        DataError: if the new vectors have another number of dimensions than those known.
    """
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
    """(dims,) float64 mean of the rows that training may see.

    Args:
        vectors: (items, dims).
        known: (items,) bool; all rows decide where none is.
    """
    decide = vectors[known] if known.any() else vectors
    return np.asarray(decide.mean(axis=0, dtype=np.float64))


def standardised(vectors: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Vectors less the mean of the `known` rows, over the root mean square of what remains.

    One scale for all dimensions, so that angles around the mean stay; encoders' embeddings share a
    large mean that would hide them. Only rows that training may see decide.

    Args:
        vectors: (items, dims).
        known: (items,) bool; all rows decide where none is.
    """
    reference = vectors[known] if known.any() else vectors
    centre = mean_of_known(vectors, known)
    spread = float(np.sqrt(np.mean((reference - centre) ** 2)))
    return np.asarray((vectors - centre) / (spread or 1.0), dtype=np.float32)
