"""RaCT: a variational autoencoder that a critic teaches to rank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

import scipy.sparse as sp
import torch
from torch import Tensor

from beekit.models.autoencoders.critic import (
    Critic,
    features,
    ndcg_of_left_out,
    squared_error,
)
from beekit.models.autoencoders.mult_vae import MultVAE, Network
from beekit.models.phases import Phase, Phases
from beekit.models.settings import Count, Positive, within
from beekit.models.training_loop import GradientSteps, Training

# Without any dropout the critic would have nothing to judge.
_OF_BOTH_KINDS = within(lambda value: 0 < value < 1, "a number above 0 and below 1")
ACTOR, CRITIC, BOTH = "actor", "critic", "actor-critic"


@dataclass(eq=False)
class RaCT(MultVAE):
    """Ranking-critical training (Lobel et al., ICLR 2020): Mult-VAE, then taught by a critic.

    A critic learns to predict ndcg, which has no gradient, and the actor learns to please it:

    1. The actor, a `MultVAE`, learns by its own objective for `epochs`.
    2. The critic learns alone for `critic_epochs`. Where dropout has left some of a history x out
       of the actor's input, they are the targets of the actor's list without the items of the
       input, and its ndcg@100 (`beekit.evaluation.metrics.ndcg`) is the truth ω. From the numbers
       of items in the input and left out, and from the actor's loss −Σ_{i in x} ln softmax_i over
       the whole x, the critic predicts ω̂; it minimises the mean over users of (ω̂ − ω)².
    3. For `actor_critic_epochs`, in each step the critic goes on so, and then the actor maximises
       the mean of ω̂ without its own objective. Only the actor's loss carries a gradient: the
       critic says how much each user's likelihood weighs.

    Each phase begins with the actor of the best epoch so far, and the model is that of the best
    epoch of all. Patience ends a phase and not the training, counts from the phase's start, and
    does not count while the critic learns alone, because the actor stays as it is.

    The critic's input is normalised by its mean and deviation over training users at the start of
    phase 2; in the authors' code by batch normalisation with the statistics of phase 1. Their
    penalty on the critic's weights, of 4·10⁻⁷, is left out. Their numbers of epochs, 100, 50 and
    50, and their rate of 2·10⁻⁶ for phase 3 are for the 234 steps an epoch of MovieLens 20M; the
    defaults here are for the 10 of MovieLens 1M, where phase 3 took ndcg@100 of validation users
    from .396 to .400.

    Args (those of `MultVAE`, where `epochs` are those of phase 1, and):
        critic_epochs, actor_critic_epochs: passes over the users in phases 2 and 3.
        critic_learning_rate: of the critic's Adam.
        actor_learning_rate: of the actor's Adam in phase 3.

    Attributes:
        reached_phase: the phase of the epoch that the model is of.
    """

    dropout: Annotated[float, _OF_BOTH_KINDS] = 0.5
    critic_epochs: Count = 20
    actor_critic_epochs: Count = 50
    critic_learning_rate: Positive = 0.001
    actor_learning_rate: Positive = 1e-4
    reached_phase: str = field(default="", init=False, repr=False)

    def _fit(self, X: sp.csr_array) -> Training[Any]:
        actor = self._network(X)
        critic = Critic(actor.generator).to(actor.device)
        alone = self._likelihood_steps(actor)
        optimizer = torch.optim.Adam(critic.parameters(), lr=self.critic_learning_rate, fused=True)
        judging = GradientSteps(optimizer, judgement_error(critic))
        optimizer = torch.optim.Adam(actor.parameters(), lr=self.actor_learning_rate, fused=True)
        pleasing = GradientSteps(optimizer, displeasure(critic))

        def step(batch: Tensor) -> Tensor:
            self.reached_phase = phases.name
            if phases.name == ACTOR:
                return alone(batch)
            if phases.name == CRITIC:
                with torch.no_grad():
                    acted = act(actor, batch)
                return judging(acted)
            acted = act(actor, batch)
            judging(acted)
            return pleasing(acted)

        def begin(phase: int) -> None:
            self._go_back(actor.encoder, actor.output)
            if phases.name == CRITIC:
                with torch.no_grad():
                    critic.normalise_by([act(actor, batch)[0] for batch in actor.batches])

        phases = Phases(
            (
                Phase(ACTOR, self.epochs),
                Phase(CRITIC, self.critic_epochs, stops_early=False),
                Phase(BOTH, self.actor_critic_epochs),
            ),
            begin,
        )
        state = {
            "phases": phases,
            "generator": actor.generator,
            "critic": critic,
            "alone": alone,
            "judging": judging,
            "pleasing": pleasing,
        }
        return self._training(*actor[:2], actor.batches, step, state, self._said, phases)

    def _said(self) -> str:
        return f"best in the phase {self.reached_phase}; {super()._said()}"


class Acted(NamedTuple):
    """What the critic gets to know of some users, and what it should have said."""

    features: Tensor  # (users, 3), through which gradients reach the actor
    truth: Tensor  # (users,) ndcg@100, NaN for a user of whom nothing was left out


def act(actor: Network, users: Tensor) -> Acted:
    """Let the actor reconstruct users' histories, and measure its lists."""
    found = actor.reconstructed(users)
    kept = found.given.weights != 0
    lengths = found.histories.lengths
    owners = torch.repeat_interleave(lengths)
    in_input = torch.bincount(owners[kept], minlength=len(lengths))
    truth = ndcg_of_left_out(found.logits, found.histories, kept)
    return Acted(features(found.lost, lengths, in_input), truth)


def judgement_error(critic: Critic) -> Callable[[Acted], Tensor]:
    """The critic's loss; no gradient reaches the actor."""
    return lambda acted: squared_error(critic(acted.features.detach()), acted.truth)


def displeasure(critic: Critic) -> Callable[[Acted], Tensor]:
    """The actor's loss in phase 3; no gradient reaches the critic."""
    return lambda acted: -critic.as_it_is(acted.features).mean()
