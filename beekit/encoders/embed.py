"""Item embeddings A of a whole catalog."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from beekit.encoders.inputs import ItemInputs, embedding_of, features, to_device
from beekit.encoders.pairs import ItemPairs
from beekit.encoders.tokens import inputs_of
from beekit.errors import EncoderError
from beekit.finite import require_finite
from beekit.progress import progress_bar

logger = logging.getLogger(__name__)

# Entries of unit vectors that differ by less are the same but for rounding.
_SAME = 1e-6
# What torch's `normalize` divides by at least.
_SHORTEST = 1e-12
# Characters of a text that tell which it is.
_BEGINNING = 60


def embed_items(
    encoder: SentenceTransformer,
    items: Sequence[str] | ItemInputs,
    item_indices: np.ndarray | None = None,
    *,
    item_ids: np.ndarray | None = None,
    mini_batch_tokens: int = 8192,
    progress: bool = False,
) -> np.ndarray:
    """A, the L2-normalised embeddings of items; items with the same input get the same row.

    A warning says when items get the zero vector, or all the same one.

    Args:
        encoder: used in inference mode, without gradients.
        items: (items,) texts, or prepared inputs.
        item_indices: which items; all without it.
        item_ids: (items,) the caller's ids, for messages.
        mini_batch_tokens: padded tokens in one forward pass.
        progress: show a bar.

    Returns:
        (items, dims) float32, rows of length 1, in the order asked for.

    Raises:
        EncoderError: if there are no items, if `ItemTokens` refuses the texts, or if an embedding
            is not finite.
    """
    inputs = inputs_of(encoder, items)
    return _embedded(encoder, inputs, item_indices, item_ids, None, mini_batch_tokens, progress)[0]


def embed_sides(
    encoder: SentenceTransformer,
    pairs: ItemPairs,
    *,
    item_ids: np.ndarray | None = None,
    mini_batch_tokens: int = 8192,
    progress: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """A of items with text and picture, and what of it comes from the text.

    Returns:
        A (items, dims) float32, rows of length 1, and the part that the text adds to it; the rest
        is the picture's. So a score x A aᵢᵀ is a sum too: what it owes to the text of item i, and
        to its picture.

    Raises:
        EncoderError: if there are no items, or if an embedding or its text part is not finite.
    """
    return _embedded(encoder, pairs, None, item_ids, "text_part", mini_batch_tokens, progress)


def _embedded(
    encoder: SentenceTransformer,
    inputs: ItemInputs,
    item_indices: np.ndarray | None,
    item_ids: np.ndarray | None,
    part: str | None,
    mini_batch_tokens: int,
    progress: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings divided by their length, and a part of them divided by the same."""
    items = np.arange(len(inputs)) if item_indices is None else np.asarray(item_indices)
    if not len(items):
        raise EncoderError(
            "no items to embed", expected="at least one", remedy="Pass the texts of some items."
        )
    distinct, inverse = np.unique(inputs.distinct_of[items], return_inverse=True)
    lengths = inputs.distinct_sizes[distinct]
    order = np.argsort(-lengths, kind="stable")
    rows: list[torch.Tensor] = []
    parts: list[torch.Tensor] = []
    norms: list[torch.Tensor] = []
    training = encoder.training
    encoder.eval()
    shown = progress_bar(None, "embed items", total=len(order), unit="item", disable=not progress)
    with torch.inference_mode(), shown as bar:
        begin = 0
        while begin < len(order):
            # Largest first: the first of the mini-batch is what the others are padded to.
            size = max(1, mini_batch_tokens // max(1, int(lengths[order[begin]])))
            members = distinct[order[begin : begin + size]]
            made = encoder(to_device(inputs.distinct_features(members), encoder.device))
            embedding = embedding_of(encoder, made).float()
            length = embedding.norm(dim=-1, keepdim=True)
            norms.append(length[:, 0].cpu())
            rows.append(torch.nn.functional.normalize(embedding, dim=-1).cpu())
            if part is not None:
                of_part = made[part][..., : embedding.shape[-1]].float()
                parts.append((of_part / length.clamp(min=_SHORTEST)).cpu())
            begin += size
            bar.update(len(members))
    encoder.train(training)
    place = np.argsort(order)[inverse]
    embedded = torch.cat(rows).numpy()
    _require_usable(encoder, inputs, items, item_ids, torch.cat(norms).numpy()[place])
    if len(embedded) > 1 and np.abs(embedded - embedded[0]).max() < _SAME:
        logger.warning("all %s different inputs get the same embedding", f"{len(embedded):,}")
    if not parts:
        return embedded[place], embedded[place]
    added = torch.cat(parts).numpy()[place]
    require_finite(added, f"{part} of embeddings", items, row="item index", error=EncoderError)
    return embedded[place], added


def _require_usable(
    encoder: SentenceTransformer,
    inputs: ItemInputs,
    items: np.ndarray,
    item_ids: np.ndarray | None,
    norms: np.ndarray,
) -> None:
    """Refuse embeddings that are not finite, and warn of zeros, by the lengths of those of items.

    `item_ids` are those of all the inputs' items.
    """
    names = items if item_ids is None else np.asarray(item_ids)[items]
    finite = np.isfinite(norms)
    if not finite.all():
        text = _beginning(encoder, inputs, int(items[np.argmin(finite)]))
        require_finite(
            norms,
            "embeddings",
            names,
            row="item index" if item_ids is None else "item",
            remedy=(f"The first one's text begins {text!r}. " if text else "")
            + "Load the encoder in float32; if it was trained, train again in float32 or with a "
            "lower learning_rate.",
            error=EncoderError,
        )
    zero = np.flatnonzero(norms < _SHORTEST)
    if len(zero):
        logger.warning(
            f"{len(zero):,} of {len(items):,} items get the zero vector, or one too short to be "
            f"scaled to length 1, and score about 0 for everybody (first: {names[zero[0]]})"
        )


def _beginning(encoder: SentenceTransformer, inputs: ItemInputs, item: int) -> str:
    """How the text of an item begins, as its tokens tell; "" of a picture."""
    tokens = features(inputs, np.array([item])).get("input_ids")
    decode = getattr(getattr(encoder, "tokenizer", None), "decode", None)
    if tokens is None or decode is None:
        return ""
    ids = tokens.reshape(-1).tolist()
    try:
        text = decode(ids, skip_special_tokens=True)
    except TypeError:  # tokenizers of open_clip know no such option
        text = decode(ids)
    return " ".join(str(text).split())[:_BEGINNING]
