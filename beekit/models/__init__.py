"""Recommenders; all follow the protocol in `beekit.ranking.protocol`.

A model is imported when it is first used, because models need different packages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from beekit.models.registry import (
    HOMES,
    by_name,
    load_model,
    model_class,
    model_names,
    save_model,
)

if TYPE_CHECKING:
    from beekit.models.autoencoders.cdae import CDAE as CDAE
    from beekit.models.autoencoders.mult_dae import MultDAE as MultDAE
    from beekit.models.autoencoders.mult_vae import MultVAE as MultVAE
    from beekit.models.autoencoders.ract import RaCT as RaCT
    from beekit.models.autoencoders.rec_vae import RecVAE as RecVAE
    from beekit.models.autoencoders.svae import SVAE as SVAE
    from beekit.models.baselines import Popularity as Popularity
    from beekit.models.baselines import Random as Random
    from beekit.models.cold.clcrec import CLCRec as CLCRec
    from beekit.models.cold.content import ContentBased as ContentBased
    from beekit.models.cold.dropout_net import DropoutNet as DropoutNet
    from beekit.models.cold.fixed_side_elsa import FixedSideELSA as FixedSideELSA
    from beekit.models.cold.heater import Heater as Heater
    from beekit.models.factors.als import ALS as ALS
    from beekit.models.factors.asymmetric_svd import AsymmetricSVD as AsymmetricSVD
    from beekit.models.factors.bpr import BPR as BPR
    from beekit.models.factors.pmf import PMF as PMF
    from beekit.models.factors.pure_svd import PureSVD as PureSVD
    from beekit.models.factors.two_tower import TwoTower as TwoTower
    from beekit.models.graph.gf_cf import GFCF as GFCF
    from beekit.models.graph.light_gcn import LightGCN as LightGCN
    from beekit.models.graph.ultra_gcn import UltraGCN as UltraGCN
    from beekit.models.linear.ease import EASE as EASE
    from beekit.models.linear.elsa import ELSA as ELSA
    from beekit.models.linear.item_knn import ItemKNN as ItemKNN
    from beekit.models.linear.mrf import MRF as MRF
    from beekit.models.linear.sansa import SANSA as SANSA
    from beekit.models.linear.slim import SLIM as SLIM
    from beekit.models.ratings.auto_rec import AutoRec as AutoRec
    from beekit.models.ratings.deep_rec import DeepRec as DeepRec
    from beekit.models.ratings.matrix_factorisation import BiasedMF as BiasedMF
    from beekit.models.ratings.matrix_factorisation import RatingPMF as RatingPMF
    from beekit.models.ratings.means import GlobalMean as GlobalMean
    from beekit.models.ratings.means import ItemMean as ItemMean
    from beekit.models.ratings.means import UserMean as UserMean

__all__ = ["by_name", "load_model", "model_class", "model_names", "save_model"]
__all__ += list(HOMES)


def __getattr__(name: str) -> Any:
    if name in HOMES:
        return model_class(name)
    raise AttributeError(f"module 'beekit.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
