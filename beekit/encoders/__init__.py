"""Encoders: loading them, the tokens and pixels they read, the embeddings they give."""

from beekit.encoders.embed import embed_items, embed_sides
from beekit.encoders.inputs import ItemInputs
from beekit.encoders.load import load_encoder
from beekit.encoders.pairs import ItemPairs
from beekit.encoders.pixels import ItemPixels
from beekit.encoders.text_image import TextImage, fuse
from beekit.encoders.tokens import ItemTokens

__all__ = [
    "ItemInputs",
    "ItemPairs",
    "ItemPixels",
    "ItemTokens",
    "TextImage",
    "embed_items",
    "embed_sides",
    "fuse",
    "load_encoder",
]
