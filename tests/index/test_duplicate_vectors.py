"""Items of one vector or one code: the order of rows chooses none of them."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
import scipy.sparse as sp

from beekit import ItemIndex
from beekit.index import Effort
from beekit.index.duplicate_vectors import Copies, copies_in, within
from beekit.index.factory import trained

ITEMS, DIMS = 3000, 16
EFFORT = Effort(nprobe=2, ef_search=16)
FACTORIES = ("IVF32,Flat", "HNSW4", "PQ4x4", "SQ8", "IVF32,PQ4x4", "PCA8,Flat")


def world(copies: int) -> tuple[np.ndarray, sp.csr_array]:
    """Vectors of which so many are the same one, and 300 histories of five items, one a copy."""
    generator = np.random.default_rng(1)
    vectors = generator.normal(size=(ITEMS, DIMS)).astype(np.float32)
    same = generator.choice(ITEMS, max(copies, 1), replace=False)
    vectors[same] = 1.5 * vectors[0]
    items = np.stack([generator.choice(ITEMS, 5, replace=False) for _ in range(300)])
    items[:, 0] = generator.choice(same, 300)
    X = np.zeros((300, ITEMS), dtype=np.float32)
    X[np.arange(300)[:, None], items] = 1
    return vectors, sp.csr_array(X)


@pytest.mark.parametrize("copies", [40, 400, 2000])
@pytest.mark.parametrize("factory", FACTORIES)
def test_of_copies_those_in_the_first_rows_are_no_more_often_listed(factory, copies):
    vectors, X = world(copies)
    index = ItemIndex(vectors, factory=factory, effort=EFFORT, gpu=False)
    items, _ = index.recommend(X, 20)
    is_copy = Copies.among(vectors).counts[Copies.among(vectors).groups] > 1
    same = is_copy[items]
    assert same.any()
    # Each user draws their own of the copies: mean places are even, five standard deviations.
    places = np.searchsorted(np.flatnonzero(is_copy), items[same])
    assert abs((places.mean() + 0.5) / copies - 0.5) <= 5 * np.sqrt(1 / 12 / len(places))


@pytest.mark.parametrize("factory", FACTORIES)
def test_rows_in_another_order_make_the_same_index(factory):
    vectors, X = world(400)
    order = np.random.default_rng(2).permutation(ITEMS)
    there = ItemIndex(vectors, factory=factory, effort=EFFORT, gpu=False)
    moved = ItemIndex(vectors[order], factory=factory, effort=EFFORT, gpu=False)
    found, scores = there.recommend(X, 20)
    other, others = moved.recommend(X[:, order], 20)
    # User vectors are sums in the order of rows, so lists that near ties decide may differ.
    alike = (vectors[found] == vectors[order][other]).all(axis=(1, 2))
    assert alike.mean() > 0.95
    np.testing.assert_allclose(scores[alike], others[alike], rtol=1e-5)


def test_vectors_that_share_a_code_are_proposed_together_or_not_at_all():
    """Popular items have the lowest rows; a user's list is as likely to hold the others."""
    generator = np.random.default_rng(3)
    # 16 codes for 3,000 vectors: about 190 share each.
    vectors = generator.normal(size=(ITEMS, DIMS)).astype(np.float32)
    _, X = world(0)
    index = ItemIndex(vectors, factory="PQ1x4", effort=Effort(refine=8), gpu=False)
    items, _ = index.recommend(X, 10)
    # 300 lists of 10, alike for users alike: counted as lists, not as items.
    halves = (items < ITEMS // 2).mean(axis=1)
    assert abs(halves.mean() - 0.5) <= 5 * halves.std() / np.sqrt(len(halves))


@pytest.mark.parametrize("factory", FACTORIES)
def test_an_index_of_before_that_holds_every_row_still_answers(factory, tmp_path):
    vectors, X = world(0)
    index = ItemIndex(vectors, factory=factory, effort=EFFORT, gpu=False)
    path = str(tmp_path / "before.faiss")
    whole = trained(factory, vectors, Copies(np.arange(len(vectors))))
    faiss.write_index(within(whole), path)
    before = faiss.read_index(path)
    copies = copies_in(before, vectors)
    assert before.ntotal == len(copies.first) == ITEMS
    index._approximate = type(index._approximate)(before, vectors, copies)
    items, _ = index.recommend(X, 10)
    exact, _ = ItemIndex(vectors).recommend(X, 10)
    assert np.mean([len({*a} & {*b}) / 10 for a, b in zip(items, exact, strict=True)]) > 0.2
    index.save(tmp_path / "again")
    np.testing.assert_array_equal(ItemIndex.load(tmp_path / "again").recommend(X, 10)[0], items)


def test_an_index_of_other_vectors_is_refused():
    vectors = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    copies = Copies.among(vectors)
    index = trained("HNSW4", vectors, copies)
    np.testing.assert_array_equal(copies_in(index, vectors).first, copies.first)
    with pytest.raises(ValueError, match="not of these vectors"):
        copies_in(index, vectors[::-1])


def test_copies_by_hand():
    vectors = np.array([[1, 2], [3, 4], [1, 2], [0, 0], [1, 2]], dtype=np.float32)
    copies = Copies.among(vectors)
    groups = [set(np.flatnonzero(copies.groups == group).tolist()) for group in range(3)]
    assert sorted(groups, key=min) == [{0, 2, 4}, {1}, {3}]
    three, one = int(copies.groups[0]), int(copies.groups[1])
    found = np.array([[three, one], [one, -1], [-1, -1]])
    items = copies.items_of(found, most=4)
    assert [sorted(row) for row in items.tolist()] == [[0, 1, 2, 4], [-1, -1, -1, 1], [-1] * 4]
    assert (copies.items_of(found, most=3)[0] == -1).all()
    assert copies.items_of(found[1:], most=3).tolist() == [[1, -1], [-1, -1]]
