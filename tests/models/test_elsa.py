"""ELSA: its gradient against autograd of the loss, and what it learns."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from beekit.errors import ConfigError
from beekit.models import EASE, ELSA
from beekit.models.linear.elsa import sphere_gradient
from beekit.models.linear.normalised_error import Batch
from beekit.training.loss import elsa_loss


def unit_rows(items: int, dims: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(items, dims, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(vectors, dim=1)


@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_that_of_autograd_along_the_sphere(random_matrix, seed):
    X = random_matrix(30, 25, 0.2, seed=seed)
    vectors = unit_rows(25, 6, seed)
    loss, gradient = sphere_gradient(Batch.from_csr(X, torch.device("cpu")), vectors)
    free = vectors.clone().requires_grad_()
    normalised = torch.nn.functional.normalize(free, dim=1)
    used = torch.from_numpy(X.toarray()).double()
    expected = elsa_loss(normalised, used[used.sum(dim=1) > 0]).sum() / 30
    expected.backward()
    # A user without interactions counts a constant, which has no gradient.
    torch.testing.assert_close(gradient, free.grad, rtol=1e-10, atol=1e-12)
    assert float(loss) >= float(expected.detach()) - 1e-12


def test_an_item_without_interactions_scores_nothing(random_matrix):
    dense = random_matrix(80, 30, 0.2).toarray()
    dense[:, 4] = 0
    model = ELSA(embedding_dim=8, users_per_step=20).fit(sp.csr_array(dense))
    assert not model.item_vectors[4].any()
    lengths = np.linalg.norm(np.delete(model.item_vectors, 4, axis=0), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)


def test_factors_make_the_scores(random_matrix):
    X = random_matrix(50, 30, 0.2)
    model = ELSA(embedding_dim=8, users_per_step=20).fit(X)
    scores = X.toarray() @ model.encoder_side @ model.decoder_side.T - X.toarray()
    items, values = model.recommend(X, 30, exclude_seen=False)
    expected = np.take_along_axis(scores, items, 1)
    np.testing.assert_allclose(values, expected, atol=1e-5)
    assert (np.diff(values, axis=1) <= 1e-6).all()


def test_similar_items_are_the_nearest_by_cosine(random_matrix):
    X = random_matrix(50, 30, 0.2)
    model = ELSA(embedding_dim=8, users_per_step=20).fit(X)
    cosines = model.item_vectors @ model.item_vectors.T
    np.fill_diagonal(cosines, -np.inf)
    items, _ = model.similar(np.array([3, 7]), 1)
    assert items[:, 0].tolist() == cosines[[3, 7]].argmax(axis=1).tolist()


def test_training_lowers_the_loss_from_where_it_starts(shop_dataset):
    X = shop_dataset.interactions.matrix

    def loss(model):
        vectors = torch.from_numpy(model.item_vectors).double()
        return float(elsa_loss(vectors, torch.from_numpy(X.toarray()).double()).mean())

    short, long = (ELSA(embedding_dim=16, epochs=n, learning_rate=0.02).fit(X) for n in (1, 20))
    assert loss(long) < loss(short)
    pruned = ELSA(embedding_dim=16, epochs=20, learning_rate=0.02, items_per_step=150).fit(X)
    assert loss(pruned) < loss(short)


def test_held_out_users_are_served_about_as_well_as_by_the_full_rank_model(shop_dataset):
    from beekit import evaluate, user_split

    split = user_split(shop_dataset.interactions, fraction=0.3)
    scores = {
        type(model).__name__: evaluate(
            model.fit(split.train), split.test, metrics=["ndcg@20"], top_k=20, intervals=False
        ).metrics["ndcg@20"]["value"]
        for model in (EASE(regularization=100), ELSA(embedding_dim=32))
    }
    assert scores["ELSA"] > 0.8 * scores["EASE"]


@pytest.mark.parametrize(
    "wrong", [{"embedding_dim": 0}, {"learning_rate": 0}, {"items_per_step": 1}, {"epochs": 0}]
)
def test_hyperparameters_outside_their_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        ELSA(**wrong)
