"""The graphs that an encoder is exported as: for texts, for pictures, and for both."""

from __future__ import annotations

import logging
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding
from torch import Tensor, nn
from torch.nn import functional

from beekit.encoders import ItemTokens
from beekit.encoders.load import token_limit
from beekit.encoders.pixel_scale import PixelScale
from beekit.encoders.prompts import item_prompt
from beekit.encoders.text_image import TextImage, reads_both
from beekit.errors import EncoderError, ExportError
from beekit.export.graph import Graph

logger = logging.getLogger(__name__)

# Examples of different lengths; no encoder treats their number or lengths in a special way.
_TEXTS = ("a red printer with two trays, for the office", "toner", "red toner, two of them")
_PICTURES = 3
# How many tokens of a text a graph takes, if the encoder itself has no limit.
_LONGEST = 2**20
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
        text = _text_graph(fused.text, states=False, prompt=item_prompt(encoder))
        image = _image_graph(fused.image)
        # The fusion has a second output: the part of the embedding that comes from the text.
        sides = {"text": text, "image": image}
        inputs = {f"{kind}_embedding": torch.ones(_PICTURES, g.dims) for kind, g in sides.items()}
        outputs = ("sentence_embedding", "text_part")
        fusion = _Fusion(fused, encoder.truncate_dim)
        return {**sides, "fusion": Graph(fusion, inputs, outputs, _dims(encoder))}
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


def _text_graph(encoder: SentenceTransformer, *, states: bool, prompt: str | None = None) -> Graph:
    """The graph from token ids, and masks if the encoder takes them, to `sentence_embedding`; with
    `states` also to `last_hidden_state` (items, tokens, width)."""
    if isinstance(encoder[0], StaticEmbedding):
        return _bag_graph(encoder)
    if reads_padding(encoder):
        ids = encoder.preprocess(list(_TEXTS))["input_ids"]
        tower = _OpenClipText(encoder[0].model, encoder.truncate_dim)
        return Graph(tower, {"input_ids": ids}, ("sentence_embedding",), _dims(encoder))
    read = ItemTokens(encoder, _TEXTS, prompt)
    features = read.distinct_features(torch.arange(len(_TEXTS)).numpy())
    tensors = {key: value for key, value in features.items() if isinstance(value, Tensor)}
    tokens = {key: value for key, value in tensors.items() if value.ndim == 2}
    unknown = sorted(set(tensors) - set(_TOKENS))
    if unknown or "input_ids" not in tokens:
        raise ExportError(
            f"an encoder of texts that takes {', '.join(tensors)}",
            expected=f"an encoder that takes {', '.join(_TOKENS)}",
            remedy="Serve this encoder with torch.",
        )
    inputs = {key: tokens[key] for key in _TOKENS if key in tokens}
    constants = {key: value for key, value in features.items() if key not in tokens}
    module = _EmbeddingOf(encoder, list(inputs), constants, states)
    outputs = ("last_hidden_state", "sentence_embedding") if states else ("sentence_embedding",)
    longest = token_limit(encoder) or _LONGEST
    return Graph(module, inputs, outputs, _dims(encoder), longest=longest)


def _bag_graph(encoder: SentenceTransformer) -> Graph:
    """The same of an encoder with one vector a token, as padded tokens with their mask."""
    lengths = torch.tensor([4, 1, 3])
    mask = (torch.arange(4) < lengths[:, None]).long()
    inputs = {"input_ids": mask.clone(), "attention_mask": mask}
    side = _EmbeddingOf(encoder, list(inputs), {}, states=False)
    side.parts[0] = _MeanOfTokens(encoder[0].embedding.weight)
    return Graph(side, inputs, ("sentence_embedding",), _dims(encoder), longest=_LONGEST)


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
        self.dims: int | None = encoder.truncate_dim

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        features = {**self.constants, **dict(zip(self.keys, values, strict=True))}
        features = self.parts[0](features)
        states = (features["token_embeddings"],) if self.states else ()
        for part in list(self.parts)[1:]:
            if isinstance(part, Pooling) and not part.include_prompt:
                features = _without_prompt(features)
            features = part(features)
        embedding = features["sentence_embedding"][..., : self.dims]
        return (*states, functional.normalize(embedding, dim=-1))


def _without_prompt(features: dict[str, Any]) -> dict[str, Any]:
    """Features for a pooling that leaves out the prompt, whose tokens their mask leaves out.

    As `Pooling` does itself, but without asking whether any text is padded on the left, which a
    graph cannot.
    """
    mask, length = features["attention_mask"], features.pop("prompt_length", None)
    if length is None:
        return features
    first = mask.to(torch.int32).argmax(dim=1, keepdim=True)
    after = torch.arange(mask.shape[1], device=mask.device) >= first + length
    return {**features, "attention_mask": mask * after}


class _MeanOfTokens(nn.Module):
    """`StaticEmbedding` of padded tokens: the mean of their vectors, zeros where there are none."""

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, features: dict[str, Any]) -> dict[str, Any]:
        mask = features["attention_mask"].unsqueeze(-1).to(self.weight.dtype)
        total = (functional.embedding(features["input_ids"], self.weight) * mask).sum(dim=1)
        return {**features, "sentence_embedding": total / mask.sum(dim=1).clamp(min=1)}


class _OpenClipText(nn.Module):
    """The text side of an open_clip model, for texts of its full context length."""

    def __init__(self, model: nn.Module, dims: int | None) -> None:
        super().__init__()
        self.model: Any = model
        self.dims = dims

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        embedding = self.model.encode_text(values[0])[..., : self.dims]
        return (functional.normalize(embedding, dim=-1),)


class _Fusion(nn.Module):
    """The fusion of a `TextImage` encoder; a row of zeros means that a side is missing."""

    def __init__(self, fused: TextImage, cut: int | None) -> None:
        super().__init__()
        self.fusion, self.cut = fused.fusion, cut
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
        t, i = t[..., : self.cut], i[..., : self.cut]
        length = (t + i).norm(dim=-1, keepdim=True).clamp(min=1e-12)
        return (t + i) / length, t / length


def _dims(encoder: SentenceTransformer) -> int:
    return int(encoder.get_embedding_dimension() or 0)
