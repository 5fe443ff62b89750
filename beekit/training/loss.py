"""The ELSA loss on item embeddings, with gradients cached between encoder and loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.losses import CachedLossMixin
from torch import Tensor, nn
from torch.nn import functional

from beekit.errors import ConfigError, DataError
from beekit.finite import require_finite
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

    Encoders of bags of tokens (`StaticEmbedding`) run once, on all items of the step together.

    Args:
        model: the encoder, whose `sentence_embedding` is A before normalisation; of one with a
            `truncate_dim`, its first so many entries are.
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
            found = f"{mini_batch_size=} and {mini_batch_num_tokens=}"
            raise ConfigError(found, expected="positive numbers", remedy="Choose others.")
        self.model, self.show_progress_bar = model, show_progress_bar
        self.mini_batch_size, self.mini_batch_num_tokens = mini_batch_size, mini_batch_num_tokens
        # Of an encoder that cuts its embeddings, those that it keeps.
        self.dims: int | None = getattr(model, "truncate_dim", None)

    def forward(
        self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None
    ) -> Tensor:
        """The loss of one step, as the Trainer calls it.

        Args:
            sentence_features: one element, the features of the step's items.
            labels: (users, items) interactions, dense or sparse COO, columns in item order.

        Raises:
            DataError: if there is not exactly one set of features, if there are no labels, if the
                labels do not have a column for each item, if labels or embeddings are not finite,
                or if a label is negative.
        """
        features = list(sentence_features)
        if len(features) != 1:
            found, remedy = f"{len(features)} feature columns", "Pass [features] of the items."
            raise DataError(found, expected="one, that of the step's items", remedy=remedy)
        if "offsets" in features[0]:
            # Bags of tokens in one row cannot be cut, and need not be: there are no activations.
            return self.calculate_loss([[self.model(features[0])["sentence_embedding"]]], labels)
        loss: Tensor = self.forward_cached(features, labels)  # type: ignore[operator]
        return loss

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """The loss from the mini-batches' embeddings; `with_backward` leaves gradients on them."""
        stacked = torch.cat(reps[0])[..., : self.dims]
        if labels is None:
            expected = f"interactions (users, {len(stacked)})"
            raise DataError("no labels", expected=expected, remedy="Pass the step's rows of X.")
        _require_step(stacked, labels)
        precision = torch.float64 if stacked.dtype == torch.float64 else torch.float32
        with torch.autocast(stacked.device.type, enabled=False):
            embeddings = functional.normalize(stacked.to(precision), dim=-1)
            # Blocks of users bound the memory of the scores. Blocks of columns would too, at the
            # price of a second pass, since each user is normalised over all columns.
            leaf = embeddings.detach().requires_grad_(with_backward)
            total = embeddings.new_zeros(())
            users = labels.shape[0]
            block = max(1, _BLOCK_ELEMENTS // len(stacked))
            if labels.layout != torch.strided:
                labels = labels.to_sparse_coo().coalesce()
            for begin in range(0, users, block):
                x = _dense_rows(labels, begin, min(begin + block, users), precision)
                part = elsa_loss(leaf if with_backward else embeddings, x).sum() / users
                if with_backward:
                    part.backward()
                    part = part.detach()
                total = total + part
            if with_backward:
                embeddings.backward(leaf.grad)
        return total

    def get_config_dict(self) -> dict[str, Any]:
        names = ("mini_batch_size", "mini_batch_num_tokens")
        return {name: getattr(self, name) for name in names}

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

    Raises:
        DataError: if the shapes do not fit or are empty, if the embeddings are not floats, if a
            number is not finite, or if an interaction is negative.
    """
    _require_step(embeddings, interactions)
    scores = (interactions @ embeddings) @ embeddings.T  # (users, items)
    raised = functional.relu(scores - interactions)
    lengths = torch.linalg.vector_norm(raised, dim=-1, keepdim=True)
    own = torch.linalg.vector_norm(interactions, dim=-1, keepdim=True)
    # Not `>`: scores that are no numbers are to show in the loss.
    predicted = raised / lengths.masked_fill(lengths <= left_by_rounding(own), torch.inf)
    gap: Tensor = predicted - interactions / own.masked_fill(own == 0, torch.inf)
    return gap.square().sum(dim=-1)


def _require_step(embeddings: Tensor, interactions: Tensor) -> None:
    """Refuse a step whose loss would say nothing."""
    items = len(embeddings) if embeddings.ndim == 2 else "items"
    if embeddings.ndim != 2 or not embeddings.numel() or not embeddings.is_floating_point():
        raise DataError(
            f"embeddings of shape {tuple(embeddings.shape)} and type {embeddings.dtype}",
            expected="floats (items, dims)",
            remedy="Pass the embeddings of the step's items.",
        )
    if interactions.ndim != 2 or interactions.shape[1] != items or not len(interactions):
        raise DataError(
            f"interactions of shape {tuple(interactions.shape)}",
            expected=f"(users, {items}), one column an item",
            remedy="Pass the rows of X of the step's users, columns in item order.",
        )
    if not _sums_up(embeddings):
        require_finite(
            embeddings.detach().double().cpu().numpy(),
            "embeddings of a step",
            row="item of the step",
            remedy="Train with a smaller learning_rate, or in float32.",
        )
    stored = interactions.detach()
    if stored.layout != torch.strided:
        stored = stored.to_sparse_coo().coalesce().values()
    if stored.dtype in (torch.uint8, torch.bool):
        return
    if not _sums_up(stored):
        require_finite(
            stored.double().cpu().numpy(),
            "interactions of a step",
            row="entry" if stored.ndim == 1 else "user",
            remedy="Remove or correct those entries.",
        )
    if stored.numel() and float(stored.min()) < 0:
        raise DataError(
            f"interactions down to {float(stored.min()):g}",
            expected="0, or above where a user used an item",
            remedy="Leave out what does not count as used.",
        )


def _sums_up(values: Tensor) -> bool:
    """Whether the sum is finite, and so every number."""
    return bool(torch.isfinite(values.detach().sum()))


def _dense_rows(labels: Tensor, begin: int, end: int, dtype: torch.dtype) -> Tensor:
    """A block of rows of a dense, or of a sparse and coalesced matrix, as dense."""
    if labels.layout == torch.strided:
        return labels[begin:end].to(dtype)
    rows, columns = labels.indices()
    limits = torch.tensor([begin, end], device=rows.device)
    low, high = torch.searchsorted(rows.contiguous(), limits).tolist()
    block = torch.zeros(end - begin, labels.shape[1], dtype=dtype, device=labels.device)
    block[rows[low:high] - begin, columns[low:high]] = labels.values()[low:high].to(dtype)
    return block
