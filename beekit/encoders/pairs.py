"""Text and picture of every item, as an encoder of both reads them."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, Self

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from beekit.encoders.inputs import ItemInputs
from beekit.encoders.pixels import ItemPixels
from beekit.encoders.prompts import item_prompt
from beekit.encoders.text_image import of_image, reads_both
from beekit.encoders.tokens import ItemTokens
from beekit.errors import EncoderError

# Tensors whose second dimension is the number of tokens are cut with them, mini-batch by
# mini-batch; no tensor of pixels (three channels) may look like one.
_CHANNELS = 3


class ItemPairs(ItemInputs):
    """Tokens and pixels of every item; an item may lack its text or its picture.

    Args:
        encoder: of texts and pictures together, as `fuse` makes them.
        texts: (items,) "" for an item without text.
        pixels: of the same items, preprocessed by the encoder's image side; unusable pictures are
            missing ones. None where no item has a picture.

    Raises:
        EncoderError: if the encoder does not read text and picture together, if an item has
            neither, or if `ItemTokens` refuses the texts.
    """

    def __init__(
        self, encoder: SentenceTransformer, texts: Sequence[str], pixels: ItemPixels | None
    ) -> None:
        if not reads_both(encoder):
            raise EncoderError(
                f"an encoder of {', '.join(map(str, encoder.modalities))}",
                expected="one that reads text and picture together",
                remedy="Join a text and an image encoder with `fuse`.",
            )
        pictures = np.full(len(texts), -1) if pixels is None else pixels.distinct_of
        has_text = np.array([bool(text) for text in texts], dtype=bool)
        neither = np.flatnonzero(~has_text & (pictures < 0))
        if len(neither):
            raise EncoderError(
                f"{len(neither):,} items with neither text nor picture (first: {neither[0]})",
                expected="at least one of the two for every item",
                remedy="Leave such items out.",
            )
        tokens = ItemTokens(encoder[0].text, texts, item_prompt(encoder))
        self._settle(tokens, pixels, pictures, has_text)

    def _settle(
        self,
        tokens: ItemTokens,
        pixels: ItemPixels | None,
        pictures: np.ndarray,
        has_text: np.ndarray,
    ) -> None:
        """Find the distinct pairs among those of the items."""
        self.tokens, self.pixels = tokens, pixels
        sides = np.stack([tokens.distinct_of, pictures, has_text], axis=1)
        distinct, positions = np.unique(sides, axis=0, return_inverse=True)
        self.distinct_of = positions.reshape(-1)
        self._text, self._picture, self._has_text = distinct.T
        self.distinct_sizes = tokens.distinct_sizes[self._text]
        if pixels is not None:
            self.distinct_sizes = self.distinct_sizes + (self._picture >= 0) * pixels.scale.tokens

    @property
    def sides(self) -> np.ndarray:
        """(items, 2) bool, whether an item has a text and whether it has a picture."""
        distinct = np.stack([self._has_text.astype(bool), self._picture >= 0], axis=1)
        return distinct[self.distinct_of]

    def joined(self, other: Self) -> Self:
        tokens = self.tokens.joined(other.tokens)
        mine, theirs = self.pixels, other.pixels
        held = 0 if mine is None else len(mine.distinct_sizes)
        pixels = mine.joined(theirs) if mine is not None and theirs is not None else mine or theirs
        pictures = [pairs._picture[pairs.distinct_of] for pairs in (self, other)]
        pictures[1] = np.where(pictures[1] < 0, -1, pictures[1] + held)
        has_text = [pairs._has_text[pairs.distinct_of] for pairs in (self, other)]
        both = copy(self)
        both._settle(tokens, pixels, np.concatenate(pictures), np.concatenate(has_text))
        return both

    def distinct_features(self, positions: np.ndarray) -> dict[str, Any]:
        """What `TextImage` takes for these of the distinct pairs."""
        features = self.tokens.distinct_features(self._text[positions])
        mask = features.get("attention_mask")
        shape = None if mask is None else mask.shape
        if shape is not None and shape[1] == _CHANNELS:  # a column of padding more
            features |= {
                key: torch.nn.functional.pad(value, (0, 1))
                for key, value in features.items()
                if isinstance(value, torch.Tensor) and value.shape == shape
            }
        features["has_text"] = torch.from_numpy(self._has_text[positions].astype(bool))
        pictures = self._picture[positions]
        features["has_image"] = torch.from_numpy(pictures >= 0)
        if self.pixels is not None and (pictures >= 0).any():
            shown = self.pixels.distinct_features(pictures[pictures >= 0])
            features |= of_image(shown, features["has_image"])
        return features

    def mini_batches(self, tokens: int) -> dict[str, Any]:
        """Mini-batches by their number, so that those of the longest texts keep to the tokens."""
        return {"mini_batch_size": max(1, tokens // max(1, int(self.distinct_sizes.max())))}
