"""Two trainings with one seed end alike, whatever the threads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from beekit.models import (
    BPR,
    CDAE,
    PMF,
    SVAE,
    AsymmetricSVD,
    AutoRec,
    BiasedMF,
    DeepRec,
    LightGCN,
    MultDAE,
    MultVAE,
    RaCT,
    RecVAE,
    TwoTower,
    UltraGCN,
)
from beekit.models.factors.lookup import looked_up

BRIEFLY = {
    "TwoTower": lambda: TwoTower(epochs=1),
    "AsymmetricSVD": lambda: AsymmetricSVD(epochs=1),
    "BPR": lambda: BPR(epochs=2),
    "PMF": lambda: PMF(epochs=1),
    "AutoRec": lambda: AutoRec(epochs=1),
    "AutoRec users": lambda: AutoRec(kind="users", epochs=1),
    "BiasedMF": lambda: BiasedMF(sweeps=1),
    "DeepRec": lambda: DeepRec(epochs=1),
    "MultDAE": lambda: MultDAE(epochs=1),
    "MultVAE": lambda: MultVAE(epochs=1),
    "RecVAE": lambda: RecVAE(epochs=1),
    "CDAE": lambda: CDAE(epochs=1),
    "RaCT": lambda: RaCT(epochs=1, critic_epochs=1, actor_critic_epochs=1),
    "SVAE": lambda: SVAE(epochs=1),
    "LightGCN": lambda: LightGCN(epochs=1),
    "UltraGCN": lambda: UltraGCN(epochs=1),
}


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", BRIEFLY)
def test_a_seed_gives_the_same_model_again_with_several_threads(name, random_matrix, two_threads):
    # So large that PyTorch shares the work out.
    X = random_matrix(300, 300, 0.1, seed=0)
    if BRIEFLY[name]().reads != "items":
        X.data = np.random.default_rng(1).random(X.nnz)
    first, *others = (BRIEFLY[name]().fit(X) for _ in range(3))
    for other in others:
        for field, value in vars(first).items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(value, getattr(other, field), field)


def test_what_is_looked_up_is_what_indexing_gives():
    vectors = torch.arange(12.0).view(4, 3).requires_grad_()
    for items in (torch.tensor([2, 0, 2]), torch.tensor([[1, 3], [3, 3]])):
        torch.testing.assert_close(looked_up(vectors, items), vectors[items])
        torch.testing.assert_close(looked_up(vectors[:, 0], items), vectors[items, 0])
    looked_up(vectors, torch.tensor([2, 0, 2])).sum().backward()
    assert vectors.grad[:, 0].tolist() == [1, 0, 2, 0]
