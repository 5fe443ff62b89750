"""The ELSA loss on item embeddings, with gradients cached between encoder and loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.losses import CachedLossMixin
from torch import Tensor, nn
from torch.nn import functional

from beekit.rounding import left_by_rounding

# Elements of one (users, items) block of scores: about 64 MB in float32, a few such at a time.
_BLOCK_ELEMENTS = 2**24


class ELSALoss(CachedLossMixin, nn.Module):  # type: ignore[misc]
    """Normalised squared error between interactions and their reconstruction from embeddings.

    With A the (items, dims) embeddings of the step's items, rows L2-normalised, and X the
    (users, items) interactions of the step's users with them:

        S = relu(X A Aᵀ − X)
        loss = mean over users of ‖ S_u/‖S_u‖ − X_u/‖X_u‖ ‖²  =  mean of 2 − 2 cos(S_u, X_u)

    Subtracting X takes each item's similarity with itself out of its own reconstruction (rows of A
    have length 1), so an item is explained by the others. `elsa_loss` says what users without an S
    or an X count.

    The papers' NMSE (ELSA: Vančura et al., RecSys 2022, eq. 4; beeFormer: Vančura et al., RecSys
    2024) also averages over the m items of the step: it is this loss divided by m. We leave the m
    out, so that the scale of loss and gradient does not change with the number of items encoded.

    The encoder runs twice on each mini-batch of items: without a graph to get A, and again with one
    to receive ∂loss/∂A under the same dropout masks (GradCache, Gao et al. 2021). Memory for
    activations is that of one mini-batch, however many items a step has.

    Args:
        model: the encoder, whose `sentence_embedding` is A before normalisation.
        mini_batch_size: items in one forward pass.
        mini_batch_num_tokens: cut mini-batches by tokens, padding not counted, instead.
        show_progress_bar: show a bar over mini-batches.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        mini_batch_size: int = 32,
        mini_batch_num_tokens: int | None = None,
        show_progress_bar: bool = False,
    ) -> None:
        super().__init__()
        if mini_batch_size < 1 or (mini_batch_num_tokens is not None and mini_batch_num_tokens < 1):
            raise ValueError(
                f"mini_batch_size={mini_batch_size} and mini_batch_num_tokens="
                f"{mini_batch_num_tokens}; expected positive numbers"
            )
        self.model = model
        self.mini_batch_size = mini_batch_size
        self.mini_batch_num_tokens = mini_batch_num_tokens
        self.show_progress_bar = show_progress_bar

    def forward(
        self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None
    ) -> Tensor:
        """The loss of one step, as the Trainer calls it.

        Args:
            sentence_features: one element, the features of the step's items.
            labels: (users, items) interactions, dense or sparse COO, columns in item order.

        Raises:
            ValueError: not one set of items, or labels of another width.
        """
        features = list(sentence_features)
        if len(features) != 1:
            raise ValueError(f"ELSALoss got {len(features)} feature columns; expected the items")
        loss: Tensor = self.forward_cached(features, labels)  # type: ignore[operator]
        return loss

    def calculate_loss(
        self,
        reps: list[list[Tensor]],
        labels: Tensor | None = None,
        *,
        with_backward: bool = False,
    ) -> Tensor:
        """The loss from the mini-batches' embeddings; `with_backward` leaves gradients on them."""
        stacked = torch.cat(reps[0])
        if labels is None or labels.ndim != 2 or labels.shape[1] != len(stacked):
            raise ValueError(
                f"ELSALoss got labels of shape {None if labels is None else tuple(labels.shape)}; "
                f"expected (users, {len(stacked)}), one column an item"
            )
        precision = torch.float64 if stacked.dtype == torch.float64 else torch.float32
        with torch.autocast(stacked.device.type, enabled=False):
            embeddings = functional.normalize(stacked.to(precision), dim=-1)
            # Blocks of users bound the memory of the scores. Blocks of columns would too, at the
            # price of a second pass, since each user is normalised over all columns.
            leaf = embeddings.detach().requires_grad_(with_backward)
            total = embeddings.new_zeros(())
            users = labels.shape[0]
            block = max(1, _BLOCK_ELEMENTS // len(stacked))
            interactions = _Rows(labels)
            for begin in range(0, users, block):
                x = interactions.dense(begin, min(begin + block, users), precision)
                part = elsa_loss(leaf if with_backward else embeddings, x).sum() / users
                if with_backward:
                    part.backward()
                    part = part.detach()
                total = total + part
            if with_backward:
                embeddings.backward(leaf.grad)
        return total

    def get_config_dict(self) -> dict[str, Any]:
        return {
            "mini_batch_size": self.mini_batch_size,
            "mini_batch_num_tokens": self.mini_batch_num_tokens,
        }

    @property
    def citation(self) -> str:
        return """
@inproceedings{vancura2024beeformer,
    title={beeFormer: Bridging the Gap Between Semantic and Interaction Similarity in Recommender Systems},
    author={Vančura, Vojtěch and Kordík, Pavel and Straka, Milan},
    booktitle={Proceedings of the 18th ACM Conference on Recommender Systems},
    year={2024}
}
"""  # noqa: E501 - the title is one line


def elsa_loss(embeddings: Tensor, interactions: Tensor) -> Tensor:
    """Per-user ELSA loss, differentiable in the embeddings.

    A row of zeros has no direction and stays zero, so that a user without scores counts 1 and one
    without interactions 0, both without a gradient. Scores no larger than what rounding leaves of
    an item's own, which is taken out of them, are none: of a user with one item nothing else may be
    left, and scaled to length 1 it would be a hit. `beekit.models.linear.normalised_error` has the
    same rule.

    Args:
        embeddings: (items, dims) A, rows of length 1.
        interactions: (users, items) X, dense.

    Returns:
        (users,) squared distance between the normalised rows of relu(X A Aᵀ − X) and of X.
    """
    scores = (interactions @ embeddings) @ embeddings.T  # (users, items)
    raised = functional.relu(scores - interactions)
    lengths = torch.linalg.vector_norm(raised, dim=-1, keepdim=True)
    rounding = left_by_rounding(torch.linalg.vector_norm(interactions, dim=-1, keepdim=True))
    # Not `>`: scores that are no numbers are to show in the loss.
    predicted = raised / lengths.masked_fill(lengths <= rounding, torch.inf)
    gap: Tensor = predicted - functional.normalize(interactions, dim=-1)
    return gap.square().sum(dim=-1)


class _Rows:
    """Blocks of rows of a dense or sparse matrix, as dense."""

    def __init__(self, labels: Tensor) -> None:
        self.is_sparse = labels.layout != torch.strided
        self.labels = labels.to_sparse_coo().coalesce() if self.is_sparse else labels

    def dense(self, begin: int, end: int, dtype: torch.dtype) -> Tensor:
        if not self.is_sparse:
            return self.labels[begin:end].to(dtype)
        rows, columns = self.labels.indices()
        limits = torch.tensor([begin, end], device=rows.device)
        low, high = torch.searchsorted(rows.contiguous(), limits).tolist()
        block = torch.zeros(
            end - begin, self.labels.shape[1], dtype=dtype, device=self.labels.device
        )
        block[rows[low:high] - begin, columns[low:high]] = self.labels.values()[low:high].to(dtype)
        return block
