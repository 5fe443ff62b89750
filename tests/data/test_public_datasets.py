"""Public datasets load without a policy, and hold what is published of them."""

from __future__ import annotations

import pytest

from beekit import Dataset, cold_start_split

COUNTS = {
    "ml1m": ("{title}. {plot_short}", 6_040, 3_260, 998_539),
    "goodbooks": ("{title} by {authors}. {tags}", 47_052, 6_215, 638_164),
    "amazon_games": ("{title}", 50_546, 16_859, 440_264),
    "amazon_office": ("{title}. {description}", 3_231, 3_317, 21_188),
    "hm_sample": ("{text}", 1_364, 17_033, 27_443),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_those_published(reference_folder, name):
    text, users, items, interactions = COUNTS[name]
    dataset = Dataset.load(reference_folder / "data" / name, text=text)
    assert dataset.interactions.n_users == users
    assert len(dataset.interactions.used_items) == items
    assert dataset.interactions.n_interactions == interactions
    assert all(dataset.catalog.texts)


def test_films_liked_split_as_the_recipe_s_record_says(reference_folder):
    folder = reference_folder / "data" / "ml1m"
    dataset = Dataset.load(folder, text="{title}. {plot_short}", min_value=4)
    split = cold_start_split(dataset.interactions, fraction=0.2, seed=42)
    assert split.test is not None
    assert (len(split.test.candidates), len(split.test.users)) == (649, 6_000)
    assert split.hash.startswith("75b595fab8f4")
