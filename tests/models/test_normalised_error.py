"""The written-out loss of a linear model and its gradients, against autograd."""

from __future__ import annotations

import pytest
import scipy.sparse as sp
import torch

from beekit.models.linear.normalised_error import Batch, normalised_error
from beekit.training.loss import elsa_loss

EPS = torch.finfo(torch.float64).eps


def sides(items: int, dims: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(2, items, dims, generator=generator, dtype=torch.float64)
    return drawn[0].requires_grad_(), drawn[1].requires_grad_()


def plainly(X: torch.Tensor, encoder: torch.Tensor, decoder: torch.Tensor) -> torch.Tensor:
    weights = encoder @ decoder.T
    scores = (X @ (weights - torch.diag(torch.diag(weights)))).relu()
    predicted = scores / scores.norm(dim=1, keepdim=True)
    wanted = X / X.norm(dim=1, keepdim=True)
    return (predicted - wanted).square().sum(dim=1).mean()


@pytest.mark.parametrize("seed", range(3))
def test_both_gradients_are_those_of_autograd(random_matrix, seed):
    X = random_matrix(40, 25, 0.25, seed=seed)
    dense = torch.from_numpy(X.toarray()).double()
    X, dense = X[dense.sum(dim=1).numpy() > 1], dense[dense.sum(dim=1) > 1]
    encoder, decoder = sides(25, 6, seed)
    expected = plainly(dense, encoder, decoder)
    expected.backward()
    with torch.no_grad():
        found = normalised_error(Batch.from_csr(X), encoder, decoder)
        # Sums of some hundred products, of size one at most.
        close = {"rtol": 1e3 * EPS, "atol": 1e3 * EPS}
        torch.testing.assert_close(found.loss, expected.detach(), **close)
        torch.testing.assert_close(found.of_encoder(decoder), encoder.grad, **close)
        torch.testing.assert_close(found.of_decoder(encoder), decoder.grad, **close)


def test_with_equal_sides_of_unit_rows_it_is_the_loss_encoders_train_with(random_matrix):
    X = random_matrix(40, 25, 0.25)
    X = X[X.sum(axis=1) > 1]
    vectors = torch.nn.functional.normalize(sides(25, 6, 0)[0].detach(), dim=1)
    found = normalised_error(Batch.from_csr(X), vectors, vectors)
    expected = elsa_loss(vectors, torch.from_numpy(X.toarray()).double()).mean()
    torch.testing.assert_close(found.loss, expected, rtol=1e3 * EPS, atol=0)


def test_a_user_of_one_item_counts_one_and_has_no_gradient():
    X = sp.csr_array([[0.0, 1.0, 0.0]])
    encoder = torch.tensor([[1.0], [1.0], [-1.0]]).double()
    decoder = torch.tensor([[-1.0], [1.0], [1.0]]).double().neg()
    decoder[0] = -1  # whatever else the user is offered, scores below zero
    found = normalised_error(Batch.from_csr(X), encoder, decoder)
    assert found.loss.item() == 1
    assert not found.of_encoder(decoder).any()
    assert not found.of_decoder(encoder).any()
