"""The shop's pictures: what looks alike is the kind, and what is used together does not show."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from sentence_transformers import SentenceTransformer

from beekit import ItemIndex, evaluate
from beekit.encoders import embed_items, load_encoder
from beekit.errors import ConfigError
from beekit.models import Popularity, Random
from beekit.quickstart import build_image_encoder, job, make_shop
from beekit.quickstart.pictures import LABEL, SIZE, draw_label
from beekit.run.config import make_config
from beekit.run.dataset import load_dataset
from beekit.run.inputs import item_inputs
from beekit.run.resume import saved_config
from beekit.split import load_split


@pytest.fixture(scope="module")
def pictures(shop) -> np.ndarray:
    """(items, height, width, channels) of the shop's pictures."""
    opened = [Image.open(io.BytesIO(file)) for file in shop.pictures]
    return np.stack([np.asarray(picture, dtype=np.float32) for picture in opened])


@pytest.fixture(scope="module")
def distances(pictures) -> np.ndarray:
    """(items, items) mean squared differences of pixels."""
    flat = pictures.reshape(len(pictures), -1)
    squares = (flat**2).sum(axis=1)
    return (squares[:, None] + squares[None, :] - 2 * flat @ flat.T) / flat.shape[1]


@pytest.fixture(scope="module")
def image_encoder_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image_encoder") / "encoder"
    build_image_encoder(dims=32, layers=1).save(str(folder))
    return folder


def test_seed_decides_the_pictures(shop):
    first, again, other = (make_shop(series=4, customers=5, seed=seed) for seed in (1, 1, 2))
    assert first.pictures == again.pictures
    assert first.pictures != other.pictures
    assert len(set(shop.pictures)) == len(shop.pictures)


def test_pictures_show_the_code_that_titles_name(shop, pictures):
    strips = pictures[:, SIZE - LABEL :]
    for item, title in enumerate(shop.titles):
        assert title.endswith(str(shop.codes[item]))
        label = np.asarray(draw_label(shop.codes[item]))
        np.testing.assert_array_equal(strips[item], np.tile(label, (1, SIZE // LABEL, 1)))


def test_labels_are_all_different_and_tell_the_series_only_within_a_kind():
    shop = make_shop(customers=5)
    codes = np.unique(shop.codes)
    assert len({draw_label(code).tobytes() for code in codes.tolist()}) == len(codes) == 8 * 48
    for code in codes:
        members = shop.codes == code
        assert members.sum() == 3
        assert len(np.unique(shop.series[members])) == len(np.unique(shop.kinds[members])) == 1


def test_what_looks_most_alike_is_of_the_same_kind(shop, distances):
    nearest = (distances + np.diag(np.full(len(distances), np.inf))).argsort(axis=1)[:, :5]
    assert (shop.kinds[nearest] == shop.kinds[:, None]).mean() > 0.6  # by chance, 1 of 8 kinds
    # Its two other finishes carry the same label; of the others, 1 in 8 is of its series by chance.
    others = shop.codes[nearest] != shop.codes[:, None]
    assert (shop.series[nearest] == shop.series[:, None])[others].mean() < 1 / 8


def test_pictures_of_a_series_are_no_nearer_than_others_of_their_kinds(shop, distances):
    """Given two kinds and finishes, sharing the series changes nothing: labels are unrelated."""
    finishes = np.arange(len(shop.titles)) % 3
    look = shop.kinds * 3 + finishes
    gaps = []
    for one in np.unique(look):
        for two in np.unique(look[shop.kinds > one // 3]):
            block = distances[np.ix_(look == one, look == two)]
            series = np.equal.outer(shop.series[look == one], shop.series[look == two])
            gaps.append((block[series].mean() - block.mean()) / block.std())
    assert len(gaps) == 8 * 7 // 2 * 9
    # Each gap is a mean of 8 standardised distances; blocks of the same labels are repeated thrice
    # a side, so at least 28 of the 252 are independent: 4 standard errors.
    assert abs(np.mean(gaps)) < 4 / np.sqrt(8 * 28)


def test_image_encoder_loads_plainly_with_the_same_embeddings(image_encoder_folder, shop):
    opened = [Image.open(io.BytesIO(file)) for file in shop.pictures[:4]]
    built = build_image_encoder(dims=32, layers=1)
    loaded = SentenceTransformer(str(image_encoder_folder), device="cpu")
    np.testing.assert_array_equal(built.encode(opened), loaded.encode(opened))
    assert loaded.preprocess(opened)["pixel_values"].shape == (4, 3, SIZE, SIZE)


def test_image_encoder_is_reproducible_and_leaves_the_random_state_alone(shop):
    import torch

    opened = [Image.open(io.BytesIO(file)) for file in shop.pictures[:3]]
    torch.manual_seed(4)
    expected = torch.rand(1)
    torch.manual_seed(4)
    first, again, other = (build_image_encoder(dims=16, layers=1, seed=s) for s in (2, 2, 3))
    assert torch.equal(torch.rand(1), expected)
    np.testing.assert_array_equal(first.encode(opened), again.encode(opened))
    assert not np.array_equal(first.encode(opened), other.encode(opened))


def test_catalog_pixels_give_the_embeddings_of_the_pictures(
    image_encoder_folder, shop, shop_folder, tmp_path
):
    config = make_config(
        {
            "data": str(shop_folder),
            "out": "unused",
            "encoder": str(image_encoder_folder),
            "image": "image",
            "cache": str(tmp_path),
        }
    )
    encoder = load_encoder(image_encoder_folder, device="cpu")
    dataset, inputs = item_inputs(config, load_dataset(config), encoder)
    assert len(dataset.catalog) == len(shop.pictures)
    opened = [Image.open(io.BytesIO(file)) for file in shop.pictures[:8]]
    np.testing.assert_allclose(
        embed_items(encoder, inputs)[:8],
        encoder.encode(opened, normalize_embeddings=True),
        atol=1e-6,
    )


@pytest.mark.parametrize(("modality", "steps"), [("image", 190), ("text+image", 100)])
def test_quickstart_on_pictures_learns_what_is_used_together(
    tmp_path, monkeypatch, modality, steps
):
    monkeypatch.setattr(job, "make_shop", lambda seed: make_shop(12, 450, seed=seed))
    monkeypatch.setenv("BEEKIT_CACHE", str(tmp_path / "elsewhere"))
    training = {
        "users_per_step": 150,
        "items_per_step": 230,
        "max_steps": steps,
        "warmup_steps": 20,
    }
    recipe = job._RECIPES[modality]
    brief = replace(recipe, training={**recipe.training, **training, "disable_tqdm": True})
    monkeypatch.setitem(job._RECIPES, modality, brief)
    folder = job.run_quickstart(tmp_path / "run", modality)
    config = saved_config(folder)
    split = load_split(folder.split, load_dataset(config).interactions)

    def recall(recommender) -> float:  # at 5, since there are but 58 cold items
        found = evaluate(recommender, split.test, metrics=["calibrated_recall@5"])
        return found.metrics["calibrated_recall@5"]["value"]

    pretrained, tuned = (
        recall(ItemIndex(job._embedded(config, encoder)))
        for encoder in (folder.quickstart / "encoder", folder.model)
    )
    assert tuned > 2 * pretrained
    assert tuned > 2 * max(recall(Random()), recall(Popularity().fit(split.train)))
    assert (folder.path / "before_after.svg").is_file()
    assert (folder.quickstart / "cache" / "pixels").is_dir()
    assert not (tmp_path / "elsewhere").exists()


def test_quickstart_names_the_modalities_there_are(tmp_path):
    with pytest.raises(ConfigError, match=r"one of text, image, text\+image"):
        job.run_quickstart(tmp_path / "run", "sound")
    assert not (tmp_path / "run").exists()
