"""Whether an encoder embeds prepared texts as its own `encode` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Transformer
from torch import nn
from torch.nn import functional

from beekit.encoders.inputs import ItemInputs, embedding_of, to_device
from beekit.errors import EncoderError

# What entries of unit vectors may differ by: rounding, of float32 and of half precision.
_ROUNDING, _ROUNDING_OF_HALF = 1e-4, 3e-2
# Texts of different lengths.
_PAIR = ["a", "a longer text"]
# What models of transformers call their tables of learnt positions.
_POSITION_TABLES = ("position_embeddings", "position_embedding", "embed_positions", "wpe")
# What an encoder's forward may raise for a text that it cannot read.
_FAILURES = (IndexError, RuntimeError, ValueError, TypeError, KeyError, AttributeError)


def require_same_as_encode(
    encoder: SentenceTransformer, inputs: ItemInputs, texts: Sequence[str], prompt: str
) -> None:
    """Refuse an encoder of which one batch of prepared texts has other embeddings than `encode`
    gives of each text alone.

    The texts compared are the shortest, one of middle length and the longest, so that a text which
    the encoder cannot read fails here too, before anything takes long.

    Args:
        texts: the distinct ones of `inputs`, in their order.
        prompt: before every text.

    Raises:
        EncoderError: if they differ by more than rounding, or if the encoder fails on a text.
    """
    order = np.argsort(inputs.distinct_sizes, kind="stable")
    places = np.unique(order[[0, len(order) // 2, -1]])
    training = encoder.training
    encoder.eval()
    try:
        alone = np.stack([_encoded(encoder, [texts[place]], prompt)[0] for place in places])
        features = inputs.distinct_features(places)
        beside = _embedded(encoder, features)
        if not isinstance(encoder[0], Transformer) and "sentence_lengths" in features:
            beside = np.stack([beside, _embedded(encoder, _odd(features))], axis=1)
            alone = alone[:, None]
        elif len(np.unique(inputs.distinct_sizes)) == 1:  # then nothing above was padded
            alone = _encoded(encoder, _PAIR[:1], prompt)
            beside = _encoded(encoder, _PAIR, prompt)[:1]
    except torch.OutOfMemoryError:
        raise
    except _FAILURES as error:
        raise _unreadable(encoder, inputs, error) from error
    finally:
        encoder.train(training)
    precision = next((p.dtype for p in encoder.parameters()), torch.float32)
    exact = precision in (torch.float32, torch.float64)
    gap = np.abs(alone - beside).max() if beside.shape[-1] == alone.shape[-1] else np.inf
    if gap > (_ROUNDING if exact else _ROUNDING_OF_HALF):  # NaN is refused later, with its item
        raise EncoderError(
            "a text encoder whose embeddings depend on padding, on the texts beside one",
            expected="one that reads a text alike whatever stands beside it",
            remedy="Choose another. Of SigLIP, take the model of open_clip: "
            "encoder=open_clip:ARCHITECTURE/TAG.",
        )


def _encoded(encoder: SentenceTransformer, texts: list[str], prompt: str) -> np.ndarray:
    made = encoder.encode(texts, prompt=prompt, normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(made, dtype=np.float32)


def _embedded(encoder: SentenceTransformer, features: dict[str, Any]) -> np.ndarray:
    with torch.inference_mode():
        made = encoder(to_device(dict(features), encoder.device))
        embedding = embedding_of(encoder, made).float()
        return np.asarray(functional.normalize(embedding, dim=-1).cpu().numpy())


def _odd(features: dict[str, Any]) -> dict[str, Any]:
    """The same with another token where there is padding: that of layers without a mask may have
    a vector of zeros to begin with, and not after training."""
    ids, mask = features["input_ids"], features["attention_mask"]
    return {**features, "input_ids": torch.where(mask.bool(), ids, ids.max())}


def _unreadable(encoder: SentenceTransformer, inputs: ItemInputs, error: Exception) -> EncoderError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    longest = int(inputs.distinct_sizes.max())
    places = positions(encoder)
    beyond = places is not None and places < longest
    return EncoderError(
        f"the encoder cannot embed texts of up to {longest} tokens ({reason})",
        expected=f"texts that fit its {places} positions" if beyond else "one that embeds texts",
        remedy=f"Set max_seq_length={places}." if beyond else "Choose another encoder.",
    )


def positions(encoder: SentenceTransformer) -> int | None:
    """Tokens for which there is a position, of an encoder of texts with a table of them."""
    tables = [
        module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
        for name, module in encoder.named_modules()
        if isinstance(module, nn.Embedding)
        and name.rpartition(".")[2] in _POSITION_TABLES
        and "vision" not in name
    ]
    return min(tables) if tables else None
