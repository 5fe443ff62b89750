"""Texts of a catalog, tokenised once; padded only as far as the items at hand need."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, Self

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from beekit.encoders.inputs import ItemInputs
from beekit.errors import EncoderError

# Cosine of two embeddings of one text, down to what half precision leaves.
_SAME = 0.999


class ItemTokens(ItemInputs):
    """The token sequences of every item, kept as flat arrays (4 bytes a token and key).

    Built through the encoder's own `preprocess`, so whatever it adds to a text is here too.
    Identical texts are stored once.

    Args:
        encoder: its input module reads the texts.
        texts: (items,) one text an item, in item order.

    Raises:
        EncoderError: if there are no texts, if the encoder does not turn texts into padded token
            sequences with an attention mask, or if it also reads pictures and its embeddings of
            texts depend on padding.
    """

    def __init__(self, encoder: SentenceTransformer, texts: Sequence[str]) -> None:
        if not len(texts):
            raise EncoderError(
                "no texts", expected="at least one", remedy="Pass the texts of some items."
            )
        if encoder.supports("image"):
            _require_padding_ignored(encoder)
        first_seen: dict[str, int] = {}
        self.distinct_of = np.array(
            [first_seen.setdefault(text, len(first_seen)) for text in texts], dtype=np.int64
        )
        distinct = list(first_seen)
        by_size = sorted(range(len(distinct)), key=lambda position: len(distinct[position]))
        chunks: list[dict[str, np.ndarray]] = []
        lengths = np.zeros(len(distinct), dtype=np.int64)
        self._constants: dict[str, Any] = {}
        for begin in range(0, len(distinct), 512):
            members = by_size[begin : begin + 512]
            features = encoder.preprocess([distinct[position] for position in members])
            mask = features.get("attention_mask")
            if mask is None or mask.ndim != 2:
                raise EncoderError(
                    f"the encoder turns texts into {', '.join(features)}",
                    expected="padded token sequences with an attention_mask",
                    remedy="Use a transformer text encoder.",
                )
            present = mask.bool().numpy()
            lengths[members] = present.sum(axis=1)
            tokens = {}
            for key, value in features.items():
                if isinstance(value, torch.Tensor) and value.shape == mask.shape:
                    tokens[key] = value.numpy()[present].astype(np.int32)
                else:
                    self._constants[key] = value
            chunks.append(tokens)
        # Flat arrays are in the order the sequences were tokenised; offsets are by sequence.
        starts = np.zeros(len(distinct), dtype=np.int64)
        starts[by_size] = np.concatenate([[0], np.cumsum(lengths[by_size])[:-1]])
        self._starts, self.distinct_sizes = starts, lengths
        self._flat = {key: np.concatenate([chunk[key] for chunk in chunks]) for key in chunks[0]}
        tokenizer = getattr(encoder, "tokenizer", None)
        self._pad = {
            "input_ids": getattr(tokenizer, "pad_token_id", None) or 0,
            "token_type_ids": getattr(tokenizer, "pad_token_type_id", 0),
        }
        self._left = getattr(tokenizer, "padding_side", "right") == "left"

    def distinct_features(self, positions: np.ndarray) -> dict[str, Any]:
        """Tensors (positions, tokens) int64, padded to the longest, and the encoder's constants."""
        lengths = self.distinct_sizes[positions]
        longest = int(lengths.max())
        place = np.arange(longest)
        present = place >= longest - lengths[:, None] if self._left else place < lengths[:, None]
        ends = np.cumsum(lengths)
        flat = np.arange(ends[-1]) + np.repeat(self._starts[positions] - (ends - lengths), lengths)
        features = dict(self._constants)
        for key, tokens in self._flat.items():
            padded = np.full((len(positions), longest), self._pad.get(key, 0), dtype=np.int64)
            padded[present] = tokens[flat]
            features[key] = torch.from_numpy(padded)
        return features

    def joined(self, other: Self) -> Self:
        both = copy(self)
        both.distinct_of = np.concatenate(
            [self.distinct_of, other.distinct_of + len(self.distinct_sizes)]
        )
        both.distinct_sizes = np.concatenate([self.distinct_sizes, other.distinct_sizes])
        (held,) = {len(tokens) for tokens in self._flat.values()}
        both._starts = np.concatenate([self._starts, other._starts + held])
        both._flat = {
            key: np.concatenate([tokens, other._flat[key]]) for key, tokens in self._flat.items()
        }
        return both

    def mini_batches(self, tokens: int) -> dict[str, Any]:
        """Mini-batches of at most so many tokens, padding not counted."""
        return {"mini_batch_num_tokens": tokens}


def _require_padding_ignored(encoder: SentenceTransformer) -> None:
    """Refuse encoders that read padding, as SigLIP's text tower in transformers does: their
    embedding of a text depends on the texts beside it."""
    alone, beside = (encoder.encode(texts)[0] for texts in (["a"], ["a", "a longer text"]))
    if float(encoder.similarity(alone, beside)) < _SAME:
        raise EncoderError(
            "a text encoder whose embeddings depend on padding",
            expected="one that reads a text alike whatever stands beside it",
            remedy="Of SigLIP, take the model of open_clip: encoder=open_clip:ARCHITECTURE/TAG.",
        )
