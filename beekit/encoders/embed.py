"""Item embeddings A of a whole catalog."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tqdm.auto import tqdm

from beekit.encoders.inputs import ItemInputs
from beekit.encoders.pairs import ItemPairs
from beekit.encoders.tokens import ItemTokens


def embed_items(
    encoder: SentenceTransformer,
    items: Sequence[str] | ItemInputs,
    item_indices: np.ndarray | None = None,
    *,
    mini_batch_tokens: int = 8192,
    progress: bool = False,
) -> np.ndarray:
    """A, the L2-normalised embeddings of items; items with the same input get the same row.

    Args:
        encoder: used in inference mode, without gradients.
        items: (items,) texts, or prepared inputs.
        item_indices: which items; all without it.
        mini_batch_tokens: padded tokens in one forward pass.
        progress: show a bar.

    Returns:
        (items, dims) float32, rows of length 1, in the order asked for.
    """
    inputs = ItemTokens(encoder, items) if isinstance(items, Sequence) else items
    return _embedded(encoder, inputs, item_indices, None, mini_batch_tokens, progress)[0]


def embed_sides(
    encoder: SentenceTransformer,
    pairs: ItemPairs,
    *,
    mini_batch_tokens: int = 8192,
    progress: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """A of items with text and picture, and what of it comes from the text.

    Returns:
        A (items, dims) float32, rows of length 1, and the part that the text adds to it; the rest
        is the picture's. So a score x A aᵢᵀ is a sum too: what it owes to the text of item i, and
        to its picture.
    """
    return _embedded(encoder, pairs, None, "text_part", mini_batch_tokens, progress)


def _embedded(
    encoder: SentenceTransformer,
    inputs: ItemInputs,
    item_indices: np.ndarray | None,
    part: str | None,
    mini_batch_tokens: int,
    progress: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings divided by their length, and a part of them divided by the same."""
    wanted = inputs.distinct_of if item_indices is None else inputs.distinct_of[item_indices]
    distinct, inverse = np.unique(wanted, return_inverse=True)
    lengths = inputs.distinct_sizes[distinct]
    order = np.argsort(-lengths, kind="stable")
    rows: list[torch.Tensor] = []
    parts: list[torch.Tensor] = []
    training = encoder.training
    encoder.eval()
    with (
        torch.inference_mode(),
        tqdm(total=len(order), desc="embed items", unit="item", disable=not progress) as bar,
    ):
        begin = 0
        while begin < len(order):
            # Largest first: the first of the mini-batch is what the others are padded to.
            size = max(1, mini_batch_tokens // int(lengths[order[begin]]))
            members = distinct[order[begin : begin + size]]
            features = inputs.distinct_features(members)
            on_device = {
                key: value.to(encoder.device) if isinstance(value, torch.Tensor) else value
                for key, value in features.items()
            }
            made = encoder(on_device)
            embedding = made["sentence_embedding"].float()
            rows.append(torch.nn.functional.normalize(embedding, dim=-1).cpu())
            if part is not None:
                length = embedding.norm(dim=-1, keepdim=True).clamp(min=1e-12)
                parts.append((made[part].float() / length).cpu())
            begin += size
            bar.update(len(members))
    encoder.train(training)
    back = np.empty(len(order), dtype=np.int64)
    back[order] = np.arange(len(order))
    embedded = torch.cat(rows).numpy()[back[inverse]]
    return embedded, torch.cat(parts).numpy()[back[inverse]] if parts else embedded
