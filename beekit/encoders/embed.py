"""Item embeddings A of a whole catalog."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tqdm.auto import tqdm

from beekit.encoders.inputs import ItemInputs
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
    wanted = inputs.distinct_of if item_indices is None else inputs.distinct_of[item_indices]
    distinct, inverse = np.unique(wanted, return_inverse=True)
    lengths = inputs.distinct_sizes[distinct]
    order = np.argsort(-lengths, kind="stable")
    rows: list[torch.Tensor] = []
    training = encoder.training
    encoder.eval()
    with (
        torch.inference_mode(),
        tqdm(total=len(order), desc="embed items", unit="item", disable=not progress) as bar,
    ):
        begin = 0
        while begin < len(order):
            # Longest first: the first of the mini-batch is what the others are padded to.
            size = max(1, mini_batch_tokens // int(lengths[order[begin]]))
            members = distinct[order[begin : begin + size]]
            features = inputs.distinct_features(members)
            on_device = {
                key: value.to(encoder.device) if isinstance(value, torch.Tensor) else value
                for key, value in features.items()
            }
            embedding = encoder(on_device)["sentence_embedding"].float()
            rows.append(torch.nn.functional.normalize(embedding, dim=-1).cpu())
            begin += size
            bar.update(len(members))
    encoder.train(training)
    embedded = torch.cat(rows).numpy()
    by_distinct = np.empty_like(embedded)
    by_distinct[order] = embedded
    return by_distinct[inverse]
