"""The synthetic shop: reproducible, and its right answer is not what reads alike."""

from __future__ import annotations

import numpy as np

from beekit import Dataset, ItemIndex, cold_start_split, evaluate
from beekit.models import Popularity, Random
from beekit.quickstart import build_encoder, make_shop


def test_seed_decides_the_shop():
    first, again, other = make_shop(seed=1), make_shop(seed=1), make_shop(seed=2)
    assert first.texts == again.texts
    np.testing.assert_array_equal(first.items, again.items)
    assert first.texts != other.texts


def test_what_fits_together_shares_no_code(shop):
    codes = [title.split()[-1] for title in shop.titles]
    kinds = [" ".join(title.split()[1:-1]) for title in shop.titles]
    for code in set(codes):
        members = [i for i, c in enumerate(codes) if c == code]
        assert len({kinds[i] for i in members}) == 1
        assert len({int(shop.series[i]) for i in members}) == 1


def test_the_nearest_texts_are_the_wrong_answer_and_the_rule_is_the_right_one(shop_dataset, shop):
    split = cold_start_split(shop_dataset.interactions, fraction=0.2)
    words = sorted({word for text in shop.texts for word in text.split()})
    counts = np.array([[text.split().count(word) for word in words] for text in shop.texts])
    bag = counts / np.linalg.norm(counts, axis=1, keepdims=True)
    rule = np.eye(shop.series.max() + 1)[shop.series]

    def recall(recommender) -> float:
        found = evaluate(recommender, split.test, metrics=["calibrated_recall@20"])
        return found.metrics["calibrated_recall@20"]["value"]

    floor = max(recall(Random()), recall(Popularity().fit(split.train)))
    assert recall(ItemIndex(rule)) > 0.7
    assert recall(ItemIndex(rule)) > 1.5 * recall(ItemIndex(bag))
    assert recall(ItemIndex(rule)) > 1.5 * floor


def test_sales_follow_the_hidden_series(shop):
    per_user = [shop.series[shop.items[shop.users == user]] for user in range(50)]
    dominant = [np.sort(np.bincount(series))[::-1][:3].sum() / len(series) for series in per_user]
    assert np.mean(dominant) > 0.85


def test_shop_is_a_dataset_folder(shop_folder, shop):
    dataset = Dataset.load(shop_folder)
    assert len(dataset.catalog) == len(shop.titles)


def test_encoder_is_reproducible_and_leaves_the_random_state_alone(shop):
    import torch

    torch.manual_seed(4)
    expected = torch.rand(1)
    torch.manual_seed(4)
    first = build_encoder(shop.texts, dims=16, layers=1, seed=2)
    assert torch.equal(torch.rand(1), expected)
    again = build_encoder(shop.texts, dims=16, layers=1, seed=2)
    np.testing.assert_array_equal(first.encode(shop.texts[:3]), again.encode(shop.texts[:3]))
