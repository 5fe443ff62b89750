"""The quickstart: a synthetic shop, tiny encoders, and training and evaluation on them."""

from beekit.quickstart.encoder import build_encoder
from beekit.quickstart.image_encoder import build_image_encoder
from beekit.quickstart.shop import Shop, make_shop

__all__ = ["Shop", "build_encoder", "build_image_encoder", "make_shop"]
