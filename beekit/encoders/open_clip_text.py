"""Texts through the text tower of an open_clip model, at no more positions than it reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from open_clip.hf_model import HFTextEncoder
from torch import nn


def read_positions(model: nn.Module, ids: torch.Tensor) -> torch.Tensor:
    """Which positions of tokenised texts bear on their embeddings: the attention mask.

    A causal tower reads up to the end-of-text token it pools at, a tower of transformers what is
    not padding. Any other, as SigLIP's, was trained to read its padding too: all positions count.
    Token ids and mask are (texts, context length) int64; the mask holds ones, then zeros.
    """
    tower = _CausalTower.of(model)
    if tower is not None:
        return (torch.arange(ids.shape[1]) <= tower.last(ids)[:, None]).long()
    padding = _padding(model)
    return torch.ones_like(ids) if padding is None else (ids != padding).long()


def encode_texts(model: nn.Module, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(texts, dims) embeddings, not normalised, as `model.encode_text` has them at full length.

    Ids and mask are (texts, tokens), cut after the last position that `read_positions` names; what
    `ids` holds at others does not matter.
    """
    tower = _CausalTower.of(model)
    if tower is not None:
        return tower.encode(ids.masked_fill(mask == 0, 0))
    if (padding := _padding(model)) is not None:
        ids = ids.masked_fill(mask == 0, padding)
    embedding: torch.Tensor = model.encode_text(ids, normalize=False)  # type: ignore[operator]
    return embedding


def _padding(model: nn.Module) -> int | None:
    """Padding token of a tower of transformers, which masks it; None for other towers."""
    tower = getattr(model, "text", None)
    return int(tower.config.pad_token_id) if isinstance(tower, HFTextEncoder) else None


@dataclass(frozen=True)
class _CausalTower:
    """A tower where no position sees a later one, pooled at the end of the text.

    open_clip runs it at the full context length. What follows the end of the text cannot change
    the embedding, so here it runs at the length of the longest text instead.
    """

    tower: Any
    pool: str
    end: int

    @classmethod
    def of(cls, model: nn.Module) -> _CausalTower | None:
        """The model's text tower, if it is such a one."""
        # `CLIP` holds the parts of its tower itself; other models have a tower of their own.
        tower = getattr(model, "text", model)
        prefix = "text_" if tower is model else ""
        pool = getattr(tower, f"{prefix}pool_type", None)
        causal = getattr(tower, "attn_mask", None) is not None
        # CoCa's own token comes after the padding, which shifts with the length.
        plain = getattr(tower, "cls_emb", None) is None
        if not (causal and plain and pool in ("argmax", "eos")):
            return None
        return cls(tower, pool, getattr(tower, f"{prefix}eos_id", -1))

    def last(self, ids: torch.Tensor) -> torch.Tensor:
        """(texts,) position pooled at: of the largest token, or of the first end-of-text."""
        marked = ids if self.pool == "argmax" else torch.eq(ids, self.end).int()
        return marked.argmax(dim=-1)

    def encode(self, ids: torch.Tensor) -> torch.Tensor:
        tower, length = self.tower, ids.shape[1]
        dtype = tower.transformer.get_cast_dtype()
        positions = tower.positional_embedding[:length].to(dtype)
        states = tower.token_embedding(ids).to(dtype) + positions
        states = tower.transformer(states, attn_mask=tower.attn_mask[:length, :length])
        rows = torch.arange(len(ids), device=ids.device)
        pooled: torch.Tensor = tower.ln_final(states[rows, self.last(ids)])
        projection = tower.text_projection
        if isinstance(projection, nn.Linear):
            return nn.functional.linear(pooled, projection.weight, projection.bias)
        projected: torch.Tensor = pooled if projection is None else pooled @ projection
        return projected
