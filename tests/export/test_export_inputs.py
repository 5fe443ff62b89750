"""What a server makes of texts and pictures is what the encoder makes of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from beekit import load_encoder
from beekit.encoders.open_clip import OpenCLIP
from beekit.errors import ExportError
from beekit.export.image_preprocessing import describe_pictures
from beekit.export.standalone import embed
from beekit.export.tokenizer import save_tokenizer

sys.path.append(str(Path(__file__).parent.parent / "encoders"))
from families import SIDE, VISION, random_pictures, save_vision

ODD = [
    *(
        "Tom &amp; Jerry&#39;s  “own” café",
        "",
        "don't STOP — it’s 2024",
        "ﬁne\tprint\n",
        "日本語 text",
    ),
    *("emoji 🖨️ here", "x" * 300, "a&amp;amp;b", "under_score #42", " toner " * 90),
]


class OnlyInputs(embed.Encoder):
    """The exported encoder before it has graphs."""

    def __init__(self, folder, inputs, **about):
        graphs = {"text": {"inputs": dict.fromkeys(inputs)}}
        (folder / "export.json").write_text(
            json.dumps({"format": "onnx", "graphs": {}, **about}), encoding="utf-8"
        )
        super().__init__(folder)
        self.about["graphs"] = graphs


def test_tokens_are_those_of_a_transformer(encoder, shop, tmp_path):
    about = save_tokenizer(encoder, tmp_path / "tokenizer.json")
    assert about == {"max_tokens": 64, "length": None, "clean": None}
    exported = OnlyInputs(tmp_path, ["input_ids", "attention_mask"], text=about)
    for texts in (ODD, shop.texts[:9], ["one"]):
        wanted = encoder.preprocess(texts)
        found = exported.tokens(texts)
        assert list(found) == ["input_ids", "attention_mask"]
        assert all((found[name] == wanted[name].numpy()).all() for name in found)


def test_tokens_are_those_of_open_clip(clip, tmp_path):
    about = save_tokenizer(clip, tmp_path / "tokenizer.json")
    assert about == {"max_tokens": 16, "length": 16, "clean": "lower"}
    exported = OnlyInputs(tmp_path, ["input_ids"], text=about)
    found = exported.tokens(ODD)
    assert list(found) == ["input_ids"]
    assert (found["input_ids"] == clip.preprocess(ODD)["input_ids"].numpy()).all()


def test_tokens_are_those_of_an_open_clip_with_a_tokenizer_of_transformers(
    encoder_folder, tmp_path
):
    tower = {"width": 16, "layers": 1}
    text = {**tower, "context_length": 12, "heads": 2, "hf_tokenizer_name": str(encoder_folder)}
    vision = {**tower, "image_size": 16, "head_width": 8, "patch_size": 4}
    for clean in ("whitespace", "canonicalize"):
        text["tokenizer_kwargs"] = {"clean": clean}
        module = OpenCLIP.from_config({"embed_dim": 16, "vision_cfg": vision, "text_cfg": text})
        clip = _encoder(module)
        about = save_tokenizer(clip, tmp_path / "tokenizer.json")
        assert about == {"max_tokens": 12, "length": 12, "clean": clean}
        exported = OnlyInputs(tmp_path, ["input_ids"], text=about)
        wanted = clip.preprocess(ODD)["input_ids"].numpy()
        assert (exported.tokens(ODD)["input_ids"] == wanted).all()


def test_a_tokenizer_of_another_kind_is_refused(clip, tmp_path):
    clip[0].tokenizer.clean_fn = lambda text: text[::-1]
    with pytest.raises(ExportError, match="tokenizer of the class SimpleTokenizer"):
        save_tokenizer(clip, tmp_path / "tokenizer.json")


@pytest.mark.parametrize("family", [name for name in VISION if name != "siglip2_vision_model"])
def test_the_recipe_of_pictures_is_the_encoders_preprocessing(family, tmp_path):
    save_vision(family, tmp_path)
    encoder = load_encoder(tmp_path, device="cpu")
    _same_pixels(encoder, tmp_path)


@pytest.mark.parametrize("mode", ["shortest", "squash"])
def test_the_recipe_of_open_clip_is_its_preprocessing(mode, tmp_path):
    tower = {"width": 16, "layers": 1}
    module = OpenCLIP.from_config(
        {
            "embed_dim": 16,
            "vision_cfg": {**tower, "image_size": SIDE, "head_width": 8, "patch_size": 8},
            "text_cfg": {**tower, "context_length": 16, "heads": 2},
        },
        {"resize_mode": mode, "interpolation": "bilinear"},
    )
    _same_pixels(_encoder(module), tmp_path)


def test_preprocessing_of_another_kind_has_no_recipe(clip, tmp_path):
    own = clip[0].image_transform
    assert describe_pictures(clip)["recipe"] is not None
    clip[0].image_transform = lambda picture: own(picture.rotate(90))
    about = describe_pictures(clip)
    assert about == {"shape": [3, 16, 16], "recipe": None}
    with pytest.raises(ValueError, match="use `pixels`"):
        OnlyInputs(tmp_path, [], image=about).preprocess(random_pictures(1)[0])


def _encoder(module):
    return SentenceTransformer(modules=[module], device="cpu")


def _same_pixels(encoder, folder):
    """Within one of 255 steps, for pictures without such contrasts that a bicubic filter leaves
    the range of 8 bits, which libraries cut at different places."""
    about = describe_pictures(encoder)
    exported = OnlyInputs(folder, [], image=about)
    step = about["recipe"]["rescale"] / min(about["recipe"]["std"])
    for noise in random_pictures(6, seed=3):
        picture = noise.point(lambda value: 64 + value // 2)
        wanted = encoder.preprocess([picture])["pixel_values"][0].numpy()
        found = exported.preprocess(picture)
        assert found.shape == wanted.shape == tuple(about["shape"])
        assert found.dtype == np.float32
        assert np.abs(found - wanted).max() < 1.01 * step


def test_a_graph_that_answers_with_what_is_not_finite_is_refused():
    encoder = embed.Encoder.__new__(embed.Encoder)
    made = np.array([[1.0, 0.0], [np.nan, 0.0], [0.0, np.inf]], dtype=np.float32)
    encoder._graphs = {"text": lambda feeds, output: made}
    with pytest.raises(ValueError, match=r"2 of 3 embeddings .*first: position 1"):
        encoder._run("text", {})
