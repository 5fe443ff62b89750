"""The written-out loss of a linear model and its gradients, against autograd."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from beekit.errors import DataError
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(8))
def test_with_equal_sides_of_unit_rows_it_is_the_loss_encoders_train_with(seed, dtype):
    generator = np.random.default_rng(seed)
    dense = np.zeros((30, 9), dtype=np.float32)
    for user in range(30):  # most with no, one or two items
        dense[user, generator.choice(9, user % 4, replace=False)] = 1
    # Few dimensions and one shared direction: many an item is opposed to all others.
    drawn = torch.from_numpy(generator.normal(size=(9, 2))).to(dtype)
    drawn[: seed + 1, 0] = drawn[: seed + 1, 0].abs() + 9
    drawn[seed + 1 :, 0] = -drawn[seed + 1 :, 0].abs() - 9
    vectors = torch.nn.functional.normalize(drawn, dim=1).requires_grad_()
    each = elsa_loss(vectors, torch.from_numpy(dense).to(dtype))
    each.mean().backward()
    with torch.no_grad():
        found = normalised_error(Batch.from_csr(sp.csr_array(dense)), vectors, vectors)
        gradient = found.of_encoder(vectors) + found.of_decoder(vectors)
    close = {"rtol": 1e3 * torch.finfo(dtype).eps, "atol": 1e3 * torch.finfo(dtype).eps}
    torch.testing.assert_close(found.loss, each.mean().detach(), **close)

    # The diagonal moves rows away from the sphere alone, which they do not leave.
    def along(gradient: torch.Tensor) -> torch.Tensor:
        rows = vectors.detach()
        return gradient - (gradient * rows).sum(dim=1, keepdim=True) * rows

    torch.testing.assert_close(along(gradient), along(vectors.grad), **close)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_of_a_user_of_one_item_that_nothing_is_near_rounding_is_no_hit(dtype):
    generator = torch.Generator().manual_seed(0)
    lonely = torch.randn(500, 7, generator=generator, dtype=dtype)
    for vector in lonely:
        pair = torch.nn.functional.normalize(torch.stack([vector, -vector]), dim=1).requires_grad_()
        loss = elsa_loss(pair, torch.tensor([[1.0, 0.0]], dtype=dtype))
        loss.sum().backward()
        assert loss.item() == 1
        assert not pair.grad.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_user_without_interactions_counts_nothing_in_any_precision(dtype):
    vectors = torch.eye(3, dtype=dtype).requires_grad_()
    loss = elsa_loss(vectors, torch.tensor([[0, 0, 0], [1, 1, 0]], dtype=dtype))
    assert loss[0] == 0
    assert loss[1].isfinite()
    loss.sum().backward()
    assert vectors.grad.isfinite().all()


def test_scores_that_are_no_numbers_show_in_both_losses():
    vectors = torch.tensor([[torch.nan, 0.0], [0.0, 1.0]])
    X = sp.csr_array([[1.0, 1.0]], dtype=np.float32)
    with pytest.raises(DataError, match="not finite"):
        elsa_loss(vectors, torch.ones(1, 2))
    huge = torch.full((2, 2), 1e30)
    assert not normalised_error(Batch.from_csr(X), vectors, vectors).loss.isfinite()
    assert not normalised_error(Batch.from_csr(X), huge, torch.ones(2, 2)).loss.isfinite()


def test_a_user_of_one_item_counts_one_and_has_no_gradient():
    X = sp.csr_array([[0.0, 1.0, 0.0]])
    encoder = torch.tensor([[1.0], [1.0], [-1.0]]).double()
    decoder = torch.tensor([[-1.0], [1.0], [1.0]]).double().neg()
    decoder[0] = -1  # whatever else the user is offered, scores below zero
    found = normalised_error(Batch.from_csr(X), encoder, decoder)
    assert found.loss.item() == 1
    assert not found.of_encoder(decoder).any()
    assert not found.of_decoder(encoder).any()
