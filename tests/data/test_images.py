"""Pictures as they come: what is opened, what is converted and said, what is refused and why."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from beekit.data import images
from beekit.data.images import UnusableImageError, open_image


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def picture():
    shade = np.linspace(0, 255, 24 * 16 * 3).reshape(16, 24, 3).astype(np.uint8)
    return Image.fromarray(shade)


def test_a_plain_picture_is_what_was_saved(picture):
    image, done = open_image(encoded(picture, "PNG"))
    np.testing.assert_array_equal(np.asarray(image), np.asarray(picture))
    assert done == []


def test_a_gray_and_a_palette_picture_are_their_colours(picture):
    for mode in ("L", "P", "1"):
        image, done = open_image(encoded(picture.convert(mode), "PNG"))
        expected = np.asarray(picture.convert(mode).convert("RGB"))
        np.testing.assert_array_equal(np.asarray(image), expected)
        assert done == []


def test_of_an_animation_the_first_frame_is_taken(picture):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    image, done = open_image(data)
    assert image.getpixel((0, 0)) == (255, 0, 0)
    assert done == [images.ANIMATED]


def test_cmyk_becomes_rgb():
    image, done = open_image(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"))
    assert image.getpixel((0, 0)) == (255, 0, 0)
    assert done == [images.CMYK]


def test_sixteen_bits_are_scaled_not_cut():
    deep = Image.fromarray(np.array([[0, 257 * 100], [257 * 200, 65535]], dtype=np.uint16))
    image, done = open_image(encoded(deep, "PNG"))
    expected = np.array([[0, 100], [200, 255]])
    np.testing.assert_allclose(np.asarray(image)[:, :, 0], expected, atol=1)
    assert done == [images.DEEP]


def test_what_is_see_through_lies_on_white():
    image, done = open_image(encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 0)), "PNG"))
    assert image.getpixel((0, 0)) == (255, 255, 255)
    assert done == [images.SEE_THROUGH]
    _, opaque = open_image(encoded(Image.new("RGBA", (4, 4), (255, 0, 0, 255)), "PNG"))
    assert opaque == []


def test_a_picture_taken_sideways_is_turned_upright(picture):
    exif = Image.Exif()
    exif[274] = 6  # orientation: turn a quarter clockwise
    image, _ = open_image(encoded(picture, "PNG", exif=exif))
    assert image.size == (picture.height, picture.width)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_file_cut_off_is_broken(picture, kind):
    big = picture.resize((240, 160))
    data = encoded(big, kind)
    with pytest.raises(UnusableImageError) as caught:
        open_image(data[: len(data) // 2])
    assert caught.value.kind == images.BROKEN


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_a_damaged_file_is_a_picture_or_unusable_and_nothing_else(picture, kind):
    data = bytearray(encoded(picture, kind))
    generator = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(data)
        for place in generator.integers(0, len(data), 4):
            damaged[place] = generator.integers(256)
        try:
            image, _ = open_image(bytes(damaged))
        except UnusableImageError:
            continue
        assert image.mode == "RGB"


def test_a_preview_beside_a_photo_is_no_animation(picture):
    preview = picture.resize((6, 4))
    data = encoded(picture, "MPO", save_all=True, append_images=[preview])
    image, done = open_image(data)
    assert image.size == picture.size
    assert done == []


@pytest.mark.parametrize("values", [np.full((4, 4), 0.5, np.float32), np.full((4, 4), 10**6)])
def test_brightness_without_a_known_scale_is_refused(values):
    image = Image.fromarray(values.astype(np.float32 if values.dtype.kind == "f" else np.int32))
    with pytest.raises(UnusableImageError) as caught:
        open_image(encoded(image, "TIFF"))
    assert caught.value.kind == images.NO_SCALE


def test_a_line_of_pixels_is_too_narrow_to_be_scaled_up():
    with pytest.raises(UnusableImageError) as caught:
        open_image(encoded(Image.new("RGB", (1, 2000)), "PNG"))
    assert caught.value.kind == images.TOO_NARROW
    open_image(encoded(Image.new("RGB", (1, 100)), "PNG"))


def test_what_is_no_picture_is_broken():
    with pytest.raises(UnusableImageError) as caught:
        open_image(b"not a picture at all")
    assert caught.value.kind == images.BROKEN


def test_a_picture_over_the_limit_is_refused_before_it_is_decoded(picture):
    with pytest.raises(UnusableImageError) as caught:
        open_image(encoded(picture, "PNG"), max_pixels=picture.width * picture.height - 1)
    assert caught.value.kind == images.TOO_LARGE
    # One bit a pixel: a gigapixel in a small file.
    with pytest.raises(UnusableImageError) as caught:
        open_image(encoded(Image.new("1", (32_000, 32_000)), "PNG"))
    assert caught.value.kind == images.TOO_LARGE
