"""User vectors for histories: learnt ones where the user was trained on, solved for otherwise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from beekit.blas_threads import one_blas_thread
from beekit.models.settings import NOT_FITTED, Count
from beekit.models.training_loop import learnt_array, normal_vectors
from beekit.ranking.ties import history_keys

# Numbers held at once while solving: 32 MB in float64.
_BLOCK_ELEMENTS = 2**22
# Of users of models that learn a vector a training user; see `recall_users`. Chosen for PMF and BPR
# by ndcg@100 on validation users of MovieLens 1M and goodbooks-10k.
_CONFIDENCE = 10.0
_RIDGE = 0.1
# Training users the map is learnt from at least, where there are so many.
_LEARN_FROM = 10_000


class FoldIn:
    """Item vectors Q (items, dims), ready to solve for the user vectors that explain histories."""

    def __init__(self, item_vectors: np.ndarray) -> None:
        self.vectors = item_vectors.astype(np.float64)
        self.gram = self.vectors.T @ self.vectors
        self.mean_eigenvalue = float((self.vectors**2).sum()) / self.vectors.shape[1]

    def users(
        self, histories: sp.csr_array, confidence: float, regularization: float
    ) -> np.ndarray:
        """The user vectors (users, dims) float32 of histories of ones, solved for in float64.

        With c the confidence and λ the regularization, for a history N the minimiser over p of
        Σ_{i in N} c (1 − p·q_i)² + Σ_{i not in N} (p·q_i)² + λ|p|²,
        p = (QᵀQ + (c − 1) Σ_N q_i q_iᵀ + λI)⁻¹ c Σ_N q_i
        (Hu, Koren & Volinsky, ICDM 2008, eq. 4). An empty history gives zeros. A user's vector does
        not depend on who else is asked: histories of one length are solved together, unpadded.
        """
        dims = self.vectors.shape[1]
        shared = self.gram + regularization * np.eye(dims)
        solved = np.zeros((histories.shape[0], dims), dtype=np.float32)
        lengths = np.diff(histories.indptr)
        with one_blas_thread():
            for length in np.unique(lengths[lengths > 0]):
                users = np.flatnonzero(lengths == length)
                block = max(1, _BLOCK_ELEMENTS // (dims * (int(length) + 2 * dims)))
                for begin in range(0, len(users), block):
                    members = users[begin : begin + block]
                    places = histories.indptr[members][:, None] + np.arange(length)
                    theirs = self.vectors[histories.indices[places]]  # (members, length, dims)
                    system = shared + (confidence - 1) * (theirs.transpose(0, 2, 1) @ theirs)
                    target = confidence * theirs.sum(axis=1)
                    solved[members] = np.linalg.solve(system, target[:, :, None])[:, :, 0]
        return solved

    def of_any_size(self, histories: sp.csr_array) -> np.ndarray:
        """`users` with λ the mean eigenvalue of QᵀQ, whatever the size of vectors."""
        regularization = self.mean_eigenvalue or 1.0  # all vectors zero: any will do
        return self.users(histories, _CONFIDENCE, regularization)


@dataclass(eq=False)
class RemembersUsers:
    """A part of models that learn a vector a training user.

    A user is known by the history: one that is exactly a training user's gets the vector learnt for
    that user, any other is folded in by weighted least squares and turned to where such vectors of
    training users come nearest to those learnt (`recall_users`).

    Args:
        embedding_dim: length of the vectors.
        seed: of first vectors, order and draws.
        device: where to train; by default the GPU where there is one. There, sums run in no fixed
            order, so that results of one seed may differ in the last digits.

    Attributes:
        item_vectors: Q (items, embedding_dim) float32 after `fit`.
        known_keys, known_vectors, known_turn: after `fit`, as `KnownUsers` has them.
    """

    embedding_dim: Count = 64
    seed: int = field(default=0, kw_only=True)
    device: str | None = field(default=None, kw_only=True)
    item_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    known_keys: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    known_vectors: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    known_turn: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    def _first_vectors(
        self, X: sp.csr_array, generator: torch.Generator, device: torch.device
    ) -> list[Tensor]:
        """Vectors of users and of items to start from."""
        dims = self.embedding_dim
        return [normal_vectors(rows, dims, 0.1, generator, device) for rows in X.shape]

    def _keeping(self, X: sp.csr_array, users: Tensor, items: Tensor) -> Callable[[], None]:
        """What puts the vectors (rows, dims) learnt so far of users and items into the model."""

        def keep() -> None:
            self.item_vectors = learnt_array(items)
            known = remember(X, learnt_array(users), FoldIn(self.item_vectors))
            self.known_keys, self.known_vectors, self.known_turn = known

        return keep

    def _own_user_vectors(self: Any, histories: sp.csr_array) -> np.ndarray:
        """Learnt, or folded in."""
        known = KnownUsers(self.known_keys, self.known_vectors, self.known_turn)
        return recall_users(histories, known, self._kept("fold-in", FoldIn, self.item_vectors))


class KnownUsers(NamedTuple):
    """What `recall_users` knows of training users."""

    keys: np.ndarray  # (histories,) uint64, ascending, one a distinct history that is not empty
    vectors: np.ndarray  # (histories, dims) float32 of the first user who has it
    turn: np.ndarray  # (dims, dims) float32, brings folded-in vectors nearest to those learnt


def remember(histories: sp.csr_array, user_vectors: np.ndarray, items: FoldIn) -> KnownUsers:
    """What `recall_users` needs of training users and the vectors (users, dims) learnt for them."""
    keys, first = np.unique(history_keys(histories), return_index=True)
    kept = np.diff(histories.indptr)[first] > 0
    keys, first = keys[kept], first[kept]
    # Enough users to estimate dims² numbers; which ones does not matter.
    some = first[:: max(1, len(first) // _LEARN_FROM)]
    folded = items.of_any_size(sp.csr_array(histories[some]))
    return KnownUsers(keys, user_vectors[first], _turn(folded, user_vectors[some]))


def recall_users(histories: sp.csr_array, known: KnownUsers, items: FoldIn) -> np.ndarray:
    """The vectors learnt of training users, known by their exact history; others are folded in.

    For models that learn a vector a training user by another criterion than `FoldIn` minimises.
    Its vectors are brought to those learnt by the linear map that does so best for the training
    users: a user whose history has grown or shrunk since then moves a little, not to a user of
    another kind. An empty history gets zeros.
    """
    keys = history_keys(histories)
    place = np.searchsorted(known.keys, keys)
    place[place == len(known.keys)] = 0
    found = known.keys[place] == keys if len(known.keys) else np.zeros(len(keys), dtype=bool)
    vectors = np.empty((len(keys), len(items.gram)), dtype=np.float32)
    vectors[found] = known.vectors[place[found]]
    others = np.flatnonzero(~found)
    if len(others):
        folded = items.of_any_size(sp.csr_array(histories[others]))
        # By einsum, whose sums do not depend on how many users are asked for at once.
        vectors[others] = np.einsum("ud,de->ue", folded, known.turn)
    return vectors


def _turn(folded: np.ndarray, learnt: np.ndarray) -> np.ndarray:
    """M (dims, dims) float32 with F M near P, by ridge regression towards a multiple of I.

    In directions that few users have, M only scales: it minimises ‖F M − P‖² + μ‖M − s I‖², s the
    multiple by which s F is nearest to P and μ a share of the mean eigenvalue of FᵀF.
    """
    F, P = folded.astype(np.float64), learnt.astype(np.float64)
    gram, identity = F.T @ F, np.eye(F.shape[1])
    size = float(np.trace(gram))
    if not size > 0:
        return identity.astype(np.float32)
    scale = max(float((F * P).sum()) / size, 0.0)
    ridge = _RIDGE * size / len(identity)
    moved = np.linalg.solve(gram + ridge * identity, F.T @ P + ridge * scale * identity)
    return np.asarray(moved, dtype=np.float32)
