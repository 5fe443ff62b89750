"""ELSA with one side fixed to what is known of the items, so that new ones need no training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from beekit.models.base import Request
from beekit.models.cold.new_items import GrowsByContent
from beekit.models.content_vectors import compared
from beekit.models.linear.elsa_steps import Items, RowNadam, elsa_training, teaching
from beekit.models.linear.normalised_error import Batch, normalised_error
from beekit.models.linear.spectral import co_used, second_moment
from beekit.models.linear.two_sides import recommend_by_sides
from beekit.models.settings import FROM_TWO_OR_ALL, NOT_FITTED, Count, ItemVectors, Positive, one_of
from beekit.models.training_loop import Training, training_device
from beekit.models.vectors import VectorRecommender
from beekit.ranking import Recommendations


@dataclass(eq=False)
class FixedSideELSA(GrowsByContent, VectorRecommender):
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

    progress_name: ClassVar[str] = "ELSA, one side fixed"

    vectors: ItemVectors = field(repr=False)
    side: Annotated[str, one_of("decoder", "encoder")] = "decoder"
    centre: bool = True
    normalize: bool = True
    ridge: Positive = 0.1
    learning_rate: Positive = 0.3
    epochs: Count = 2
    users_per_step: Count = 512
    items_per_step: Annotated[int | None, FROM_TWO_OR_ALL] = None
    seed: int = 42
    device: str | None = None
    mean: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    encoder_side: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)
    decoder_side: np.ndarray = field(default=NOT_FITTED, init=False, repr=False)

    @property
    def scores_cold_items(self) -> bool:  # type: ignore[override]
        """Whether new items can be recommended: with the decoder fixed."""
        return self.side == "decoder"

    def _fit(self, X: sp.csr_array) -> Training[Any] | None:
        """Learn the free side of the items that have something to teach."""
        rows, taught = teaching(X)
        dims = self.vectors.shape[1]
        known = self.vectors[taught] if self.centre and len(taught) else np.zeros((1, dims))
        self.mean = known.mean(axis=0, dtype=np.float64)
        fixed = compared(self.vectors, self.mean, self.normalize)
        learnt = np.zeros_like(fixed)
        if not len(taught):
            self._keep(fixed, learnt)
            return None
        given = torch.from_numpy(fixed[taught]).to(training_device(self.device))
        is_decoder = self.side == "decoder"
        moment = given.T @ given / len(given) if is_decoder else second_moment(rows, given)
        turn = decorrelation(moment, self.ridge)
        given = given @ turn
        free = co_used(rows, given)
        free /= free.norm(dim=1).mean().clamp(min=torch.finfo(free.dtype).tiny)
        nadam = RowNadam(free)

        def step(batch: Batch, items: Items, learning_rate: float) -> Tensor:
            known, chosen = given if items is None else given[items], nadam.rows(items)
            if is_decoder:
                error = normalised_error(batch, chosen, known)
                gradient = error.of_encoder(known)
            else:
                error = normalised_error(batch, known, chosen)
                gradient = error.of_decoder(known)
            nadam.step(chosen, gradient, items, learning_rate)
            return error.loss

        def keep() -> None:
            learnt[taught] = (free @ turn).cpu().numpy()
            self._keep(fixed, learnt.copy())

        return elsa_training(self, rows, step, keep)

    def _join(self, joining: np.ndarray) -> None:
        sides = (self.decoder_side, self.encoder_side)
        fixed, learnt = sides if self.side == "decoder" else sides[::-1]
        nothing = np.zeros_like(joining)
        self._keep(np.concatenate([fixed, joining]), np.concatenate([learnt, nothing]))

    def _keep(self, fixed: np.ndarray, learnt: np.ndarray) -> None:
        sides = (learnt, fixed) if self.side == "decoder" else (fixed, learnt)
        self.encoder_side, self.decoder_side = sides

    def _sides(self) -> tuple[np.ndarray, np.ndarray]:
        return self.decoder_side, self.encoder_side

    def _recommend(self, asked: Request) -> Recommendations:
        return recommend_by_sides(self.index, asked)


def decorrelation(moment: Tensor, ridge: float) -> Tensor:
    """(C + r I)^(−1/2) of a symmetric C (dims, dims), r a share `ridge` of its mean eigenvalue.

    Zero for C = 0, which comes from embeddings that are all zero.
    """
    values, directions = torch.linalg.eigh(moment.double())
    raised = values.clamp(min=0) + ridge * values.clamp(min=0).mean()
    scales = torch.where(raised > 0, raised.rsqrt(), 0)
    root: Tensor = (directions * scales) @ directions.T
    return root.to(moment.dtype)
