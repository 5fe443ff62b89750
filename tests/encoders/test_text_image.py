"""Text and picture in one embedding: sums of parts, missing sides, plain saving and loading."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from tiny_pictures import as_png, drawn
from torch.nn import functional

from beekit import embed_items, load_encoder
from beekit.encoders import ItemPairs, ItemPixels, fuse
from beekit.encoders.inputs import features, sizes
from beekit.encoders.text_image import FUSIONS, reads_both
from beekit.errors import EncoderError

TEXTS = ["basic toner", "", "deluxe laser printer prints documents", "toner"]
PICTURES = [as_png(drawn(0)), as_png(drawn(1)), None, as_png(drawn(0))]
INPUTS = [
    {"text": "basic toner", "image": drawn(0)},
    {"text": None, "image": drawn(1)},
    {"text": "deluxe laser printer prints documents", "image": None},
    {"text": "toner", "image": drawn(0)},
]


@pytest.fixture(params=["concat", "gated"])
def fused(request, encoder, vit):
    both = fuse(encoder, vit, request.param, seed=1)
    if request.param == "gated":  # a gate that is not one half everywhere
        with torch.no_grad():
            both[0].gate.weight.normal_(generator=torch.Generator().manual_seed(0))
    return both.eval()


@pytest.fixture
def pairs(fused, column, tmp_path):
    pixels = ItemPixels(fused[0].image, column(PICTURES), tmp_path / "cache", workers=0)
    return ItemPairs(fused, TEXTS, pixels)


def side(encoder, given) -> np.ndarray:
    return encoder.encode([given], normalize_embeddings=True)[0]


def test_concat_is_the_sum_of_the_projected_sides(encoder, vit):
    both = fuse(encoder, vit, "concat").eval()
    t, i = side(encoder, "basic toner"), side(vit, drawn(0))
    expected = (
        both[0].text_projection.weight.detach().numpy() @ t
        + both[0].image_projection.weight.detach().numpy() @ i
    )
    np.testing.assert_allclose(both.encode(INPUTS[:1])[0], expected, atol=1e-6)


def test_gated_by_hand(encoder, vit):
    both = fuse(encoder, vit, "gated").eval()
    module = both[0]
    with torch.no_grad():
        module.gate.bias.fill_(1.0)
    t, i = side(encoder, "toner"), side(vit, drawn(3))
    g = 1 / (1 + np.exp(-1))
    wt, wi = (p.weight.detach().numpy() for p in (module.text_projection, module.image_projection))
    found = both.encode([{"text": "toner", "image": drawn(3)}])[0]
    np.testing.assert_allclose(found, g * wt @ t + (1 - g) * wi @ i, atol=1e-6)
    np.testing.assert_allclose(both.encode(["toner"])[0], wt @ t, atol=1e-6)
    np.testing.assert_allclose(both.encode([drawn(3)])[0], wi @ i, atol=1e-6)


def test_a_missing_side_leaves_the_other_as_it_is_alone(fused):
    text, image = fused[0].text, fused[0].image
    alone = fused.encode([{"text": "toner", "image": None}, {"text": None, "image": drawn(2)}])
    expected = (
        fused[0].text_projection.weight.detach().numpy() @ side(text, "toner"),
        fused[0].image_projection.weight.detach().numpy() @ side(image, drawn(2)),
    )
    np.testing.assert_allclose(alone, expected, atol=1e-6)


def test_before_training_likeness_is_that_of_both_sides(encoder, vit):
    inputs = [{"text": "toner", "image": drawn(0)}, {"text": "printer", "image": drawn(1)}]
    wide = fuse(encoder, vit, "concat", dims=48).eval()  # room for both, so angles are kept
    t = encoder.encode(["toner", "printer"], normalize_embeddings=True)
    projected = wide[0].text_projection(torch.tensor(t)).detach()
    np.testing.assert_allclose((projected @ projected.T).numpy(), t @ t.T, atol=1e-5)
    assert wide.encode(inputs).shape == (2, 48)


def test_prepared_pairs_are_what_the_encoder_reads_itself(fused, pairs):
    expected = fused.encode(INPUTS, normalize_embeddings=True)
    np.testing.assert_allclose(embed_items(fused, pairs), expected, atol=2e-6)
    order = np.array([2, 0])
    np.testing.assert_allclose(embed_items(fused, pairs, order), expected[order], atol=2e-6)


def test_the_parts_of_the_sides_sum_up(fused, pairs):
    made = fused(features(pairs, np.arange(4)))
    torch.testing.assert_close(made["text_part"] + made["image_part"], made["sentence_embedding"])
    assert (made["text_part"][1] == 0).all()
    assert (made["image_part"][2] == 0).all()


def test_the_size_of_an_item_is_that_of_both_sides(pairs):
    assert sizes(pairs).tolist() == [4 + 17, 2 + 17, 7, 3 + 17]


def test_pixels_are_never_cut_as_if_they_were_tokens(fused, column, tmp_path):
    from sentence_transformers.base.losses import gradcache

    pixels = ItemPixels(fused[0].image, column(PICTURES[:2]), tmp_path / "cache", workers=0)
    made = features(ItemPairs(fused, ["toner", ""], pixels), np.arange(2))
    piece = gradcache._create_minibatch(made, 1, 2)  # two tokens where the longest has three
    assert piece["pixel_values_of_image"].shape[1] == 3


def test_items_without_both_are_refused(fused, column, tmp_path):
    pixels = ItemPixels(fused[0].image, column([None]), tmp_path / "cache", workers=0)
    with pytest.raises(EncoderError, match="neither text nor picture"):
        ItemPairs(fused, [""], pixels)


class Longer(torch.nn.Module):
    """Embeddings whose entries half precision can hold and whose length it cannot."""

    def forward(self, features):
        large = torch.full_like(features["sentence_embedding"], 60_000.0)
        return {**features, "sentence_embedding": large}


def test_a_side_too_long_for_half_precision_is_still_of_length_one(encoder, vit):
    long = SentenceTransformer(modules=[*encoder, Longer()], device="cpu")
    both = fuse(long, vit).half()
    made = both[0].forward(both.preprocess(["a red printer", "toner"]))
    lengths = made["text_part"].float().norm(dim=-1)
    torch.testing.assert_close(lengths, torch.ones(2), atol=1e-2, rtol=0)


def test_mean_is_for_sides_of_one_size(encoder, vit, tmp_path):
    with pytest.raises(EncoderError, match="32 text and 16 image dimensions"):
        fuse(encoder, vit, "mean")
    with pytest.raises(EncoderError, match="one of mean, concat, gated"):
        fuse(encoder, vit, "sum")


def test_sides_have_to_read_their_side(encoder, vit):
    with pytest.raises(EncoderError, match="for the text side"):
        fuse(vit, vit)
    with pytest.raises(EncoderError, match="for the image side"):
        fuse(encoder, encoder)


def test_saved_and_loaded_in_a_fresh_process_it_is_the_same(fused, tmp_path):
    folder = tmp_path / "model"
    fused.save(str(folder))
    np.save(tmp_path / "before.npy", fused.encode(INPUTS))
    described = []
    for place, given in enumerate(INPUTS):
        if given["image"] is not None:
            given["image"].save(tmp_path / f"{place}.png")
        picture = None if given["image"] is None else str(tmp_path / f"{place}.png")
        described.append({"text": given["text"], "image": picture})
    (tmp_path / "inputs.json").write_text(json.dumps(described))
    code = f"""
import json, pathlib, numpy as np, beekit
from PIL import Image
from sentence_transformers import SentenceTransformer
inputs = json.loads(pathlib.Path({str(tmp_path / "inputs.json")!r}).read_text())
for given in inputs:
    given["image"] = given["image"] and Image.open(given["image"])
found = SentenceTransformer({str(folder)!r}, device="cpu").encode(inputs)
assert np.array_equal(found, np.load({str(tmp_path / "before.npy")!r}))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert reads_both(load_encoder(folder, device="cpu"))


def test_one_encoder_of_both_is_saved_once(clip, tmp_path):
    both = fuse(clip, clip, "mean").eval()
    folder = tmp_path / "model"
    both.save(str(folder))
    assert not (folder / "image").exists()
    again = SentenceTransformer(str(folder), device="cpu")
    assert again[0].text is again[0].image
    assert np.array_equal(again.encode(INPUTS), both.encode(INPUTS))
    t, i = side(clip, "basic toner"), side(clip, drawn(0))
    np.testing.assert_allclose(both.encode(INPUTS[:1])[0], t + i, atol=1e-6)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_parameter_that_is_trained_once_gets_a_gradient(fusion, encoder, vit, clip):
    both = fuse(clip, clip, fusion) if fusion == "mean" else fuse(encoder, vit, fusion)
    made = both(both.preprocess(INPUTS))
    target = torch.randn(
        made["sentence_embedding"].shape, generator=torch.Generator().manual_seed(0)
    )
    (functional.normalize(made["sentence_embedding"], dim=-1) * target).sum().backward()
    named = [name for name, _ in both.named_parameters()]
    assert len(named) == len(set(named))
    missing = {n for n, p in both.named_parameters() if p.grad is None}
    assert not {n for n in missing if "pooler" not in n and "logit" not in n}


def test_joined_catalogs_are_read_as_each_alone(fused, pairs, column, tmp_path):
    pixels = ItemPixels(fused[0].image, column([PICTURES[1], None]), tmp_path / "c", workers=0)
    other = ItemPairs(fused, ["a longer text about a toner", "toner"], pixels)
    written = ItemPairs(fused, ["basic paper"], None)
    for parts in ((pairs, other), (pairs, written), (written, pairs), (other, pairs)):
        both = parts[0].joined(parts[1])
        expected = np.concatenate([embed_items(fused, part) for part in parts])
        np.testing.assert_allclose(embed_items(fused, both), expected, atol=2e-6)
        second = np.arange(len(parts[0]), len(both))
        np.testing.assert_allclose(
            embed_items(fused, both.take(second)), expected[second], atol=2e-6
        )


def test_weights_that_do_not_fit_are_refused(encoder, vit, tmp_path):
    fuse(encoder, vit, "concat").save(str(tmp_path / "model"))
    config = tmp_path / "model" / "text_image_config.json"
    config.write_text(config.read_text().replace("concat", "gated"))
    with pytest.raises(EncoderError, match=r"gate\.weight"):
        load_encoder(tmp_path / "model", device="cpu")
