"""Encoders of open_clip: its preprocessing, its embeddings, its folders, and ours too."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys

import numpy as np
import open_clip
import pyarrow as pa
import pytest
import torch
from families import random_pictures
from sentence_transformers import SentenceTransformer

import beekit
from beekit import embed_items, load_encoder
from beekit.data.image_column import ImageColumn
from beekit.encoder_modules import NAMESPACE
from beekit.encoders import ItemPixels, ItemTokens
from beekit.encoders.inputs import features, sizes
from beekit.encoders.open_clip import OpenCLIP
from beekit.errors import EncoderError

TEXTS = ["a red shirt", "", "toner", "laser printer prints documents " * 40, "blue jeans!!"]
_VISION = {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32}
_TEXT = {"width": 32, "heads": 2, "layers": 2}
_HALF = {"mean": [0.5] * 3, "std": [0.5] * 3, "resize_mode": "squash"}
KINDS = ("clip", "siglip", "xlm", "coca", "bert", "resnet")


def model_cfg(kind: str, folder) -> dict:
    """A tiny configuration as of the published models of a kind."""
    tokenizer = {"hf_tokenizer_name": str(folder)}
    config = {"embed_dim": 24, "vision_cfg": dict(_VISION), "text_cfg": dict(_TEXT)}
    if kind == "siglip":
        timm = {"timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": "none"}
        config["vision_cfg"] = {"image_size": 160, **timm}
        config |= {"embed_dim": 64, "custom_text": True, "init_logit_bias": -10}
        config["text_cfg"] |= {
            **{"no_causal_mask": True, "pool_type": "last", "proj_bias": True},
            **{"context_length": 16, **tokenizer, "tokenizer_kwargs": {"clean": "canonicalize"}},
        }
    elif kind == "xlm":
        config["custom_text"] = True
        config["text_cfg"] |= {"pool_type": "eos", "eos_id": 3, "context_length": 20, **tokenizer}
    elif kind == "coca":
        config["custom_text"] = True
        config["vision_cfg"] |= {"attentional_pool": True, "attn_pooler_heads": 2}
        config["vision_cfg"] |= {"output_tokens": True}
        config["text_cfg"] |= {"embed_cls": True, "output_tokens": True, "context_length": 76}
        config["multimodal_cfg"] = {**_TEXT, "context_length": 76, "attn_pooler_heads": 2}
    elif kind == "bert":
        config["text_cfg"] = {"hf_model_name": str(folder), "context_length": 24, **tokenizer}
    elif kind == "resnet":
        config["vision_cfg"] = {"layers": [1, 1, 1, 1], "width": 16, "image_size": 64}
    return config


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


def build(kind: str, folder, seed: int = 0) -> SentenceTransformer:
    preprocess = _HALF if kind == "siglip" else None
    module = OpenCLIP.from_config(model_cfg(kind, folder), preprocess, seed=seed)
    return SentenceTransformer(modules=[module], device="cpu").eval()


@pytest.fixture
def clip(kind, encoder_folder) -> SentenceTransformer:
    return build(kind, encoder_folder)


def of_open_clip(clip: SentenceTransformer, inputs) -> np.ndarray:
    """Embeddings by open_clip alone, texts at the full context length."""
    module = clip[0]
    with torch.no_grad():
        if isinstance(inputs[0], str):
            embedded = module.model.encode_text(module.tokenizer(inputs), normalize=False)
        else:
            config = open_clip.transform.PreprocessCfg(**module.model.visual.preprocess_cfg)
            transform = open_clip.transform.image_transform_v2(config, is_train=False)
            pixels = torch.stack([transform(picture) for picture in inputs])
            embedded = module.model.encode_image(pixels, normalize=False)
    return embedded.numpy()


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_pictures_are_embedded_as_by_open_clip(clip):
    pictures = random_pictures()
    found = clip.encode(pictures)
    assert found.shape == (3, clip.get_embedding_dimension())
    np.testing.assert_allclose(found, of_open_clip(clip, pictures), atol=1e-6)
    named = clip.encode([{"image": picture} for picture in pictures])
    np.testing.assert_array_equal(named, found)


def test_texts_are_embedded_as_by_open_clip_alone_or_with_others(clip):
    expected = of_open_clip(clip, TEXTS)
    np.testing.assert_allclose(clip.encode(TEXTS), expected, atol=1e-6)
    alone = np.concatenate([clip.encode([{"text": text}]) for text in TEXTS])
    np.testing.assert_allclose(alone, expected, atol=1e-6)
    # And they are not all alike.
    assert np.abs(expected[0] - expected[2]).max() > 1e-3


def test_cached_tokens_give_the_same_embeddings(clip):
    tokens = ItemTokens(clip, TEXTS)
    expected = unit(of_open_clip(clip, TEXTS))
    for budget in (1, 10**6):
        found = embed_items(clip, tokens, mini_batch_tokens=budget)
        np.testing.assert_allclose(found, expected, atol=2e-6)


def test_texts_are_read_no_further_than_their_embedding_needs(clip, kind):
    counted = sizes(ItemTokens(clip, TEXTS))
    context = clip.max_seq_length
    if kind in ("siglip", "coca"):
        assert counted.tolist() == [context] * len(TEXTS)
    else:
        assert counted[:4].tolist() == [5, 2, 3, context]
        cached = features(ItemTokens(clip, TEXTS), np.array([0, 1]))
        assert cached["input_ids"].shape == (2, 5)


def test_cached_pixels_are_those_of_open_clip(clip, tmp_path):
    pictures = random_pictures()
    for index, picture in enumerate(pictures):
        picture.save(tmp_path / f"{index}.png")
    paths = [f"{index}.png" for index in range(len(pictures))]
    column = ImageColumn(pa.chunked_array([paths]), tmp_path)
    pixels = ItemPixels(clip, column, tmp_path / "cache", workers=0)
    expected = clip.preprocess(pictures)["pixel_values"]
    found = features(pixels, np.arange(3))["pixel_values"]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert pixels.scale.exact
    np.testing.assert_allclose(
        embed_items(clip, pixels), unit(of_open_clip(clip, pictures)), atol=2e-6
    )


@pytest.mark.parametrize(
    ("kind", "tokens"), [("clip", 17), ("siglip", 101), ("resnet", 5)], indirect=["kind"]
)
def test_a_picture_costs_its_patches(clip, tokens):
    assert clip[0].image_tokens == tokens


def test_a_saved_encoder_loads_the_same(clip, tmp_path):
    clip.save(str(tmp_path))
    (described,) = json.loads((tmp_path / "modules.json").read_text())
    assert described["type"] == f"{NAMESPACE}.OpenCLIP"
    again = load_encoder(tmp_path, device="cpu")
    for inputs in (random_pictures(), TEXTS):
        np.testing.assert_array_equal(again.encode(inputs), clip.encode(inputs))


_WITH_BEEKIT = """
import beekit
from sentence_transformers import SentenceTransformer
encoder = SentenceTransformer(folder, device="cpu")
images, texts = encoder.encode(pictures), encoder.encode(texts)
"""
_WITH_OPEN_CLIP = """
import open_clip, torch
model, transform = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
model.eval()
with torch.no_grad():
    images = model.encode_image(torch.stack([transform(p) for p in pictures])).numpy()
    texts = model.encode_text(tokenize(texts)).numpy()
assert "beekit" not in sys.modules
"""


@pytest.mark.parametrize("code", [_WITH_BEEKIT, _WITH_OPEN_CLIP], ids=["beekit", "open_clip"])
@pytest.mark.parametrize("kind", ["clip", "siglip"], indirect=True)
def test_a_fresh_process_embeds_the_same_after_training(clip, code, tmp_path):
    with torch.no_grad():
        for parameter in clip.parameters():
            parameter += 0.02 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(parameter.numel())
            )
    clip.save(str(tmp_path / "saved"))
    pictures = random_pictures()
    for index, picture in enumerate(pictures):
        picture.save(tmp_path / f"{index}.png")
    script = (
        "import json, sys, warnings\nwarnings.simplefilter('error')\n"
        "import numpy as np\nfrom PIL import Image\n"
        "folder, count, texts = 'saved', int(sys.argv[1]), json.loads(sys.argv[2])\n"
        "pictures = [Image.open(f'{i}.png') for i in range(count)]\n"
        f"{code}\nnp.savez('found.npz', images=images, texts=texts)"
    )
    command = [sys.executable, "-c", script, str(len(pictures)), json.dumps(TEXTS)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = np.load(tmp_path / "found.npz")
    np.testing.assert_allclose(found["images"], clip.encode(pictures), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["texts"], clip.encode(TEXTS), rtol=1e-5, atol=1e-6)


def test_gradients_reach_both_towers_and_nothing_else(clip, kind):
    clip.train()
    for inputs in (random_pictures(), TEXTS):
        clip(clip.preprocess(inputs))["sentence_embedding"].square().sum().backward()
    without = {name for name, p in clip[0].model.named_parameters() if p.grad is None}
    unused = {"logit_scale", "logit_bias", "text.transformer.pooler"}
    unused |= {"text_decoder", "visual.attn_pool_contrastive"}
    assert all(any(name.startswith(part) for part in unused) for name in without), without
    assert "logit_scale" in without


def test_copies_and_pickles_embed_the_same(encoder_folder):
    clip = build("clip", encoder_folder)
    expected = clip.encode(TEXTS)
    # As a spawned worker process gets it; nothing that was stored is read.
    for twin in (copy.deepcopy(clip[0]), pickle.loads(pickle.dumps(clip[0]))):
        assert type(twin) is OpenCLIP
        encoder = SentenceTransformer(modules=[twin], device="cpu")
        np.testing.assert_array_equal(encoder.encode(TEXTS), expected)


def test_random_weights_are_those_of_the_seed_alone(encoder_folder):
    state = torch.get_rng_state()
    first, again, other = (
        build("clip", encoder_folder, seed).encode(["toner"]) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_encoders_do_not_need_open_clip():
    code = "import sys, beekit.encoders; assert 'open_clip' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert beekit.encoder_modules.OpenCLIP is OpenCLIP


@pytest.fixture
def tiny_architecture(encoder_folder, tmp_path, monkeypatch):
    """A tiny architecture that open_clip knows, a checkpoint, and a tag that wants QuickGELU."""
    config = model_cfg("clip", encoder_folder)
    clip = build("clip", encoder_folder, seed=3)
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": clip[0].model.state_dict()}, path)
    published = {"quick": {"file": str(path), "quick_gelu": True, **_HALF}}
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny", config)
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny", published)
    return clip, path


def test_a_checkpoint_is_loaded_by_its_path(tiny_architecture):
    clip, path = tiny_architecture
    encoder = load_encoder(f"open_clip:tiny/{path}", device="cpu")
    for inputs in (random_pictures(), TEXTS):
        np.testing.assert_allclose(encoder.encode(inputs), clip.encode(inputs), atol=1e-6)


def test_published_weights_get_their_activation_and_keep_it(tiny_architecture, tmp_path):
    clip, _ = tiny_architecture
    encoder = load_encoder("open_clip:tiny/quick", device="cpu")
    assert isinstance(encoder[0].model.transformer.resblocks[0].mlp.gelu, open_clip.model.QuickGELU)
    assert encoder[0].model.visual.preprocess_cfg["resize_mode"] == "squash"
    assert np.abs(encoder.encode(TEXTS) - clip.encode(TEXTS)).max() > 1e-4
    encoder.save(str(tmp_path / "saved"))
    again = load_encoder(tmp_path / "saved", device="cpu")
    np.testing.assert_array_equal(again.encode(TEXTS), encoder.encode(TEXTS))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("open_clip:ViTB32/openai", r"nearest: ViT-B-32"),
        ("open_clip:ViT-B-32", r"TAG is a checkpoint's path or one of openai, laion400m_e31"),
        ("open_clip:ViT-B-32/laion2b_s34b", r"nearest: laion2b_s34b_b79k"),
        ("open_clip:ViT-B-32//nowhere/weights.pt", r"no such file"),
        ("open_clip:", r"no architecture ''"),
    ],
)
def test_what_open_clip_does_not_know_is_one_line(name, message):
    with pytest.raises(EncoderError, match=message) as caught:
        load_encoder(name)
    assert "\n" not in str(caught.value)


def test_no_connection_is_one_line(monkeypatch):
    def fail(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(open_clip.factory, "download_pretrained", fail)
    with pytest.raises(EncoderError, match=r"no route to host.*Check the connection") as caught:
        load_encoder("open_clip:ViT-B-32/laion2b_s34b_b79k")
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_model_is_one_line(tiny_architecture, tmp_path):
    other, broken = tmp_path / "other.pt", tmp_path / "broken.pt"
    torch.save({"state_dict": {"weight": torch.zeros(2)}}, other)
    broken.write_bytes(b"not weights")
    for path in (other, broken):
        with pytest.raises(EncoderError, match="the same architecture") as caught:
            load_encoder(f"open_clip:tiny/{path}")
        assert "\n" not in str(caught.value)


def test_other_inputs_are_refused(encoder_folder):
    clip = build("clip", encoder_folder)
    with pytest.raises(EncoderError, match="float, str"):
        clip[0].preprocess(["text", 1.5])
    with pytest.raises(EncoderError, match="Image, str"):
        clip[0].preprocess(["text", *random_pictures(1)])


def test_the_context_length_is_the_only_limit(encoder_folder, tmp_path):
    build("clip", encoder_folder).save(str(tmp_path))
    assert load_encoder(tmp_path, max_seq_length=77, device="cpu").max_seq_length == 77
    with pytest.raises(EncoderError, match="77, its context length"):
        load_encoder(tmp_path, max_seq_length=20, device="cpu")


def test_prompts_come_before_texts(encoder_folder):
    clip = build("clip", encoder_folder)
    found = clip.encode(["shirt"], prompt="a photo of a ")
    np.testing.assert_array_equal(found, clip.encode(["a photo of a shirt"]))


def test_a_folder_without_weights_is_one_line(encoder_folder, tmp_path):
    build("clip", encoder_folder).save(str(tmp_path))
    (tmp_path / "open_clip_model.safetensors").unlink()
    with pytest.raises(EncoderError, match="weights") as caught:
        load_encoder(tmp_path)
    assert "\n" not in str(caught.value)
