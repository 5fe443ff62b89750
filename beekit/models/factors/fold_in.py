"""User vectors for histories: learnt ones where the user was trained on, solved for otherwise."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from beekit.ranking.ties import history_keys

# Numbers held at once while solving: 32 MB in float64.
_BLOCK_ELEMENTS = 2**22
# Of unknown users of models that learn a vector a training user; see `recall_users`.
_CONFIDENCE = 10.0
_SHARE = 0.1


def fold_in(
    histories: sp.csr_array, item_vectors: np.ndarray, confidence: float, regularization: float
) -> np.ndarray:
    """The user vectors that explain histories best, with the items' vectors fixed.

    For a history N the minimiser over p of
    Σ_{i in N} c (1 − p·q_i)² + Σ_{i not in N} (p·q_i)² + λ|p|²,
    p = (QᵀQ + (c − 1) Σ_N q_i q_iᵀ + λI)⁻¹ c Σ_N q_i
    (Hu, Koren & Volinsky, ICDM 2008, eq. 4). An empty history gives zeros.

    Args:
        histories: (users, items) CSR of ones.
        item_vectors: Q (items, dims).
        confidence: c ≥ 1, the weight of what is in the history against 1 for what is not.
        regularization: λ > 0.

    Returns:
        (users, dims) float32, solved in float64. A user's does not depend on who else is asked:
        histories of one length are solved together, so nothing is padded.
    """
    vectors = item_vectors.astype(np.float64)
    dims = vectors.shape[1]
    shared = vectors.T @ vectors + regularization * np.eye(dims)
    solved = np.zeros((histories.shape[0], dims), dtype=np.float32)
    lengths = np.diff(histories.indptr)
    for length in np.unique(lengths[lengths > 0]):
        users = np.flatnonzero(lengths == length)
        block = max(1, _BLOCK_ELEMENTS // (dims * (int(length) + 2 * dims)))
        for begin in range(0, len(users), block):
            members = users[begin : begin + block]
            places = histories.indptr[members][:, None] + np.arange(length)
            theirs = vectors[histories.indices[places]]  # (members, length, dims)
            system = shared + (confidence - 1) * (theirs.transpose(0, 2, 1) @ theirs)
            target = confidence * theirs.sum(axis=1)
            solved[members] = np.linalg.solve(system, target[:, :, None])[:, :, 0]
    return solved


def remember(histories: sp.csr_array, user_vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What `recall_users` recognises training users by.

    Args:
        histories: (users, items) CSR of ones.
        user_vectors: (users, dims) learnt for them.

    Returns:
        keys (histories,) uint64, ascending, one a distinct history that is not empty, and the
        vectors (histories, dims) of the first user who has it.
    """
    keys, first = np.unique(history_keys(histories), return_index=True)
    kept = np.diff(histories.indptr)[first] > 0
    return keys[kept], user_vectors[first[kept]]


def recall_users(
    histories: sp.csr_array,
    known_keys: np.ndarray,
    known_vectors: np.ndarray,
    item_vectors: np.ndarray,
) -> np.ndarray:
    """The learnt vectors of training users, known by their exact history; others are folded in.

    For models that learn a vector a training user by another criterion than `fold_in` solves: its λ
    is a share of the mean eigenvalue of QᵀQ, so that the size of the vectors does not matter.

    Args:
        histories: (users, items) CSR of ones.
        known_keys, known_vectors: from `remember`.
        item_vectors: Q (items, dims).

    Returns:
        (users, dims) float32.
    """
    keys = history_keys(histories)
    place = np.searchsorted(known_keys, keys)
    place[place == len(known_keys)] = 0
    known = known_keys[place] == keys if len(known_keys) else np.zeros(len(keys), dtype=bool)
    vectors = np.empty((len(keys), item_vectors.shape[1]), dtype=np.float32)
    vectors[known] = known_vectors[place[known]]
    unknown = np.flatnonzero(~known)
    if len(unknown):
        eigenvalue = float((item_vectors.astype(np.float64) ** 2).sum()) / item_vectors.shape[1]
        regularization = _SHARE * eigenvalue or 1.0  # all vectors zero: any will do
        theirs = sp.csr_array(histories[unknown])
        vectors[unknown] = fold_in(theirs, item_vectors, _CONFIDENCE, regularization)
    return vectors
