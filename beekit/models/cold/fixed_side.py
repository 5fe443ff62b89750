"""ELSA with one side fixed to what is known of the items, so that new ones need no training."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from beekit.index import ItemIndex
from beekit.models.checks import require, require_fitted, training_matrix
from beekit.models.content_vectors import (
    compared,
    content_vectors,
    require_vectors_of,
    require_width,
)
from beekit.models.linear.elsa_steps import Items, Schedule, check_schedule, teaching, train
from beekit.models.linear.normalised_error import Batch, normalised_error
from beekit.models.linear.row_nadam import RowNadam
from beekit.models.linear.spectral import co_used, second_moment
from beekit.models.linear.two_sides import recommend_by_sides
from beekit.models.saved import load_fields, save_fields
from beekit.models.sound import require_sound_additions, sound
from beekit.ranking import Recommendations


@dataclass(eq=False)
class FixedSideELSA:
    """A linear item-item model B = E Dᵀ − diag(E Dᵀ), one side given, the other one learnt.

    The given side holds item embeddings F (items, dims): an encoder's output, an SVD of attributes,
    any matrix. The other one minimises ELSA's loss (Vančura et al., RecSys 2022),

        mean over users of ‖ S_u/‖S_u‖ − X_u/‖X_u‖ ‖²,  S = relu(X E Dᵀ − X diag(E Dᵀ))

    by gradient descent. New items join by their embedding alone (`add_items`), nothing is learnt
    again:

    - `side="decoder"`, D = F: new items can be recommended. E says what using an item means for
      content; new items in a history say nothing yet.
    - `side="encoder"`, E = F: users whose history holds new items get recommendations of the items
      trained on. New items themselves have a score of 0.

    Descent runs in coordinates in which what F scores with is decorrelated: it learns L for F W and
    the model takes L W, with W = (C + r I)^(−1/2) and C = Fᵀ F / items for a decoder, the second
    moment of users' mean embeddings for an encoder. Which scores L can express stays as it is, but
    directions that many embeddings share no longer drown the others. It starts from what items are
    used with, the embeddings of a user's other items summed (`spectral.co_used`), which by itself
    is a ridge regression between co-usage and content.

    Args:
        vectors: F before centring and scaling.
        side: "decoder" or "encoder", the one that is fixed.
        centre: take the mean of the items trained on away from F. For a decoder that changes no
            ranking by itself, only what lengths of 1 mean.
        normalize: scale rows of F to length 1.
        ridge: r, as a share of the mean eigenvalue of C.
        learning_rate: about the length by which an item's row of L, around 1 at the start, moves in
            one of the first steps.
        epochs: passes over the users. More fits the items trained on better, and new ones worse.
        users_per_step: users in a batch.
        items_per_step: sparsity pruning, as in `ELSA`; None scores all items.
        seed: of the order of users and the negatives.
        device: where to train; by default the GPU where there is one.

    Attributes:
        mean: (dims,) what is taken away from embeddings, after `fit`.
        encoder_side: E (items, dims) float32 after `fit`.
        decoder_side: D (items, dims) float32 after `fit`. The side that is learnt has zeros for
            items without interactions.
    """

    vectors: np.ndarray = field(repr=False)
    side: str = "decoder"
    centre: bool = True
    normalize: bool = True
    ridge: float = 0.1
    learning_rate: float = 0.3
    epochs: int = 2
    users_per_step: int = 512
    items_per_step: int | None = None
    seed: int = 42
    device: str | None = None
    mean: np.ndarray | None = field(default=None, init=False, repr=False)
    encoder_side: np.ndarray | None = field(default=None, init=False, repr=False)
    decoder_side: np.ndarray | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.vectors = content_vectors(self.vectors)
        require(self.side in ("encoder", "decoder"), f"side={self.side!r}", "encoder or decoder")
        require(self.ridge > 0, f"ridge={self.ridge}", "a number above 0")
        check_schedule(self)

    @property
    def scores_cold_items(self) -> bool:
        """Whether new items can be recommended: with the decoder fixed."""
        return self.side == "decoder"

    @sound
    def fit(self, X: sp.csr_array) -> Self:
        """Learn the free side from X (users, items), any sparse format; what is nonzero counts.

        Raises:
            DataError: if X is not a matrix of finite numbers, has no users, or does not have an
                item for each vector.
            ConfigError: if training diverges, or if rounding makes an equation unsolvable.
        """
        X = training_matrix(X)
        require_vectors_of(self.vectors, X.shape[1])
        rows, items = teaching(X)
        dims = self.vectors.shape[1]
        known = self.vectors[items] if self.centre and len(items) else np.zeros((1, dims))
        self.mean = known.mean(axis=0, dtype=np.float64)
        fixed = compared(self.vectors, self.mean, self.normalize)
        learnt = np.zeros_like(fixed)
        if len(items):
            learnt[items] = self._learn(rows, fixed[items])
        self._keep(fixed, learnt)
        return self

    def _learn(self, X: sp.csr_array, fixed: np.ndarray) -> np.ndarray:
        """The free side (items, dims) of items that all have interactions."""
        schedule = Schedule.of(self)
        given = torch.from_numpy(fixed).to(schedule.device)
        is_decoder = self.side == "decoder"
        moment = given.T @ given / len(given) if is_decoder else second_moment(X, given)
        turn = decorrelation(moment, self.ridge)
        given = given @ turn
        free = co_used(X, given)
        free /= free.norm(dim=1).mean().clamp(min=torch.finfo(free.dtype).tiny)
        nadam = RowNadam(free)

        def step(batch: Batch, items: Items, learning_rate: float) -> Tensor:
            known, chosen = (given, free) if items is None else (given[items], free[items])
            if is_decoder:
                error = normalised_error(batch, chosen, known)
                gradient = error.of_encoder(known)
            else:
                error = normalised_error(batch, known, chosen)
                gradient = error.of_decoder(known)
            moved = chosen.sub_(nadam.update(gradient, items), alpha=learning_rate)
            if items is not None:
                free[items] = moved
            return error.loss

        train(X, schedule, step, "ELSA, one side fixed")
        return np.asarray((free @ turn).cpu().numpy())

    def add_items(self, vectors: np.ndarray) -> Self:
        """Append items by their vectors (new items, dims); what is learnt stays as it is.

        Raises:
            ConfigError: if the model is not fitted.
            DataError: if the vectors are not finite, or if they have another number of dimensions
                than the model was fitted with.
        """
        fixed, learnt = self._sides()
        assert self.mean is not None  # for the type checker
        new = content_vectors(vectors)
        require_width(new, self.vectors.shape[1])
        joining = compared(new, self.mean, self.normalize)
        require_sound_additions(self, joining)
        self.vectors = np.concatenate([self.vectors, new])
        self._keep(
            np.concatenate([fixed, joining]),
            np.concatenate([learnt, np.zeros_like(new)]),
        )
        return self

    def _sides(self) -> tuple[np.ndarray, np.ndarray]:
        """The fixed side and the learnt one."""
        require_fitted(self, None if self.decoder_side is None else 0, sp.csr_array((0, 0)))
        assert self.encoder_side is not None  # for the type checker
        assert self.decoder_side is not None
        if self.side == "decoder":
            return self.decoder_side, self.encoder_side
        return self.encoder_side, self.decoder_side

    def _keep(self, fixed: np.ndarray, learnt: np.ndarray) -> None:
        sides = (learnt, fixed) if self.side == "decoder" else (fixed, learnt)
        self.encoder_side, self.decoder_side = sides
        self.__dict__.pop("index", None)

    @cached_property
    def index(self) -> ItemIndex:
        """D for serving, with E for users; made at its first use after `fit` or `add_items`."""
        self._sides()
        assert self.decoder_side is not None  # for the type checker
        return ItemIndex(self.decoder_side, user_side=self.encoder_side)

    def recommend(
        self,
        X: sp.csr_array,
        k: int,
        candidates: np.ndarray | None = None,
        exclude_seen: bool = True,
    ) -> Recommendations:
        """The k best items by X (E Dᵀ − diag(E Dᵀ))."""
        require_fitted(self, None if self.decoder_side is None else len(self.decoder_side), X)
        return recommend_by_sides(self.index, X, k, candidates, exclude_seen)

    def save(self, folder: str | Path) -> None:
        """Write settings, embeddings and both sides."""
        save_fields(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The model saved in a folder."""
        return load_fields(cls, folder)


def decorrelation(moment: Tensor, ridge: float) -> Tensor:
    """(C + r I)^(−1/2) of a symmetric C (dims, dims), r a share `ridge` of its mean eigenvalue.

    Zero for C = 0, which comes from embeddings that are all zero.
    """
    values, directions = torch.linalg.eigh(moment.double())
    raised = values.clamp(min=0) + ridge * values.clamp(min=0).mean()
    scales = torch.where(raised > 0, raised.rsqrt(), 0)
    root: Tensor = (directions * scales) @ directions.T
    return root.to(moment.dtype)
