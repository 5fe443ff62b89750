"""A small vision transformer as an encoder, built on the spot: no download, random weights."""

from __future__ import annotations

from sentence_transformers import SentenceTransformer
from transformers import ViTConfig, ViTImageProcessor, ViTModel

from beekit.quickstart.encoder import mean_pooled, transformer_sizes
from beekit.quickstart.pictures import LABEL, SIZE


def build_image_encoder(
    *,
    dims: int = 64,
    layers: int = 2,
    dropout: float = 0.1,
    image_size: int = SIZE,
    patch_size: int = LABEL,
    seed: int = 0,
) -> SentenceTransformer:
    """A ViT of `layers` layers and `dims` dimensions that takes PIL pictures.

    Its weights are drawn from `seed`. With mean pooling, pictures that look alike come out alike
    even so: a plain picture-similarity encoder, to start from.

    Args:
        dims: size of embeddings; a multiple of 16.
        layers: transformer layers.
        dropout: rate in hidden layers and attention.
        image_size: pixels a side, which pictures are scaled to.
        patch_size: pixels a side of what becomes a token; divides `image_size`.
        seed: of the weights; the global random state stays as it was.
    """
    sizes = transformer_sizes(dims, layers, dropout)
    config = ViTConfig(**sizes, image_size=image_size, patch_size=patch_size)
    processor = ViTImageProcessor(size={"height": image_size, "width": image_size})
    return mean_pooled(ViTModel, config, processor, seed)
