"""A small vision transformer encoder with random weights, made without a download."""

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
    """A ViT encoder with random weights, for PIL pictures.

    Even with random weights, mean pooling gives similar embeddings to pictures that look similar.
    So it is a simple encoder of picture similarity to start from.

    Args:
        dims: dimensions of the embeddings; a multiple of 16.
        layers: number of transformer layers.
        dropout: dropout rate in hidden layers and attention.
        image_size: side length in pixels that pictures are scaled to.
        patch_size: side length in pixels of the patch for a token; divides `image_size`.
        seed: seed of the weights; the global random state is not changed.
    """
    sizes = transformer_sizes(dims, layers, dropout)
    config = ViTConfig(**sizes, image_size=image_size, patch_size=patch_size)
    processor = ViTImageProcessor(size={"height": image_size, "width": image_size})
    return mean_pooled(ViTModel, config, processor, seed)
