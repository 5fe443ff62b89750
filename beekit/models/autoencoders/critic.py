"""The critic of RaCT: a network that predicts the ndcg of an actor's lists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.func import functional_call

from beekit.evaluation.metrics import ndcg
from beekit.models.autoencoders.histories import Histories, linear

CUT = 100
"""Length of the lists whose ndcg is predicted."""

# Of the hidden layers.
_WIDTHS = (100, 100, 10)
# What the critic knows of a user.
_FEATURES = 3


class Critic(nn.Module):
    """From what is known of users to the ndcg@100 that they may expect, between 0 and 1.

    The input is normalised by a fixed mean and deviation, set by `normalise_by`.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(_FEATURES))
        self.register_buffer("deviation", torch.ones(_FEATURES))
        layers: list[nn.Module] = []
        for inputs, outputs in zip((_FEATURES, *_WIDTHS), (*_WIDTHS, 1), strict=True):
            layers += [linear(inputs, outputs, generator), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1], nn.Sigmoid())

    def normalise_by(self, batches: Sequence[Tensor]) -> None:
        """Take the mean and deviation of features (users, 3), which come in batches."""
        features = torch.cat(list(batches)).double()
        deviation = features.std(dim=0, correction=0)
        self.mean.copy_(features.mean(dim=0))
        self.deviation.copy_(torch.where(deviation > 0, deviation, 1))

    def forward(self, features: Tensor) -> Tensor:
        """(users,) predictions of features (users, 3)."""
        normalised = (features - self.mean) / self.deviation
        predicted: Tensor = self.layers(normalised)[:, 0]
        return predicted

    def as_it_is(self, features: Tensor) -> Tensor:
        """`forward`, with no gradient for the critic's own parameters."""
        fixed = {name: value.detach() for name, value in self.named_parameters()}
        predicted: Tensor = functional_call(self, fixed, (features,))
        return predicted


def features(likely: Tensor, lengths: Tensor, kept: Tensor) -> Tensor:
    """(users, 3): the items in the input, those left out of it, and the actor's loss.

    Args:
        likely: (users,) −Σ_{i in x} ln softmax_i over the whole history x.
        lengths: (users,) |x|.
        kept: (users,) how many of them were in the input.
    """
    return torch.stack([kept.to(likely), (lengths - kept).to(likely), likely], dim=1)


def squared_error(predicted: Tensor, truth: Tensor) -> Tensor:
    """The mean of (predicted − truth)² over the users with a truth, others have NaN."""
    known = truth.isfinite()
    error = (predicted - truth.where(known, predicted.detach())).square()
    return error.sum() / known.sum().clamp(min=1)


def ndcg_of_left_out(logits: Tensor, histories: Histories, kept: Tensor) -> Tensor:
    """(users,) ndcg@100 of the lists by logits, without the items kept, where those left out are
    the targets; NaN for a user of whom nothing was left out.

    Args:
        logits: (users, items).
        histories: the whole histories.
        kept: (interactions,) bool: which interactions the input had.
    """
    users = torch.repeat_interleave(histories.lengths)
    allowed = logits.detach().clone()
    allowed[users[kept], histories.items[kept]] = -torch.inf
    best = allowed.topk(min(CUT, allowed.shape[1]), dim=1)
    ranked = best.indices.where(best.values > -torch.inf, -1).cpu().numpy()
    rows, items = (part[~kept].cpu().numpy() for part in (users, histories.items))
    ones = np.ones(len(rows), dtype=np.float32)
    target = sp.csr_array((ones, (rows, items)), shape=tuple(logits.shape))
    return torch.from_numpy(ndcg(ranked, target, CUT)).to(logits)
