"""Encoders: loading them, the tokens and pixels they read, the embeddings they give."""

from typing import TYPE_CHECKING

from beekit.lazy_names import lazy_names

if TYPE_CHECKING:
    from beekit.encoders.embed import embed_items, embed_sides
    from beekit.encoders.inputs import ItemInputs
    from beekit.encoders.load import load_encoder
    from beekit.encoders.pairs import ItemPairs
    from beekit.encoders.pixels import ItemPixels
    from beekit.encoders.text_image import TextImage, fuse
    from beekit.encoders.tokens import ItemTokens
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        embed="embed_items embed_sides",
        inputs="ItemInputs",
        load="load_encoder",
        pairs="ItemPairs",
        pixels="ItemPixels",
        text_image="TextImage fuse",
        tokens="ItemTokens",
    )

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
