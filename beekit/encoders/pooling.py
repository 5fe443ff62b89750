"""How token embeddings become one embedding, by the family of a vision model."""

from __future__ import annotations

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling

from beekit.errors import EncoderError

# What `pooling` may be. Projections belong to dual encoders, such as CLIPModel and SiglipModel,
# whose embeddings are projected ones already; a vision model alone is loaded without its own.
POOLINGS = ("cls", "mean", "max")

# Vision models whose first token stands for the whole picture. "nomic_bert" is what the vision
# models of that family call themselves too.
_CLS_FIRST = frozenset(
    {
        *("vit", "deit", "clip_vision_model", "nomic_bert"),
        *("dinov2", "dinov2_with_registers", "dinov3_vit"),
    }
)


def family_pooling(encoder: SentenceTransformer) -> str | None:
    """The pooling that a plain checkpoint of transformers should get, if it needs another.

    Without a `modules.json` a checkpoint is given mean pooling. Vision models with a token for the
    whole picture get "cls" instead: that token of the last hidden state as it is, without what
    comes after it in the model (CLIP's last layer norm, the pooler of ViT). Models without such a
    token, as SigLIP's, keep the mean, and models of text what they have: None.
    """
    if "text" in encoder.modalities or _pooling_at(encoder) is None:
        return None
    return "cls" if getattr(encoder.config, "model_type", None) in _CLS_FIRST else None


def set_pooling(encoder: SentenceTransformer, pooling: str) -> None:
    """Set the pooling of an encoder, in place; a saved encoder keeps it.

    Raises:
        EncoderError: if `pooling` is none of `POOLINGS`, or if the encoder does not pool tokens.
    """
    if pooling not in POOLINGS:
        raise EncoderError(
            f"pooling={pooling!r}",
            expected=f"one of {', '.join(POOLINGS)}",
            remedy="For projected embeddings load the dual encoder that has the projection."
            if pooling == "projection"
            else "Choose one of these, or leave pooling out.",
        )
    place = _pooling_at(encoder)
    if place is None:
        raise EncoderError(
            f"pooling={pooling!r} for an encoder of {', '.join(type(m).__name__ for m in encoder)}",
            expected="an encoder that pools token embeddings",
            remedy="Leave pooling out: this one makes its embeddings in a way of its own.",
        )
    old = encoder[place]
    encoder[place] = Pooling(old.embedding_dimension, pooling, include_prompt=old.include_prompt)


def pooling_of(encoder: SentenceTransformer) -> str | None:
    """How an encoder pools token embeddings; None where it does not."""
    place = _pooling_at(encoder)
    if place is None:
        return None
    modes = encoder[place].pooling_mode
    return modes if isinstance(modes, str) else "+".join(modes)


def _pooling_at(encoder: SentenceTransformer) -> int | None:
    """Position of the pooling module."""
    return next((n for n, module in enumerate(encoder) if isinstance(module, Pooling)), None)
