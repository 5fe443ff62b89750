"""A small vision transformer as an encoder, built on the spot: no download, random weights."""

from __future__ import annotations

from tempfile import TemporaryDirectory

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import ViTConfig, ViTImageProcessor, ViTModel

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
    config = ViTConfig(
        hidden_size=dims,
        num_hidden_layers=layers,
        num_attention_heads=max(1, dims // 16),
        intermediate_size=2 * dims,
        image_size=image_size,
        patch_size=patch_size,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    with torch.random.fork_rng(devices=[]), TemporaryDirectory() as folder:
        torch.manual_seed(seed)
        ViTModel(config).save_pretrained(folder)
        side = {"height": image_size, "width": image_size}
        ViTImageProcessor(size=side).save_pretrained(folder)
        transformer = Transformer(folder)
    pooling = Pooling(transformer.get_embedding_dimension(), "mean")
    return SentenceTransformer(modules=[transformer, pooling], device="cpu")
