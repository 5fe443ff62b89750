"""The graphs that an encoder is exported as: for texts, for pictures, and for both."""

from __future__ import annotations

import logging
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from torch.nn import functional

from beekit.encoders import ItemTokens
from beekit.encoders.pixel_scale import PixelScale
from beekit.encoders.text_image import TextImage, reads_both
from beekit.errors import EncoderError, ExportError
from beekit.export.graph import Graph

logger = logging.getLogger(__name__)

# Examples of different lengths; no encoder treats their number or lengths in a special way.
_TEXTS = ("a red printer with two trays, for the office", "toner", "red toner, two of them")
_PICTURES = 3
# The names of a tokenizer's outputs, in the order in which encoders take them.
_TOKENS = ("input_ids", "attention_mask", "token_type_ids")


def encoder_graphs(encoder: SentenceTransformer) -> dict[str, Graph]:
    """The graphs of an encoder, whose outputs are L2-normalised embeddings.

    "text" takes tokens and "image" takes pixels. For an encoder that makes one embedding of text
    and picture, "fusion" takes the two embeddings. Its inputs have rows of zeros for items without
    text or without picture, so that nothing has to be embedded for these.

    Args:
        encoder: an encoder in float32 on the CPU. If it reads texts and pictures separately and has
            no tokenizer, only its pictures are exported, with a warning.

    Raises:
        ExportError: if the encoder reads neither texts nor pictures.
        EncoderError: if an encoder of texts has no tokenizer.
    """
    if reads_both(encoder):
        fused: TextImage = encoder[0]
        text, image = _text_graph(fused.text, states=False), _image_graph(fused.image)
        # The fusion has a second output: the part of the embedding that comes from the text.
        sides = {"text": text, "image": image}
        inputs = {f"{kind}_embedding": torch.ones(_PICTURES, g.dims) for kind, g in sides.items()}
        outputs = ("sentence_embedding", "text_part")
        return {**sides, "fusion": Graph(_Fusion(fused), inputs, outputs, fused.dims)}
    made = {}
    if encoder.supports("text"):
        try:
            made["text"] = _text_graph(encoder, states=has_states(encoder))
        except EncoderError as error:  # the text side cannot be used by a run either
            if not encoder.supports("image"):
                raise
            logger.warning("only pictures are exported: %s", error)
    if encoder.supports("image"):
        made["image"] = _image_graph(encoder)
    if not made:
        raise ExportError(
            f"an encoder of {', '.join(map(str, encoder.modalities))}",
            expected="an encoder of texts or pictures",
            remedy="Serve this encoder with torch.",
        )
    return made


def reads_padding(encoder: SentenceTransformer) -> bool:
    """Whether texts are always padded to the longest length, as open_clip does."""
    return hasattr(encoder[0], "model_cfg")


def has_states(encoder: SentenceTransformer) -> bool:
    """Whether the encoder reads only texts and computes its embedding from hidden states of tokens;
    the backends of sentence-transformers take these states from a graph."""
    texts_alone = encoder.supports("text") and not encoder.supports("image")
    return texts_alone and getattr(encoder[0], "module_output_name", None) == "token_embeddings"


def _text_graph(encoder: SentenceTransformer, *, states: bool) -> Graph:
    """The graph from token ids, and masks if the encoder takes them, to `sentence_embedding`; with
    `states` also to `last_hidden_state` (items, tokens, width)."""
    if reads_padding(encoder):
        ids = encoder.preprocess(list(_TEXTS))["input_ids"]
        tower = _OpenClipText(encoder[0].model)
        return Graph(tower, {"input_ids": ids}, ("sentence_embedding",), _dims(encoder))
    features = ItemTokens(encoder, _TEXTS).distinct_features(torch.arange(len(_TEXTS)).numpy())
    tensors = {key: value for key, value in features.items() if isinstance(value, Tensor)}
    tokens = {key: value for key, value in tensors.items() if value.ndim == 2}
    unknown = sorted(set(tokens) - set(_TOKENS))
    if unknown or "input_ids" not in tokens:
        raise ExportError(
            f"an encoder of texts that takes {', '.join(tokens)}",
            expected=f"an encoder that takes {', '.join(_TOKENS)}",
            remedy="Serve this encoder with torch.",
        )
    inputs = {key: tokens[key] for key in _TOKENS if key in tokens}
    constants = {key: value for key, value in features.items() if key not in tokens}
    module = _EmbeddingOf(encoder, list(inputs), constants, states)
    outputs = ("last_hidden_state", "sentence_embedding") if states else ("sentence_embedding",)
    return Graph(module, inputs, outputs, _dims(encoder), longest=encoder.max_seq_length)


def _image_graph(encoder: SentenceTransformer) -> Graph:
    """The graph from `pixel_values` (items, channels, height, width) to `sentence_embedding`."""
    pixels = torch.zeros(_PICTURES, *PixelScale.of(encoder).shape)
    side = _EmbeddingOf(encoder, ["pixel_values"], {"modality": "image"}, states=False)
    return Graph(side, {"pixel_values": pixels}, ("sentence_embedding",), _dims(encoder))


class _EmbeddingOf(nn.Module):
    """An encoder that takes features as separate arguments; its embeddings have length 1."""

    def __init__(
        self, encoder: SentenceTransformer, keys: list[str], constants: Any, states: bool
    ) -> None:
        super().__init__()
        self.parts = nn.ModuleList(encoder)
        self.keys, self.constants, self.states = keys, constants, states

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        features = {**self.constants, **dict(zip(self.keys, values, strict=True))}
        features = self.parts[0](features)
        states = (features["token_embeddings"],) if self.states else ()
        for part in list(self.parts)[1:]:
            features = part(features)
        return (*states, functional.normalize(features["sentence_embedding"], dim=-1))


class _OpenClipText(nn.Module):
    """The text side of an open_clip model, for texts of its full context length."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        return (functional.normalize(self.model.encode_text(values[0]), dim=-1),)


class _Fusion(nn.Module):
    """The fusion of a `TextImage` encoder; a row of zeros means that a side is missing."""

    def __init__(self, fused: TextImage) -> None:
        super().__init__()
        self.fusion = fused.fusion
        if fused.fusion != "mean":
            self.text_projection = fused.text_projection
            self.image_projection = fused.image_projection
        if fused.fusion == "gated":
            self.gate = fused.gate

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        t, i = values
        has_text, has_image = ((side != 0).any(dim=-1, keepdim=True) for side in values)
        if self.fusion == "gated":
            g = torch.sigmoid(self.gate(torch.cat([t, i], dim=-1)))
            g = torch.where(has_text & has_image, g, has_text.to(g.dtype))
        if self.fusion != "mean":
            t, i = self.text_projection(t), self.image_projection(i)
        if self.fusion == "gated":
            t, i = g * t, (1 - g) * i
        length = (t + i).norm(dim=-1, keepdim=True).clamp(min=1e-12)
        return (t + i) / length, t / length


def _dims(encoder: SentenceTransformer) -> int:
    return int(encoder.get_embedding_dimension() or 0)
