"""Every model of `beekit.models`, small and quick, for the contract suite.

A factory gets the items' vectors (items, dims) float32, for models that know items by content.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from beekit.models import (
    ALS,
    BPR,
    CDAE,
    EASE,
    ELSA,
    GFCF,
    MRF,
    PMF,
    SANSA,
    SLIM,
    SVAE,
    AsymmetricSVD,
    AutoRec,
    BiasedMF,
    CLCRec,
    ContentBased,
    DeepRec,
    DropoutNet,
    FixedSideELSA,
    GlobalMean,
    Heater,
    ItemKNN,
    ItemMean,
    LightGCN,
    MultDAE,
    MultVAE,
    Popularity,
    PureSVD,
    RaCT,
    Random,
    RatingPMF,
    RecVAE,
    TwoTower,
    UltraGCN,
    UserMean,
)

# Enough steps for a network to learn what a few dozen users say.
BRIEFLY: dict[str, Any] = {
    "dropout": 0.0,
    "learning_rate": 0.02,
    "epochs": 60,
    "users_per_step": 20,
}

RATED: dict[str, Any] = {"learning_rate": 0.02, "epochs": 20, "rows_per_step": 20}

NEURAL: dict[str, Any] = {"learning_rate": 0.02, "epochs": 40, "users_per_step": 20}

# Ratings of items that are known alike say nothing of which items belong together.
RATING_MODELS = {
    "GlobalMean": lambda vectors: GlobalMean(),
    "ItemMean": lambda vectors: ItemMean(damping=1.0),
    "UserMean": lambda vectors: UserMean(damping=0.0),
    "BiasedMF": lambda vectors: BiasedMF(embedding_dim=3, regularization=1.0),
    "BiasedMF biases": lambda vectors: BiasedMF(embedding_dim=0),
    "RatingPMF": lambda vectors: RatingPMF(embedding_dim=3, regularization=1.0),
    "AutoRec": lambda vectors: AutoRec(embedding_dim=8, regularization=1.0, **RATED),
    "AutoRec users": lambda vectors: AutoRec(
        kind="users", embedding_dim=8, regularization=1.0, **RATED
    ),
    "DeepRec": lambda vectors: DeepRec(
        hidden_dims=(12, 8), dropout=0.2, **{**RATED, "learning_rate": 0.005}
    ),
}

MODELS = {
    **RATING_MODELS,
    "popularity": lambda vectors: Popularity(),
    "random": lambda vectors: Random(3),
    "EASE": lambda vectors: EASE(regularization=1.0),
    "EASE float64": lambda vectors: EASE(regularization=1.0, dtype="float64"),
    "ELSA": lambda vectors: ELSA(embedding_dim=8, users_per_step=20, epochs=5),
    "ELSA pruned": lambda vectors: ELSA(
        embedding_dim=8, users_per_step=20, epochs=20, items_per_step=20
    ),
    "PureSVD": lambda vectors: PureSVD(embedding_dim=3),
    "GFCF": lambda vectors: GFCF(embedding_dim=3),
    "LightGCN": lambda vectors: LightGCN(
        embedding_dim=8, layers=2, learning_rate=0.03, epochs=60, batch_size=128
    ),
    "UltraGCN": lambda vectors: UltraGCN(
        embedding_dim=4, epochs=40, users_per_step=20, learning_rate=0.02
    ),
    "UltraGCN drawn": lambda vectors: UltraGCN(
        embedding_dim=4, epochs=40, users_per_step=20, learning_rate=0.02, negatives=5
    ),
    "MultDAE": lambda vectors: MultDAE(embedding_dim=8, **NEURAL),
    "MultVAE": lambda vectors: MultVAE(embedding_dim=8, hidden_dim=16, anneal_epochs=40, **NEURAL),
    "RecVAE": lambda vectors: RecVAE(
        embedding_dim=8, hidden_dim=16, **{**NEURAL, "epochs": 20, "learning_rate": 0.01}
    ),
    "CDAE": lambda vectors: CDAE(embedding_dim=8, **{**NEURAL, "learning_rate": 0.2, "epochs": 80}),
    "RaCT": lambda vectors: RaCT(
        embedding_dim=8,
        hidden_dim=16,
        anneal_epochs=40,
        critic_epochs=5,
        actor_critic_epochs=5,
        **NEURAL,
    ),
    "SVAE": lambda vectors: SVAE(
        **{"embedding_dim": 8, "item_dim": 12, "state_dim": 16, "hidden_dim": 16, "beta": 0.01},
        **{**NEURAL, "epochs": 20},
    ),
    "ALS": lambda vectors: ALS(embedding_dim=6, iterations=8),
    "ItemKNN": lambda vectors: ItemKNN(neighbours=10),
    "ItemKNN tversky": lambda vectors: ItemKNN(
        neighbours=5, similarity="tversky", weighting="bm25", shrinkage=1.0, normalize=True
    ),
    "SLIM": lambda vectors: SLIM(l1=0.1, l2=1.0, neighbours=12),
    "SLIM on all items": lambda vectors: SLIM(l1=0.1, l2=1.0, neighbours=None),
    "SANSA": lambda vectors: SANSA(regularization=1.0, density=0.3),
    "SANSA exact": lambda vectors: SANSA(
        regularization=1.0, density=0.3, factorisation="exact", residual_steps=2
    ),
    "MRF": lambda vectors: MRF(threshold=0.05, neighbours=12),
    "BPR": lambda vectors: BPR(embedding_dim=3, epochs=40, batch_size=64),
    "PMF": lambda vectors: PMF(embedding_dim=6, learning_rate=0.5, epochs=60, batch_size=64),
    "AsymmetricSVD": lambda vectors: AsymmetricSVD(
        embedding_dim=3, learning_rate=0.03, epochs=30, users_per_step=16
    ),
    "TwoTower": lambda vectors: TwoTower(
        embedding_dim=6, hidden_dim=8, learning_rate=0.02, epochs=10, batch_size=64
    ),
    "TwoTower with features": lambda vectors: TwoTower(
        embedding_dim=6,
        hidden_dim=8,
        learning_rate=0.02,
        epochs=10,
        batch_size=64,
        vectors=np.eye(len(vectors)),
    ),
    "ContentBased": lambda vectors: ContentBased(vectors),
    "ContentBased centred": lambda vectors: ContentBased(vectors, centre=True),
    "FixedSideELSA": lambda vectors: FixedSideELSA(vectors, ridge=1.0, users_per_step=20),
    "FixedSideELSA encoder": lambda vectors: FixedSideELSA(
        vectors, side="encoder", ridge=1.0, users_per_step=20
    ),
    "FixedSideELSA pruned": lambda vectors: FixedSideELSA(
        vectors, ridge=1.0, users_per_step=20, items_per_step=20
    ),
    "Heater": lambda vectors: Heater(vectors, embedding_dim=3, **BRIEFLY),
    "Heater with factors": lambda vectors: Heater(
        vectors,
        experts=2,
        hidden_dim=8,
        cf_user_side=vectors,
        cf_item_factors=vectors,
        **BRIEFLY,
    ),
    "DropoutNet": lambda vectors: DropoutNet(vectors, embedding_dim=3, **BRIEFLY),
    "DropoutNet with hidden layers": lambda vectors: DropoutNet(
        vectors, embedding_dim=3, hidden_dims=(16,), **BRIEFLY
    ),
    "CLCRec": lambda vectors: CLCRec(vectors, embedding_dim=8, **BRIEFLY),
}

READS = {
    name: getattr(model(np.eye(2, dtype=np.float32)), "reads", "items")
    for name, model in MODELS.items()
}


def as_read(name: str, X: sp.sparray) -> sp.sparray:
    """X with the numbers that a model reads: of the items of each user, an order by chance."""
    reads = READS.get(name, "items")
    if reads == "items":
        return X
    X = sp.csr_array(X)
    generator = np.random.default_rng(8)
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    places = np.empty(X.nnz)
    places[np.lexsort((generator.random(X.nnz), rows))] = np.arange(X.nnz) - X.indptr[rows] + 1
    data = places if reads == "order" else 1 + places % 5
    return sp.csr_array((data.astype(X.dtype), X.indices, X.indptr), shape=X.shape)


# The same list for everybody, or by chance: no right answer on the toy matrix.
IMPERSONAL = {"popularity", "random", *RATING_MODELS}
