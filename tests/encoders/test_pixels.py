"""Pixel caches give the encoder exactly what its own preprocessing would, and decode once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_pictures import as_png, drawn

from beekit import embed_items
from beekit.data import images
from beekit.encoders import ItemPixels, pixel_cache
from beekit.encoders.inputs import features, sizes
from beekit.errors import EncoderError

FILES = [as_png(drawn(0)), as_png(drawn(1, (9, 40))), as_png(drawn(0)), as_png(drawn(2, (50, 17)))]


def test_pixels_are_those_of_the_encoder(vit, column, tmp_path):
    cached = ItemPixels(vit, column(FILES), tmp_path / "cache", workers=0)
    found = features(cached, np.array([3, 0, 2]))
    expected = vit.preprocess([drawn(2, (50, 17)), drawn(0), drawn(0)])
    assert found.keys() == expected.keys()
    # One of 256 steps is 1/127.5 after this preprocessing; float32 leaves a millionth.
    torch.testing.assert_close(found["pixel_values"], expected["pixel_values"], rtol=0, atol=2e-6)
    assert np.load(next((tmp_path / "cache").glob("*/pixels.npy"))).dtype == np.uint8


def test_pixels_that_are_no_scaled_bytes_are_kept_as_they_are(vit, column, tmp_path, monkeypatch):
    ordinary = vit.preprocess

    def squared(inputs, **options):
        made = ordinary(inputs, **options)
        return {**made, "pixel_values": made["pixel_values"] ** 3 / 7}

    monkeypatch.setattr(vit, "preprocess", squared)
    cached = ItemPixels(vit, column(FILES), tmp_path / "cache", workers=0)
    found = features(cached, np.array([1]))["pixel_values"]
    assert torch.equal(found, squared([drawn(1, (9, 40))])["pixel_values"])


def test_embeddings_are_those_of_sentence_transformers(vit, column, tmp_path):
    cached = ItemPixels(vit, column(FILES), tmp_path / "cache", workers=0)
    pictures = [drawn(0), drawn(1, (9, 40)), drawn(0), drawn(2, (50, 17))]
    expected = vit.encode(pictures, normalize_embeddings=True)
    np.testing.assert_allclose(embed_items(vit, cached), expected, atol=1e-6)


def test_like_pictures_are_one_input(vit, column, tmp_path):
    cached = ItemPixels(vit, column(FILES), tmp_path / "cache", workers=0)
    assert cached.distinct_of[0] == cached.distinct_of[2]
    assert len(cached.distinct_sizes) == 3
    assert sizes(cached).tolist() == [17] * 4  # 16 patches and a class token


def test_a_second_time_nothing_is_decoded(vit, column, tmp_path, monkeypatch):
    first = ItemPixels(vit, column(FILES), tmp_path / "cache", workers=0)

    def never(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(pixel_cache, "open_image", never)
    again = ItemPixels(vit, column(FILES), tmp_path / "cache", workers=0)
    for item in range(4):
        one = np.array([item])
        assert torch.equal(
            features(again, one)["pixel_values"], features(first, one)["pixel_values"]
        )


def test_another_preprocessing_or_content_is_another_cache(vit, column, tmp_path):
    cache = tmp_path / "cache"
    ItemPixels(vit, column(FILES), cache, workers=0)
    ItemPixels(vit, column([*FILES[:3], as_png(drawn(3))]), cache, workers=0)
    assert len(list(cache.iterdir())) == 2
    vit[0].processor.image_mean = [0.4, 0.5, 0.5]
    ItemPixels(vit, column(FILES), cache, workers=0)
    assert len(list(cache.iterdir())) == 3


def test_workers_write_what_one_process_writes(vit, column, tmp_path):
    alone = ItemPixels(vit, column(FILES), tmp_path / "a", workers=0)
    together = ItemPixels(vit, column(FILES), tmp_path / "b", workers=2)
    everything = np.arange(4)
    assert torch.equal(
        features(alone, everything)["pixel_values"], features(together, everything)["pixel_values"]
    )


def test_unusable_pictures_are_named_and_the_rest_goes_on(vit, column, tmp_path):
    whole = as_png(drawn(5))
    files = [None, b"", whole[: len(whole) // 2], b"no picture", whole]
    cached = ItemPixels(vit, column(files), tmp_path / "cache", workers=0)
    assert cached.unusable.tolist() == [
        *(images.MISSING, images.EMPTY, images.BROKEN, images.BROKEN, "")
    ]
    kept = cached.take(cached.unusable == "")
    assert len(kept) == 1
    expected = vit.preprocess([drawn(5)])["pixel_values"]
    torch.testing.assert_close(
        features(kept, np.array([0]))["pixel_values"], expected, rtol=0, atol=2e-6
    )


def test_what_was_done_to_pictures_is_counted_by_item(vit, column, tmp_path):
    clear = as_png(Image.new("RGBA", (8, 8), (0, 0, 0, 100)))
    for _ in range(2):  # decoded, and from the cache
        cached = ItemPixels(vit, column([clear, FILES[0], clear]), tmp_path / "cache", workers=0)
        assert cached.converted == {images.SEE_THROUGH: 2}


def test_a_decoding_that_is_interrupted_leaves_no_cache(vit, column, tmp_path, monkeypatch):
    calls = []

    def breaks(data):
        calls.append(data)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return drawn(0), []

    with monkeypatch.context() as patched:
        patched.setattr(pixel_cache, "open_image", breaks)
        with pytest.raises(KeyboardInterrupt):
            ItemPixels(vit, column(FILES), tmp_path / "cache", workers=0)
    assert not list((tmp_path / "cache").glob("*/pixels.json"))
    cached = ItemPixels(vit, column(FILES), tmp_path / "cache", workers=0)
    assert (cached.distinct_of >= 0).all()


def test_a_text_encoder_is_refused(encoder, column, tmp_path):
    with pytest.raises(EncoderError, match="does not take pictures"):
        ItemPixels(encoder, column(FILES), tmp_path / "cache", workers=0)


def test_joined_catalogs_are_read_as_each_alone(vit, column, tmp_path):
    first = ItemPixels(vit, column([FILES[0], None, FILES[1]]), tmp_path / "cache", workers=0)
    second = ItemPixels(vit, column([FILES[3], FILES[0]]), tmp_path / "cache", workers=0)
    both = first.joined(second)
    assert both.unusable.tolist() == ["", images.MISSING, "", "", ""]
    found = features(both, np.array([4, 0, 3, 2]))["pixel_values"]
    expected = torch.cat(
        [features(first, np.array([0]))["pixel_values"]] * 2
        + [features(second, np.array([0]))["pixel_values"]]
        + [features(first, np.array([2]))["pixel_values"]]
    )
    assert torch.equal(found, expected)


def test_of_a_grown_catalog_only_the_new_pictures_are_decoded(vit, column, tmp_path, monkeypatch):
    broken = FILES[0][: len(FILES[0]) // 2]
    first = ItemPixels(vit, column([FILES[0], broken]), tmp_path / "cache", workers=0)
    opened = []

    def counted(data):
        opened.append(data)
        return images.open_image(data)

    monkeypatch.setattr(pixel_cache, "open_image", counted)
    grown = ItemPixels(vit, column([broken, FILES[1], FILES[0]]), tmp_path / "cache", workers=0)
    assert opened == [FILES[1]]
    assert grown.unusable.tolist() == [images.BROKEN, "", ""]
    assert torch.equal(
        features(grown, np.array([2]))["pixel_values"],
        features(first, np.array([0]))["pixel_values"],
    )


def test_two_that_make_one_cache_at_once_both_have_it_whole(vit, column, tmp_path, monkeypatch):
    ordinary = images.open_image
    started = []

    def meanwhile(data):
        if not started:
            started.append(True)
            ItemPixels(vit, column(FILES), tmp_path / "cache", workers=0)
        return ordinary(data)

    monkeypatch.setattr(pixel_cache, "open_image", meanwhile)
    found = ItemPixels(vit, column(FILES), tmp_path / "cache", workers=0)
    expected = vit.preprocess([drawn(2, (50, 17))])["pixel_values"]
    torch.testing.assert_close(
        features(found, np.array([3]))["pixel_values"], expected, rtol=0, atol=2e-6
    )
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_items_without_a_picture_have_no_pixels(vit, column, tmp_path):
    cached = ItemPixels(vit, column([FILES[0], None]), tmp_path / "cache", workers=0)
    with pytest.raises(IndexError, match="without a usable picture"):
        embed_items(vit, cached)


def test_preprocessing_that_divides_by_zero_is_refused(vit, column, tmp_path):
    vit[0].processor.image_std = [0.0, 0.5, 0.5]
    with pytest.raises(EncoderError, match="NaN or infinite"):
        ItemPixels(vit, column([as_png(drawn(1))]), tmp_path / "cache")
