"""SVAE: a variational autoencoder of histories in time order."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from beekit.matrices import Reads
from beekit.models.autoencoders.autoencoder import Autoencoder
from beekit.models.autoencoders.histories import linear, negative_log_likelihood
from beekit.models.autoencoders.mult_vae import divergence, drawn
from beekit.models.autoencoders.sequences import (
    AlikeInLength,
    Steps,
    has_order,
    in_order,
    require_order,
)
from beekit.models.factors.lookup import looked_up
from beekit.models.settings import FROM_TWO, Count, CountOrNone, NotNegative
from beekit.models.training_loop import (
    GradientSteps,
    Training,
    normal_vectors,
    training_device,
)

logger = logging.getLogger(__name__)

# Users encoded at once when recommending: each step of theirs is a vector in float64.
_USERS = 64


@dataclass(eq=False)
class SVAE(Autoencoder):
    """Sequential variational autoencoder (Sachdeva et al., WSDM 2019).

    Reads histories in order. A gated recurrent unit (Cho et al., EMNLP 2014) goes over the vectors
    of a user's items, the earliest first. Its state after each step t gives the posterior
    q(z|t) = N(μ, diag σ²) of a code z by a layer of tanh; z, drawn from it in training and μ when
    recommending, gives the logits π by another such layer. Minimises the mean over all steps of

        −Σ_{i in the next k items} ln softmax(π(z))_i + β KL(q(z|t) ‖ N(0, I))

    β rises linearly from 0 to `beta` over all of training; the log says the β reached. The first of
    each user's items is only read, the last one only predicted. A list is what the state after the
    last item says; a user without items is in the state before the first.

    Items of one user with equal times stand in the order of a hash of the history and the item
    (`beekit.ranking.ties`), as if drawn at random.

    Departs from the authors' code where that departs from the paper: β goes on rising instead of
    starting again in each epoch; sampling and KL mean the same σ; recommending draws nothing; the
    last known item is read, and not recommended again. It also departs in three choices: the mean
    over steps does not weigh users by the length of their histories twice, several users make a
    mini-batch, and no weight decays.

    Args (those of `Autoencoder`, and):
        embedding_dim: length of z.
        item_dim: length of the items' vectors that the recurrent unit reads.
        state_dim: length of its state.
        hidden_dim: width of both layers of tanh.
        next_items: k; at the end of a history the items that are left.
        max_length: how many of a user's last items are read, in training as well.
        beta: β at the end of training.
        users_per_step: users in a mini-batch, of histories of about one length, so that little is
            padded. Where histories are short and items many, more users cost less, since a step
            changes the vectors of all items.

    Attributes:
        reached_beta: β at the last step of the epoch that the model is of.
    """

    reads: ClassVar[Reads] = "order"

    embedding_dim: Count = 64
    item_dim: Count = 256
    state_dim: Count = 200
    hidden_dim: Count = 150
    next_items: Count = 4
    max_length: Annotated[int, FROM_TWO] = 500
    beta: NotNegative = 0.02
    patience: CountOrNone = field(default=5, kw_only=True)
    epochs: Count = field(default=25, kw_only=True)
    users_per_step: Count = field(default=8, kw_only=True)
    reached_beta: float = field(default=0.0, init=False, repr=False)

    def _encoder(self, items: int, generator: torch.Generator) -> SequentialEncoder:
        dims = self.item_dim, self.state_dim, self.hidden_dim, self.embedding_dim
        return SequentialEncoder(items, *dims, generator)

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        require_order(X, "SVAE")
        device = training_device(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        encoder = self._encoder(X.shape[1], generator).to(device)
        output = linear(self.hidden_dim, X.shape[1], generator).to(device)
        ordered = in_order(X, self.max_length)
        users = np.flatnonzero(np.diff(ordered.indptr) > 1)
        lengths = np.diff(ordered.indptr)[users]
        batches = AlikeInLength(lengths, self.users_per_step, generator)
        total = self.epochs * len(batches)

        def loss(batch: Tensor) -> Tensor:
            some = ordered[users[batch.numpy()]]
            inputs, targets = Steps.predicting(some, self.next_items, device)
            states = encoder.states(inputs).flatten(0, 1).index_select(0, inputs.places)
            mean, log_variance = encoder.posterior(states)
            code = drawn(mean, log_variance, generator)
            self.reached_beta = beta = self.beta * (steps.count.taken + 1) / total
            likely = negative_log_likelihood(output(encoder.decode(code)), targets)
            return (likely + beta * divergence(mean, log_variance)).mean()

        optimizer = torch.optim.Adam(
            [*encoder.parameters(), *output.parameters()], lr=self.learning_rate
        )
        steps = GradientSteps(optimizer, loss)

        def said() -> str:
            return f"β reached {self.reached_beta:.3g} of {self.beta:.3g}"

        drawing = {"steps": steps, "generator": generator}
        return self._training(encoder, output, batches, steps, drawing, said)

    def _own_user_vectors(self, histories: sp.csr_array) -> np.ndarray:
        """Encoded in float64, so that a user's vector does not depend on who else is asked."""
        encoder = self._kept("encoder", self._encoder_of, self.encoder_weights)
        if not has_order(histories):
            logger.warning(
                "histories whose items all have the same number: they are read in an order by "
                "chance; give times or places"
            )
        ordered = in_order(histories, self.max_length)
        encoded = np.ones((histories.shape[0], self.item_vectors.shape[1]), dtype=np.float32)
        by_length = np.argsort(np.diff(ordered.indptr), kind="stable")
        with torch.no_grad():
            for begin in range(0, len(by_length), _USERS):
                users = by_length[begin : begin + _USERS]
                some = ordered[users]
                lengths = torch.from_numpy(np.diff(some.indptr).astype(np.int64))
                encoded[users, :-1] = encoder(Steps.of(some), lengths).numpy()
        return encoded


class SequentialEncoder(nn.Module):
    """From a history, step by step, to the posterior of a code, and from a code to the last hidden
    layer."""

    def __init__(
        self,
        items: int,
        item_dim: int,
        state_dim: int,
        hidden: int,
        dims: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        vectors = normal_vectors(items, item_dim, 1.0, generator, torch.device("cpu"))
        self.items = nn.Parameter(vectors)
        self.recurrent = nn.GRU(item_dim, state_dim, device="meta").to_empty(device="cpu")
        for weight in self.recurrent.parameters():
            bound = state_dim**-0.5  # as PyTorch draws them
            nn.init.uniform_(weight, -bound, bound, generator=generator)
        self.first = linear(state_dim, hidden, generator)
        self.second = linear(hidden, 2 * dims, generator)
        self.third = linear(dims, hidden, generator)

    def states(self, steps: Steps) -> Tensor:
        """(longest, users, state_dim) what is known of the users after each step."""
        states: Tensor = self.recurrent(looked_up(self.items, steps.items))[0]
        return states

    def posterior(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """μ and ln σ² (states, dims)."""
        mean, log_variance = self.second(torch.tanh(self.first(states))).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, code: Tensor) -> Tensor:
        """(states, dims) to (states, hidden)."""
        return torch.tanh(self.third(code))

    def forward(self, steps: Steps, lengths: Tensor) -> Tensor:
        """(users, hidden) without noise: what z = μ of the last state gives; a user without items
        is in the first state, zeros."""
        states = self.states(steps) if len(steps.items) else self.items.new_zeros(0)
        at_start = self.items.new_zeros((1, len(lengths), self.recurrent.hidden_size))
        after = torch.cat([at_start, states.view(-1, *at_start.shape[1:])])
        last = after[lengths, torch.arange(len(lengths))]
        return self.decode(self.posterior(last)[0])
