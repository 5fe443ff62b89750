"""A small transformer sentence encoder with random weights, made without a download."""

from __future__ import annotations

from collections.abc import Sequence
from tempfile import TemporaryDirectory
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

_SPECIAL = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}


def build_encoder(
    texts: Sequence[str],
    *,
    dims: int = 64,
    layers: int = 2,
    dropout: float = 0.1,
    max_seq_length: int = 64,
    seed: int = 0,
) -> SentenceTransformer:
    """A BERT encoder with random weights, whose vocabulary is the words of `texts`.

    Even with random weights, mean pooling gives similar embeddings to texts that share words. So it
    is a simple encoder of text similarity to start from.

    Args:
        texts: the texts that the vocabulary is taken from.
        dims: dimensions of the embeddings; a multiple of 16.
        layers: number of transformer layers.
        dropout: dropout rate in hidden layers and attention.
        max_seq_length: maximum length of a text in tokens.
        seed: seed of the weights; the global random state is not changed.
    """
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = list(_SPECIAL.values())
    trainer = trainers.WordLevelTrainer(special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    config = BertConfig(
        **transformer_sizes(dims, layers, dropout),
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=max_seq_length,
        pad_token_id=tokenizer.token_to_id("[PAD]"),
    )
    own = {"tokenizer_object": tokenizer, "model_max_length": max_seq_length}
    return mean_pooled(BertModel, config, PreTrainedTokenizerFast(**own, **_SPECIAL), seed)


def transformer_sizes(dims: int, layers: int, dropout: float) -> dict[str, Any]:
    """The sizes for a configuration of transformers; attention heads have 16 dimensions."""
    return {
        **{"hidden_size": dims, "num_hidden_layers": layers, "intermediate_size": 2 * dims},
        **{"num_attention_heads": max(1, dims // 16), "hidden_dropout_prob": dropout},
        "attention_probs_dropout_prob": dropout,
    }


def mean_pooled(kind: Any, config: Any, processor: Any, seed: int) -> SentenceTransformer:
    """An encoder with mean pooling around a model with random weights.

    `processor` is the tokenizer or image processor that reads its inputs.
    """
    with torch.random.fork_rng(devices=[]), TemporaryDirectory() as folder:
        torch.manual_seed(seed)
        kind(config).save_pretrained(folder)
        processor.save_pretrained(folder)
        transformer = Transformer(folder)
    pooling = Pooling(transformer.get_embedding_dimension(), "mean")
    return SentenceTransformer(modules=[transformer, pooling], device="cpu")
