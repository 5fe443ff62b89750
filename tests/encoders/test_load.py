"""Loading encoders: each vision family pools as it should, and what cannot be is one line."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from families import SHAPE, VISION, random_pictures, save_dual, save_vision
from sentence_transformers import SentenceTransformer

from beekit import load_encoder
from beekit.encoders import ItemTokens
from beekit.encoders.pixel_scale import PixelScale
from beekit.encoders.pooling import family_pooling
from beekit.errors import EncoderError

CLS_FAMILIES = [family for family in VISION if not family.startswith("siglip")]


@pytest.fixture(scope="session")
def vision_folder(tmp_path_factory):
    """A function for the folder and the model of a family, made once."""
    made = {}

    def make(family: str):
        if family not in made:
            folder = tmp_path_factory.mktemp("vision") / family
            made[family] = folder, save_vision(family, folder)
        return made[family]

    return make


def hidden_states(model, features) -> torch.Tensor:
    given = {key: value for key, value in features.items() if isinstance(value, torch.Tensor)}
    with torch.no_grad():
        return model(**given).last_hidden_state


@pytest.mark.parametrize("family", VISION)
def test_a_plain_vision_model_pools_as_its_family_does(family, vision_folder):
    folder, model = vision_folder(family)
    encoder = load_encoder(folder, device="cpu")
    features = encoder.preprocess(random_pictures())
    states = hidden_states(model, features)
    expected = states[:, 0] if family in CLS_FAMILIES else states.mean(dim=1)
    found = encoder(dict(features))["sentence_embedding"]
    assert found.shape == (3, encoder.get_embedding_dimension()) == (3, 16)
    torch.testing.assert_close(found, expected)
    # The other pooling is another embedding.
    other = states.mean(dim=1) if family in CLS_FAMILIES else states[:, 0]
    assert not torch.allclose(found, other, atol=1e-3)


@pytest.mark.parametrize("family", VISION)
def test_pooling_is_saved_and_kept(family, vision_folder, tmp_path):
    encoder = load_encoder(vision_folder(family)[0], device="cpu")
    pictures = random_pictures()
    expected = encoder.encode(pictures)
    encoder.save(str(tmp_path))
    np.testing.assert_array_equal(load_encoder(tmp_path, device="cpu").encode(pictures), expected)
    plain = SentenceTransformer(str(tmp_path), device="cpu")
    np.testing.assert_array_equal(plain.encode(pictures), expected)


def test_cls_is_the_token_before_the_last_norm_of_clip(vision_folder):
    folder, model = vision_folder("clip_vision_model")
    encoder = load_encoder(folder, device="cpu")
    features = encoder.preprocess(random_pictures())
    with torch.no_grad():
        pooled = model(pixel_values=features["pixel_values"]).pooler_output
        found = encoder(dict(features))["sentence_embedding"]
        torch.testing.assert_close(model.post_layernorm(found), pooled)
    assert not torch.allclose(found, pooled)


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_the_pooling_asked_for_is_taken(pooling, vision_folder):
    folder, model = vision_folder("vit")
    encoder = load_encoder(folder, pooling=pooling, device="cpu")
    features = encoder.preprocess(random_pictures())
    states = hidden_states(model, features)
    expected = {"cls": states[:, 0], "mean": states.mean(dim=1), "max": states.amax(dim=1)}
    torch.testing.assert_close(encoder(features)["sentence_embedding"], expected[pooling])


def test_a_folder_that_says_its_pooling_keeps_it(vision_folder, tmp_path):
    folder, model = vision_folder("vit")
    load_encoder(folder, pooling="mean", device="cpu").save(str(tmp_path))
    encoder = load_encoder(tmp_path, device="cpu")
    features = encoder.preprocess(random_pictures())
    expected = hidden_states(model, features).mean(dim=1)
    torch.testing.assert_close(encoder(dict(features))["sentence_embedding"], expected)
    overridden = load_encoder(tmp_path, pooling="cls", device="cpu")
    expected = hidden_states(model, features)[:, 0]
    torch.testing.assert_close(overridden(features)["sentence_embedding"], expected)


def test_text_encoders_keep_their_mean(encoder):
    assert family_pooling(encoder) is None
    assert encoder[1].pooling_mode == "mean"


@pytest.mark.parametrize("family", ["CLIP", "Siglip"])
def test_dual_encoders_give_projected_embeddings(family, encoder, tmp_path):
    model = save_dual(family, tmp_path / "model", encoder.tokenizer)
    dual = load_encoder(tmp_path / "model", device="cpu")
    texts = ["laser printer", "toner"]
    with torch.no_grad():
        for inputs, embed in (
            (random_pictures(), model.get_image_features),
            (texts, model.get_text_features),
        ):
            features = dual.preprocess(inputs)
            given = {key: value for key, value in features.items() if key != "modality"}
            expected = embed(**given).pooler_output
            found = dual(features)["sentence_embedding"]
            torch.testing.assert_close(found, expected)
            assert found.shape[1] == dual.get_embedding_dimension()
    # Patches, though only the embedding comes out.
    assert PixelScale.of(dual).tokens == (SHAPE["image_size"] // SHAPE["patch_size"]) ** 2
    expected = dual.encode(random_pictures())
    dual.save(str(tmp_path / "saved"))
    again = load_encoder(tmp_path / "saved", device="cpu")
    np.testing.assert_array_equal(again.encode(random_pictures()), expected)
    with pytest.raises(EncoderError, match="a way of its own"):
        load_encoder(tmp_path / "model", pooling="cls", device="cpu")


def test_texts_of_an_encoder_that_reads_padding_are_refused(encoder, tmp_path):
    for family, refused in (("CLIP", False), ("Siglip", True)):
        save_dual(family, tmp_path / family, encoder.tokenizer)
        dual = load_encoder(tmp_path / family, device="cpu")
        with pytest.raises(EncoderError, match="depend on padding") if refused else nullcontext():
            ItemTokens(dual, ["laser printer"])


def test_unknown_poolings_are_refused(vision_folder):
    folder, _ = vision_folder("vit")
    with pytest.raises(EncoderError, match="one of cls, mean, max"):
        load_encoder(folder, pooling="median")
    with pytest.raises(EncoderError, match="dual encoder"):
        load_encoder(folder, pooling="projection")


def test_a_limit_for_texts_is_refused_where_no_texts_are_read(vision_folder):
    with pytest.raises(EncoderError, match="reads image"):
        load_encoder(vision_folder("vit")[0], max_seq_length=8)
