"""Items are read after the encoder's prompt for documents, and a saved encoder keeps that."""

from __future__ import annotations

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from beekit import embed_items, load_encoder
from beekit.encoders import ItemTokens
from beekit.encoders.prompts import item_prompt, settle_prompt
from beekit.errors import EncoderError

TEXTS = ["basic toner", "deluxe laser printer prints documents", "toner"]


@pytest.mark.parametrize(
    ("prompts", "default", "expected"),
    [
        ({}, None, ""),
        ({"search": "basic "}, "search", "basic "),
        ({"query": "basic ", "passage": "laser "}, None, "laser "),
        ({"query": "basic ", "passage": "laser "}, "query", "laser "),
        ({"document": "toner ", "passage": "laser "}, None, "toner "),
        ({"query": "basic "}, None, ""),
    ],
)
def test_items_get_the_prompt_of_documents(encoder_folder, tmp_path, prompts, default, expected):
    SentenceTransformer(
        str(encoder_folder), prompts=dict(prompts), default_prompt_name=default, device="cpu"
    ).save(str(tmp_path / "came"), create_model_card=False)
    encoder = load_encoder(tmp_path / "came", device="cpu")
    assert item_prompt(encoder) == expected
    found = embed_items(encoder, TEXTS)
    encoder.save(str(tmp_path / "saved"), create_model_card=False)
    plain = SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    for encode in (plain.encode, plain.encode_document):
        np.testing.assert_allclose(found, encode(TEXTS, normalize_embeddings=True), atol=2e-6)
    without = plain.encode(TEXTS, prompt="", normalize_embeddings=True)
    assert np.allclose(found, without, atol=1e-4) == (not expected)


def test_a_prompt_asked_for_replaces_the_encoders_own(encoder):
    settle_prompt(encoder, "laser ")
    assert item_prompt(encoder) == "laser "
    settle_prompt(encoder)
    assert item_prompt(encoder) == "laser "
    settle_prompt(encoder, "")
    assert item_prompt(encoder) == ""


@pytest.mark.parametrize("asked", ["", "basic "])
@pytest.mark.parametrize("name", ["document", "passage", "corpus"])
def test_a_saved_encoder_keeps_the_prompt_asked_for(encoder, tmp_path, name, asked):
    encoder.prompts[name] = "laser "
    settle_prompt(encoder, asked)
    assert item_prompt(encoder) == asked
    encoder.save(str(tmp_path), create_model_card=False)
    assert item_prompt(load_encoder(tmp_path, device="cpu")) == asked
    plain = SentenceTransformer(str(tmp_path), device="cpu")
    expected = plain.encode(TEXTS, prompt=asked)
    np.testing.assert_allclose(plain.encode_document(TEXTS), expected, atol=2e-6)


def test_both_sides_of_a_prompt_are_tokens(encoder):
    plain = ItemTokens(encoder, ["laser toner"])
    settle_prompt(encoder, "laser ")
    prompted = ItemTokens(encoder, ["toner"])
    assert plain.distinct_sizes.tolist() == prompted.distinct_sizes.tolist() == [4]


def test_a_fused_encoder_reads_texts_after_the_prompt(encoder, vit):
    from beekit import fuse

    settle_prompt(encoder, "laser ")
    fused = fuse(encoder, vit)
    assert item_prompt(fused) == "laser "
    expected = fused.encode([{"text": f"laser {TEXTS[0]}", "image": None}], prompt="")
    np.testing.assert_allclose(fused.encode([{"text": TEXTS[0], "image": None}]), expected)


def test_a_prompt_for_pictures_is_refused(vit_folder):
    with pytest.raises(EncoderError, match="Leave prompt out"):
        load_encoder(vit_folder, prompt="a picture: ", device="cpu")
