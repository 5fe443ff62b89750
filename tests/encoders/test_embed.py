"""Embeddings that cannot be used: refused with the item's name, or warned of with their count."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from beekit import HeldOutEvaluator, cold_start_split, embed_items
from beekit.encoders import ItemTokens
from beekit.errors import EncoderError
from beekit.quickstart import build_encoder

TEXTS = ["red toner", "a drum that is overflowing", "green printer"]


@pytest.fixture
def overflowing() -> SentenceTransformer:
    """An encoder in half precision in which one word is beyond the largest number there is."""
    encoder = build_encoder(TEXTS, dims=32, layers=1)
    embeddings = encoder[0].auto_model.embeddings
    word = encoder.tokenizer.convert_tokens_to_ids("overflowing")
    with torch.no_grad():
        # Layer norm takes both away again, unless their sum is infinite.
        embeddings.word_embeddings.weight[word] = 65_000
        embeddings.position_embeddings.weight.fill_(1_000)
    return encoder


def test_an_overflow_in_half_precision_is_named_with_its_text(overflowing):
    assert np.isfinite(embed_items(overflowing, TEXTS)).all()
    overflowing.half()
    with pytest.raises(EncoderError, match=r"1 of 3 \(NaN; item index 1\)") as caught:
        embed_items(overflowing, TEXTS)
    assert "begins 'a drum that is overflowing'" in str(caught.value)
    assert "float32" in caught.value.remedy
    ids = np.array(["t1", "d2", "p3"])
    with pytest.raises(EncoderError, match="item 'd2'"):
        embed_items(overflowing, TEXTS, item_ids=ids)
    with pytest.raises(EncoderError, match=r"1 of 2 \(NaN; item 'd2'\)"):
        embed_items(overflowing, TEXTS, np.array([2, 1]), item_ids=ids)
    assert np.isfinite(embed_items(overflowing, TEXTS, np.array([0, 2]))).all()


def test_validation_of_a_diverged_encoder_is_an_error_and_no_recall_of_zero(encoder, shop_dataset):
    split = cold_start_split(shop_dataset.interactions, fraction=0.2)
    tokens = ItemTokens(encoder, shop_dataset.catalog.texts)
    evaluator = HeldOutEvaluator(split.validation, tokens, item_ids=shop_dataset.catalog.item_ids)
    with torch.no_grad():
        next(encoder.parameters()).fill_(torch.nan)
    with pytest.raises(EncoderError, match=r"not finite: \d+ of \d+ \(NaN; items "):
        evaluator(encoder)


class Scaled(torch.nn.Module):
    """What comes out of an encoder, times a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, features):
        return {
            **features,
            "sentence_embedding": features["sentence_embedding"] * self.factor + self.offset(),
        }

    def offset(self) -> float:
        return 0.0


class Constant(Scaled):
    def offset(self) -> float:
        return 1.0


def test_zero_vectors_are_counted_in_a_warning(encoder, caplog):
    silent = SentenceTransformer(modules=[*encoder, Scaled(0.0)], device="cpu")
    assert (embed_items(silent, TEXTS) == 0).all()
    assert "3 of 3 items get the zero vector" in caplog.text


def test_a_collapsed_encoder_is_warned_of(encoder, caplog):
    collapsed = SentenceTransformer(modules=[*encoder, Constant(0.0)], device="cpu")
    embed_items(collapsed, [*TEXTS, TEXTS[0]])
    assert "all 3 different inputs get the same embedding" in caplog.text


def test_an_encoder_as_it_should_be_is_not_warned_of(encoder, caplog):
    embed_items(encoder, [*TEXTS, TEXTS[0]])
    embed_items(encoder, TEXTS[:1])
    assert caplog.text == ""


def test_lengths_that_overflow_are_no_zero_vectors(encoder):
    large = SentenceTransformer(modules=[*encoder, Scaled(1e25)], device="cpu")
    with pytest.raises(EncoderError, match=r"3 of 3 \(infinite; item indices 0, 1, 2\)"):
        embed_items(large, TEXTS)
