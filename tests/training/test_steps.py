"""What a step sees: users without replacement, items under a cap that holds."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from beekit.errors import DataError
from beekit.training.steps import StepCollator, step_items
from beekit.training.training_set import TrainingSet, trainable_users


@given(
    users=st.integers(1, 12),
    items=st.integers(2, 30),
    cap=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
@settings(max_examples=150, deadline=None)
def test_step_items_are_distinct_capped_and_from_the_pool(users, items, cap, seed):
    generator = np.random.default_rng(seed)
    X = sp.csr_array((generator.random((users * 3, items)) < 0.15).astype(np.float32))
    rows = X[:users]
    pool = np.flatnonzero(np.bincount(X.indices, minlength=items))
    chosen = step_items(rows, pool, cap, generator)
    occurring = np.unique(rows.indices)
    assert len(chosen) == min(cap, len(pool))
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(pool)
    if len(occurring) <= cap:
        assert set(occurring) <= set(chosen)
    else:
        assert set(chosen) <= set(occurring)


def test_every_occurring_item_is_as_likely_when_the_cap_binds():
    rows = sp.csr_array(np.ones((2, 10), dtype=np.float32))
    generator = np.random.default_rng(0)
    counts = np.zeros(10)
    draws = 4000
    for _ in range(draws):
        counts[step_items(rows, np.arange(10), 4, generator)] += 1
    # Binomial with p = 0.4: five standard deviations.
    assert np.all(np.abs(counts - 0.4 * draws) < 5 * np.sqrt(draws * 0.4 * 0.6))


def test_users_with_one_interaction_do_not_train():
    X = sp.csr_array(np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]], dtype=np.float32))
    assert trainable_users(X).tolist() == [0, 3]


@pytest.fixture
def collator(encoder, shop_dataset):
    training_set = TrainingSet.of(
        encoder, [shop_dataset.interactions.matrix], [shop_dataset.catalog.texts]
    )
    return StepCollator(training_set, items_per_step=50, seed=5)


def test_labels_are_the_interactions_between_the_step_s_users_and_items(
    collator, encoder, shop_dataset
):
    positions = [3, 1, 20]
    batch = collator([{"user": p} for p in positions])
    features = encoder.preprocess(shop_dataset.catalog.texts)
    by_ids = {
        tuple(row[mask.bool()].tolist()): item
        for item, (row, mask) in enumerate(
            zip(features["input_ids"], features["attention_mask"], strict=True)
        )
    }
    items = [
        by_ids[tuple(row[mask.bool()].tolist())]
        for row, mask in zip(batch["item_input_ids"], batch["item_attention_mask"], strict=True)
    ]
    training_set = collator.training_set
    expected = training_set.interactions[training_set.users[positions]][:, items].toarray()
    np.testing.assert_array_equal(batch["label"].numpy(), expected)
    assert batch["label"].shape == (3, 50)


def test_texts_come_longest_first_and_padded_to_the_longest_of_the_step(collator):
    lengths = collator([{"user": 0}, {"user": 1}])["item_attention_mask"].sum(dim=1)
    assert (lengths[:-1] >= lengths[1:]).all()
    batch = collator([{"user": 0}])
    assert batch["item_input_ids"].shape[1] == batch["item_attention_mask"].sum(dim=1).max()


def test_a_step_depends_on_seed_and_users_only(collator):
    users = [{"user": 4}, {"user": 9}]
    first = collator(users)
    collator([{"user": 2}])
    again = collator(users)
    assert all((first[key] == again[key]).all() for key in first if hasattr(first[key], "shape"))
    collator.seed = 6
    other = collator(users)
    assert not np.array_equal(first["label"].numpy(), other["label"].numpy())


@pytest.fixture
def two(encoder, shop_dataset):
    """The shop, and half of its customers with other texts, which begin with an unknown word."""
    X, texts = shop_dataset.interactions.matrix, shop_dataset.catalog.texts
    half = sp.csr_array(X[: X.shape[0] // 2, :144])
    return TrainingSet.of(encoder, [X, half], [texts, ["zzz " + text for text in texts[:144]]])


def test_several_datasets_share_neither_users_nor_items(two, shop_dataset):
    X = shop_dataset.interactions.matrix
    users, items = X.shape
    assert two.interactions.shape == (users + users // 2, items + 144)
    assert two.interactions[:users][:, items:].nnz == 0
    assert two.interactions[users:][:, :items].nnz == 0
    assert (two.interactions[:users][:, :items] != X).nnz == 0
    assert sum(two.users_of) == len(two.users)
    assert two.item_pools[1].min() >= items


def test_a_step_of_one_dataset_encodes_its_items_alone(two, encoder):
    collate = StepCollator(two, items_per_step=120, seed=0)
    unknown = encoder.tokenizer.unk_token_id
    last = len(two.users) - 1
    for positions, expected in (([0, 1], [False]), ([last], [True]), ([0, last], [False, True])):
        step = collate([{"user": position} for position in positions])
        assert step["label"].shape == (len(positions), 120)
        assert step["label"].any(dim=1).all()
        of_second = step["item_input_ids"][:, 1] == unknown
        assert np.unique(of_second).tolist() == expected


def test_datasets_are_checked_one_by_one(encoder, shop_dataset):
    X, texts = shop_dataset.interactions.matrix, shop_dataset.catalog.texts
    with pytest.raises(DataError, match=r"191 items for 192 columns"):
        TrainingSet.of(encoder, [X, X], [texts, texts[1:]])
    with pytest.raises(DataError, match=r"none of 300 users has two"):
        TrainingSet.of(encoder, [X, sp.csr_array(X.shape)], [texts, texts])


def test_stored_zeros_and_repeated_pairs_are_no_interactions(encoder):
    texts = ["ink", "toner", "paper", "printer"]
    stored = sp.csr_array(
        (np.array([1.0, 0, 1, 1]), np.array([0, 1, 2, 3]), np.array([0, 2, 4])), shape=(2, 4)
    )
    found = TrainingSet.of(encoder, [stored], [texts])
    assert found.users.tolist() == [1]
    assert found.item_pools[0].tolist() == [0, 2, 3]
    twice = sp.coo_array((np.ones(2), ([0, 0], [1, 1])), shape=(2, 4))
    with pytest.raises(DataError, match="none of 2 users has two"):
        TrainingSet.of(encoder, [twice], [texts])
