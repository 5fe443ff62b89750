"""A small transformer sentence encoder, built on the spot: no download, random weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def build_encoder(
    texts: Sequence[str],
    *,
    dims: int = 64,
    layers: int = 2,
    dropout: float = 0.1,
    max_seq_length: int = 64,
    seed: int = 0,
) -> SentenceTransformer:
    """A BERT of `layers` layers and `dims` dimensions whose words are those of the texts.

    Its weights are drawn from `seed`. With mean pooling, texts that share words come out alike even
    so: a plain text-similarity encoder, to start from.

    Args:
        texts: what the vocabulary is taken from.
        dims: size of embeddings; a multiple of 16.
        layers: transformer layers.
        dropout: rate in hidden layers and attention.
        max_seq_length: in tokens.
        seed: of the weights; the global random state stays as it was.
    """
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        texts, trainers.WordLevelTrainer(special_tokens=list(_SPECIAL), show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=dims,
        num_hidden_layers=layers,
        num_attention_heads=max(1, dims // 16),
        intermediate_size=2 * dims,
        max_position_embeddings=max_seq_length,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        pad_token_id=tokenizer.token_to_id("[PAD]"),
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=max_seq_length,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        bert = BertModel(config)
    with TemporaryDirectory() as folder:
        bert.save_pretrained(folder)
        fast.save_pretrained(folder)
        transformer = Transformer(str(Path(folder)), max_seq_length=max_seq_length)
    pooling = Pooling(transformer.get_embedding_dimension(), "mean")
    return SentenceTransformer(modules=[transformer, pooling], device="cpu")
