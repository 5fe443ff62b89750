"""User vectors of histories: learnt ones for training users' histories, else least squares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from beekit.blas_threads import one_blas_thread
from beekit.models.early_stopping import StopsEarly
from beekit.models.settings import NOT_FITTED, Count
from beekit.models.training_loop import learnt_array, normal_vectors
from beekit.ranking.ties import history_keys

# How many numbers are held at once while solving: 32 MB in float64.
_BLOCK_ELEMENTS = 2**22
# The settings of `recall_users`, chosen for PMF and BPR by ndcg@100 on validation users of
# MovieLens 1M and goodbooks-10k.
_CONFIDENCE = 10.0
_RIDGE = 0.1
# The map of `recall_users` is learnt from at least this many training users, or from all if there
# are fewer.
_LEARN_FROM = 10_000


class FoldIn:
    """Solves for the user vectors of histories, for given item vectors Q (items, dims)."""

    def __init__(self, item_vectors: np.ndarray) -> None:
        self.vectors = item_vectors.astype(np.float64)
        self.gram = self.vectors.T @ self.vectors
        self.mean_eigenvalue = float((self.vectors**2).sum()) / self.vectors.shape[1]

    def users(
        self, histories: sp.csr_array, confidence: float, regularization: float
    ) -> np.ndarray:
        """The user vectors (users, dims) float32 of histories of ones, solved for in float64.

        With c the confidence and λ the regularization, the vector of a history N minimises
        Σ_{i in N} c (1 − p·q_i)² + Σ_{i not in N} (p·q_i)² + λ|p|² over p, so that
        p = (QᵀQ + (c − 1) Σ_N q_i q_iᵀ + λI)⁻¹ c Σ_N q_i
        (Hu, Koren & Volinsky, ICDM 2008, eq. 4). An empty history gives zeros. A user's vector does
        not depend on the other users: only histories of equal length are solved together.
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
        """`users` with λ the mean eigenvalue of QᵀQ, so that the scale of Q does not matter."""
        regularization = self.mean_eigenvalue or 1.0  # if all vectors are zero, any λ gives zeros
        return self.users(histories, _CONFIDENCE, regularization)


@dataclass(eq=False)
class RemembersUsers(StopsEarly):
    """A mixin for models that learn in epochs a vector for each training user.

    `recommend` knows a user by the history alone. A history that equals a training user's gets the
    vector learnt for that user. Any other history gets a vector by weighted least squares, to which
    a linear map is applied that brings such vectors near the learnt ones (`recall_users`).

    Args (those of `StopsEarly`, and):
        embedding_dim: dimensions of the vectors.
        seed: seed of initial vectors, order of the data and negatives.
        device: device to train on; by default a GPU if there is one. On a GPU sums have no fixed
            order, so two runs with one seed may differ in the last digits.

    Attributes:
        item_vectors: Q (items, embedding_dim) float32 after `fit`.
        known_keys, known_vectors, known_turn: the fields of `KnownUsers`, after `fit`.
    """

    holds_users: ClassVar[bool] = True

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
        """The initial vectors of users and of items."""
        dims = self.embedding_dim
        return [normal_vectors(rows, dims, 0.1, generator, device) for rows in X.shape]

    def _keeping(self, X: sp.csr_array, users: Tensor, items: Tensor) -> Callable[[], None]:
        """A function that copies the vectors of users and items learnt so far into the model."""

        def keep() -> None:
            self.item_vectors = learnt_array(items)
            known = remember(X, learnt_array(users), FoldIn(self.item_vectors))
            self.known_keys, self.known_vectors, self.known_turn = known

        return keep

    def _own_user_vectors(self: Any, histories: sp.csr_array) -> np.ndarray:
        """The learnt vectors of training users' histories; for others, vectors by least squares."""
        known = KnownUsers(self.known_keys, self.known_vectors, self.known_turn)
        return recall_users(histories, known, self._kept("fold-in", FoldIn, self.item_vectors))


class KnownUsers(NamedTuple):
    """What `recall_users` needs to know about training users."""

    keys: np.ndarray  # (histories,) uint64 keys of distinct histories that are not empty, ascending
    vectors: np.ndarray  # (histories, dims) float32, learnt for the first user with the history
    turn: np.ndarray  # (dims, dims) float32, the map from least-squares vectors to learnt ones


def remember(histories: sp.csr_array, user_vectors: np.ndarray, items: FoldIn) -> KnownUsers:
    """The `KnownUsers` of training histories and the vectors (users, dims) learnt for them."""
    keys, first = distinct_histories(histories)
    # Enough users to estimate dims² numbers; which ones does not matter.
    some = first[:: max(1, len(first) // _LEARN_FROM)]
    folded = items.of_any_size(sp.csr_array(histories[some]))
    return KnownUsers(keys, user_vectors[first], _turn(folded, user_vectors[some]))


def recall_users(histories: sp.csr_array, known: KnownUsers, items: FoldIn) -> np.ndarray:
    """User vectors (users, dims) float32: learnt ones for histories that equal a training user's,
    and vectors by least squares for all others.

    Models that learn a vector for each training user minimise another criterion than `FoldIn`. So
    the vectors of `FoldIn` are multiplied by the linear map that brings them nearest to the learnt
    vectors of training users. Then a user's vector changes little when the history grows or shrinks
    a little. An empty history gets zeros.
    """
    found, place = known_histories(histories, known.keys)
    vectors = np.empty((len(found), len(items.gram)), dtype=np.float32)
    vectors[found] = known.vectors[place[found]]
    others = np.flatnonzero(~found)
    if len(others):
        folded = items.of_any_size(sp.csr_array(histories[others]))
        # einsum, because its sums do not depend on the number of users in the batch.
        vectors[others] = np.einsum("ud,de->ue", folded, known.turn)
    return vectors


def distinct_histories(histories: sp.csr_array) -> tuple[np.ndarray, np.ndarray]:
    """The keys (uint64, ascending) of distinct histories that are not empty, and the index of the
    first user with each."""
    keys, first = np.unique(history_keys(histories), return_index=True)
    kept = np.diff(histories.indptr)[first] > 0
    return keys[kept], first[kept]


def known_histories(histories: sp.csr_array, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(users,) bool: which histories have a key among these, ascending; and (users,) its place."""
    return found_among(history_keys(histories), keys)


def found_among(theirs: np.ndarray, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of some keys are among `keys`, ascending, and their places there."""
    place = np.searchsorted(keys, theirs)
    place[place == len(keys)] = 0
    found = keys[place] == theirs if len(keys) else np.zeros(len(theirs), dtype=bool)
    return found, place


def _turn(folded: np.ndarray, learnt: np.ndarray) -> np.ndarray:
    """M (dims, dims) float32 with F M near P, by ridge regression towards a multiple of I.

    M minimises ‖F M − P‖² + μ‖M − s I‖², where s F is nearest to P among the multiples of F, and μ
    is a share of the mean eigenvalue of FᵀF. In directions that few users have, M is close to s I.
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
