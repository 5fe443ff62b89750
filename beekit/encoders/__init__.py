"""Encoders: loading them, the tokens and pixels they read, the embeddings they give."""

from beekit.encoders.embed import embed_items
from beekit.encoders.inputs import ItemInputs
from beekit.encoders.load import load_encoder
from beekit.encoders.pixels import ItemPixels
from beekit.encoders.tokens import ItemTokens

__all__ = ["ItemInputs", "ItemPixels", "ItemTokens", "embed_items", "load_encoder"]
