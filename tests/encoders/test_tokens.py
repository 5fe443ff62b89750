"""Token caches give the encoder exactly what its own tokenisation would."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from beekit import embed_items, load_encoder
from beekit.encoders import ItemTokens
from beekit.encoders.inputs import features, sizes
from beekit.errors import EncoderError

TEXTS = ["basic toner", "deluxe laser printer prints documents", "toner", "basic toner", ""]


@pytest.mark.parametrize("side", ["right", "left"])
def test_features_are_those_of_the_encoder(encoder, side, monkeypatch):
    encoder.tokenizer.padding_side = side
    # A BERT counts positions from the left, so padding there would be refused.
    monkeypatch.setattr("beekit.encoders.tokens.require_same_as_encode", lambda *_: None)
    items = np.array([1, 0, 3])
    expected = encoder.preprocess([TEXTS[item] for item in items])
    found = features(ItemTokens(encoder, TEXTS), items)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(found[key], value), key


def test_items_are_padded_to_the_longest_at_hand_only(encoder):
    tokens = ItemTokens(encoder, TEXTS)
    assert features(tokens, np.array([2]))["input_ids"].shape == (1, 3)
    assert sizes(tokens).tolist() == [4, 7, 3, 4, 2]


def test_long_texts_are_cut_at_max_seq_length(encoder_folder):
    short = load_encoder(encoder_folder, max_seq_length=4, device="cpu")
    assert sizes(ItemTokens(short, TEXTS)).max() == 4


def test_embeddings_are_those_of_sentence_transformers(encoder, shop_dataset):
    texts = shop_dataset.catalog.texts
    for budget in (30, 500, 10**6):
        found = embed_items(encoder, texts, mini_batch_tokens=budget)
        expected = encoder.encode(texts, normalize_embeddings=True)
        np.testing.assert_allclose(found, expected, atol=2e-6)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_embeddings_of_some_items_in_the_order_asked_for(encoder):
    tokens = ItemTokens(encoder, TEXTS)
    everything = embed_items(encoder, tokens)
    np.testing.assert_allclose(
        embed_items(encoder, tokens, np.array([3, 1])), everything[[3, 1]], atol=1e-6
    )


def test_items_with_the_same_text_get_the_same_bits(encoder):
    embedded = embed_items(encoder, TEXTS, mini_batch_tokens=4)
    np.testing.assert_array_equal(embedded[0], embedded[3])


def test_embedding_leaves_the_mode_of_the_encoder(encoder):
    encoder.train()
    embed_items(encoder, TEXTS)
    assert encoder.training


def test_an_encoder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(EncoderError) as caught:
        load_encoder(tmp_path / "nothing")
    assert "\n" not in str(caught.value)
    assert "Check the path" in str(caught.value)


@pytest.mark.parametrize("length", [1, 10_000])
def test_impossible_lengths_are_refused(encoder_folder, length):
    with pytest.raises(EncoderError, match="max_seq_length"):
        load_encoder(encoder_folder, max_seq_length=length)


def test_joined_catalogs_are_read_as_each_alone(encoder):
    first, second = ItemTokens(encoder, TEXTS), ItemTokens(encoder, ["printer", TEXTS[1]])
    both = first.joined(second)
    assert len(both) == len(TEXTS) + 2
    found, expected = (
        features(both, np.array([6, 2, 5])),
        encoder.preprocess([TEXTS[1], TEXTS[2], "printer"]),
    )
    for key, value in expected.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(found[key], value), key
    assert sizes(both.take(np.array([5, 0]))).tolist() == [3, 4]


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([], "no texts"),
        (None, "no texts"),
        ("one text", "no texts"),
        (["toner", None], "NoneType in the text of item index 1"),
        ([3.5, "toner"], "float in the text of item index 0"),
        (["toner", "a \ud800 b"], r"half a character \(U\+D800\) in the text of item index 1"),
    ],
)
def test_what_is_no_text_is_one_line(encoder, texts, found):
    with pytest.raises(EncoderError, match=found) as refused:
        ItemTokens(encoder, texts)
    assert "\n" not in str(refused.value)


def test_texts_beyond_the_positions_of_an_encoder_name_the_limit(encoder):
    encoder.max_seq_length = 500
    with pytest.raises(EncoderError, match=r"its 64 positions\. Set max_seq_length=64"):
        ItemTokens(encoder, ["toner " * 100])


def test_arrays_of_texts_are_texts(encoder):
    given = np.array(TEXTS[:3], dtype=object)
    np.testing.assert_array_equal(embed_items(encoder, given), embed_items(encoder, TEXTS[:3]))


def test_embeddings_are_cut_as_encode_cuts_them(encoder):
    encoder.truncate_dim = 5
    found = embed_items(encoder, TEXTS)
    assert found.shape == (5, 5)
    np.testing.assert_allclose(found, encoder.encode(TEXTS, normalize_embeddings=True), atol=2e-6)
