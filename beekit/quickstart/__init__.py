"""The quickstart: a synthetic shop, a tiny encoder and the main job on them."""

from beekit.quickstart.encoder import build_encoder
from beekit.quickstart.shop import Shop, make_shop

__all__ = ["Shop", "build_encoder", "make_shop"]
