"""Gradients through the Trainer for pictures, and for text with pictures: one-pass autograd's."""

from __future__ import annotations

import pytest
from one_pass import both_ways, relative_error

from beekit import Dataset
from beekit.encoders import ItemPairs, ItemPixels, fuse, load_encoder
from beekit.quickstart import build_image_encoder


@pytest.fixture(scope="module")
def dataset(shop_folder) -> Dataset:
    return Dataset.load(shop_folder, text="{text}", image="image")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(params=["vit", "open_clip", "concat", "gated", "mean"])
def encoder_and_inputs(request, dataset, cache, encoder_folder, clip):
    """Vision models by themselves, and as a side; every seventh text and picture is missing."""
    kind, images = request.param, dataset.catalog.images
    vit = build_image_encoder(dims=32, layers=1, dropout=0.1)
    if kind in ("vit", "open_clip"):
        alone = vit if kind == "vit" else clip
        return alone, ItemPixels(alone, images, cache, workers=0)
    text = clip if kind == "mean" else load_encoder(encoder_folder, device="cpu")
    image = clip if kind == "mean" else vit
    pixels = ItemPixels(image, images, cache, workers=0)
    pixels.distinct_of = pixels.distinct_of.copy()
    pixels.distinct_of[::7] = -1
    texts = ["" if place % 7 == 3 else text for place, text in enumerate(dataset.catalog.texts)]
    fused = fuse(text, image, kind)
    return fused, ItemPairs(fused, texts, pixels)


@pytest.mark.parametrize("mini_batch_tokens", [1, 400, 10**6])
def test_gradient_in_float64_is_that_of_one_pass(
    encoder_and_inputs, dataset, tmp_path, mini_batch_tokens
):
    encoder, inputs = encoder_and_inputs
    found, expected = both_ways(
        encoder.double(),
        dataset,
        tmp_path,
        items=inputs,
        dropout=False,
        mini_batch_tokens=mini_batch_tokens,
    )
    assert relative_error(found, expected) < 1e-12


def test_gradient_with_dropout_is_that_of_one_pass_with_the_same_masks(
    encoder_and_inputs, dataset, tmp_path
):
    encoder, inputs = encoder_and_inputs
    found, expected = both_ways(
        encoder, dataset, tmp_path, items=inputs, dropout=True, mini_batch_tokens=400
    )
    assert relative_error(found, expected) < 2e-6
