"""Encoders: loading them, the tokens they read, the embeddings they give."""

from beekit.encoders.embed import embed_items
from beekit.encoders.load import load_encoder
from beekit.encoders.tokens import ItemTokens

__all__ = ["ItemTokens", "embed_items", "load_encoder"]
