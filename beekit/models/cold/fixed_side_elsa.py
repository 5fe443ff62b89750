"""ELSA with one side fixed to content embeddings, so that new items need no training."""

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
from beekit.models.early_stopping import StopsEarly
from beekit.models.linear.elsa_steps import Items, RowNadam, elsa_training, teaching
from beekit.models.linear.normalised_error import Batch, normalised_error
from beekit.models.linear.spectral import co_used, second_moment
from beekit.models.linear.two_sides import recommend_by_sides
from beekit.models.settings import FROM_TWO_OR_ALL, NOT_FITTED, Count, ItemVectors, Positive, one_of
from beekit.models.training_loop import Training, training_device
from beekit.models.vectors import VectorRecommender
from beekit.ranking import Recommendations


@dataclass(eq=False)
class FixedSideELSA(StopsEarly, GrowsByContent, VectorRecommender):
    """A linear item-item model B = E Dᵀ − diag(E Dᵀ) with one side given and the other one learnt.

    The given side is item embeddings F (items, dims): an encoder's output, an SVD of attributes, or
    any other matrix. The other side minimises ELSA's loss (Vančura et al., RecSys 2022),

        mean over users of ‖ S_u/‖S_u‖ − X_u/‖X_u‖ ‖²,  S = relu(X E Dᵀ − X diag(E Dᵀ))

    by gradient descent. New items are added by their embeddings (`add_items`) without training:

    - `side="decoder"`, D = F: new items can be recommended. The learnt E maps the items of a
      history to content; new items in a history have no effect.
    - `side="encoder"`, E = F: new items in a history have an effect, and the user gets
      recommendations of the items trained on. New items themselves score 0.

    Gradient descent learns a matrix L for F W, where W = (C + r I)^(−1/2), and the learnt side is
    L W. C is Fᵀ F / items for a fixed decoder, and the second moment of users' mean embeddings for
    a fixed encoder. L can express the same scores as without W, but W decorrelates F, so that
    directions that many embeddings share do not hide the others. L starts from the sum of the
    embeddings of the items that each item is used with (`spectral.co_used`); this start is by
    itself a ridge regression between co-usage and content.

    Args (those of `StopsEarly`, and):
        vectors: F before centring and scaling.
        side: "decoder" or "encoder": the side that is fixed.
        centre: subtract from F the mean over the items trained on. If the decoder is fixed, this
            changes a ranking only together with `normalize`.
        normalize: scale rows of F to length 1.
        ridge: r, as a share of the mean eigenvalue of C.
        learning_rate: about the distance by which an item's row of L moves in one of the first
            steps; the rows have length 1 on average at the start.
        epochs: passes over the users. More epochs fit the items trained on better and new items
            worse.
        users_per_step: users in a batch.
        items_per_step: sparsity pruning, as in `ELSA`; None scores all items.
        seed: seed of the order of users and of the negatives.
        device: device to train on; by default a GPU if there is one.

    Attributes:
        mean: (dims,) the vector that is subtracted from embeddings, after `fit`.
        encoder_side: E (items, dims) float32 after `fit`.
        decoder_side: D (items, dims) float32 after `fit`. The learnt side has zeros for items
            without interactions.
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
        """Whether new items can be recommended: if the decoder is fixed."""
        return self.side == "decoder"

    def _fit(self, X: sp.csr_array) -> Training[Any] | None:
        """Learn the free side, for the items of users with at least two interactions."""
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

        return elsa_training(self, rows, nadam, step, keep)

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
    """(C + r I)^(−1/2) for a symmetric C (dims, dims), with r = `ridge` · mean eigenvalue of C.

    It is zero for C = 0, that is, if all embeddings are zero.
    """
    values, directions = torch.linalg.eigh(moment.double())
    raised = values.clamp(min=0) + ridge * values.clamp(min=0).mean()
    scales = torch.where(raised > 0, raised.rsqrt(), 0)
    root: Tensor = (directions * scales) @ directions.T
    return root.to(moment.dtype)
