"""BPR: matrix factorisation learnt from pairs of an item that a user has and one that they lack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from beekit.models.factors.fold_in import RemembersUsers
from beekit.models.factors.lookup import looked_up
from beekit.models.factors.negatives import SharedNegatives, interactions
from beekit.models.settings import Count, NotNegative, Positive
from beekit.models.training_loop import GradientSteps, Shuffled, Training, training_device
from beekit.models.vectors import VectorRecommender


@dataclass(eq=False)
class BPR(RemembersUsers, VectorRecommender):
    """Bayesian personalised ranking with matrix factorisation (Rendle et al., UAI 2009).

    Minimises Σ −ln σ(p_u·q_i − p_u·q_j) + λ/2 (|p_u|² + |q_i|² + |q_j|²) over interactions (u, i)
    and items j that the user does not have, drawn uniformly (BPR-Opt, section 4.1). Departures from
    LearnBPR (section 4.2), which takes a gradient step for each triple drawn:

    - The loss of an interaction is the mean over many negatives, and a group of interactions shares
      its negatives, so that scores are matrix products. The expected gradient is that of one
      negative for each interaction, with far less noise. An item that a user has is no negative for
      that user.
    - Steps are those of Adam (Kingma & Ba, ICLR 2015), on shuffled mini-batches of several groups.
    - All vectors share one λ.

    `RemembersUsers` describes the user vectors of histories.

    Args (those of `RemembersUsers`, and):
        learning_rate: learning rate of Adam.
        regularization: λ ≥ 0.
        epochs: passes over the interactions.
        batch_size: interactions in a mini-batch.
        group_size: interactions that share their negatives.
        negatives: number of negatives drawn for a group.
    """

    learning_rate: Positive = 0.003
    regularization: NotNegative = 0.006
    epochs: Count = 100
    batch_size: Count = 8192
    group_size: Count = 256
    negatives: Count = 64

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        users, items = self._first_vectors(X, generator, device)
        parameters = [users.requires_grad_(), items.requires_grad_()]
        optimizer = torch.optim.Adam(parameters, lr=self.learning_rate, fused=True)
        owners, owned = interactions(X)
        negatives = SharedNegatives(X)

        def loss(batch: Tensor) -> Tensor:
            groups = max(1, len(batch) // self.group_size)
            # All groups have one size; up to groups − 1 interactions are left out of this epoch.
            grouped = batch[: len(batch) // groups * groups].view(groups, -1)
            user = owners[grouped]
            others, theirs = negatives.draw(user, self.negatives, generator)
            parts = (part.to(device) for part in (user, owned[grouped], others, theirs))
            return pairwise_loss(users, items, *parts, regularization=self.regularization)

        batches = Shuffled(len(owned), self.batch_size, generator)
        keep = self._keeping(X, users, items)
        steps = GradientSteps(optimizer, loss)
        state = {"users": users, "items": items, "steps": steps, "generator": generator}
        return Training(self.epochs, batches, steps, keep, state)


def pairwise_loss(
    users: Tensor,
    items: Tensor,
    user: Tensor,
    item: Tensor,
    others: Tensor,
    theirs: Tensor,
    *,
    regularization: float,
) -> Tensor:
    """The objective of BPR, averaged over interactions and their negatives.

    Args:
        users, items: vectors (users, dims) and (items, dims).
        user, item: (groups, group_size) the user and item index of each interaction.
        others: (groups, negatives) item indices of each group's negatives.
        theirs: (groups, group_size, negatives) bool, true where the user has the negative; it is
            then left out.
        regularization: λ.
    """
    p, q, r = looked_up(users, user), looked_up(items, item), looked_up(items, others)
    margin = (p * q).sum(dim=-1, keepdim=True) - p @ r.transpose(1, 2)
    lost = functional.softplus(-margin).masked_fill(theirs, 0).sum(dim=-1)
    against = (others.shape[1] - theirs.sum(dim=-1)).clamp(min=1)
    sizes = p.square().sum() + q.square().sum()
    sizes = sizes / user.numel() + r.square().sum() / others.numel()
    return (lost / against).mean() + regularization / 2 * sizes
