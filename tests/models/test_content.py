"""Content-based recommendation: sums of similarities, cold items or not."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from cold_worlds import finds_the_group, misleading_world

from beekit.errors import ConfigError, DataError
from beekit.models import ContentBased

X = sp.csr_array(np.array([[1, 1, 0, 0]], dtype=np.float32))


def test_scores_by_hand():
    vectors = np.array([[1, 0], [0, 2], [3, 3], [4, 0]])
    items, scores = ContentBased(vectors, normalize=False).fit(X).recommend(X, 2)
    # The user is (1, 2): item 2 scores 3 + 6, item 3 scores 4.
    assert items.tolist() == [[2, 3]]
    assert scores.tolist() == [[9, 4]]
    items, scores = ContentBased(vectors).fit(X).recommend(X, 2)
    # At length 1 the user is (1, 1): √2 for item 2 and 1 for item 3.
    assert items.tolist() == [[2, 3]]
    np.testing.assert_allclose(scores, [[2**0.5, 1]], rtol=1e-6)


def test_scores_are_sums_of_cosines(random_matrix):
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(30, 5)) + 1
    histories = random_matrix(20, 30, 0.2, seed=1)
    for centre in (False, True):
        model = ContentBased(vectors, centre=centre).fit(histories)
        items, scores = model.recommend(histories, 30, exclude_seen=False)
        used = np.unique(histories.indices)
        around = vectors - vectors[used].mean(axis=0) if centre else vectors
        for user in range(20):
            for item, score in zip(items[user], scores[user], strict=True):
                rows = [around[seen] for seen in histories[[user]].indices]
                lengths = [np.linalg.norm(row) * np.linalg.norm(around[item]) for row in rows]
                cosines = [
                    around[item] @ row / length for row, length in zip(rows, lengths, strict=True)
                ]
                # Sums of at most 30 cosines, each within a few float32 roundings.
                assert score == pytest.approx(
                    sum(cosines), abs=30 * 8 * float(np.finfo(np.float32).eps)
                )


def test_what_all_vectors_share_ranks_nothing_once_centred():
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(40, 6))
    shifted = vectors + 10 * generator.normal(size=6)
    histories = sp.csr_array((generator.random((30, 40)) < 0.1).astype(np.float32))
    settings = {"centre": True, "normalize": False}
    plain, _ = ContentBased(vectors, **settings).fit(histories).recommend(histories, 5)
    moved, _ = ContentBased(shifted, **settings).fit(histories).recommend(histories, 5)
    np.testing.assert_array_equal(plain, moved)
    moved, _ = ContentBased(shifted, normalize=False).fit(histories).recommend(histories, 5)
    assert (plain != moved).mean() > 0.5


def test_interactions_teach_it_nothing(random_matrix):
    vectors = np.random.default_rng(0).normal(size=(40, 6))
    histories = random_matrix(30, 40, 0.1, seed=1)
    model = ContentBased(vectors)
    first = model.fit(histories).recommend(histories, 5)[0]
    again = model.fit(random_matrix(50, 40, 0.3, seed=2)).recommend(histories, 5)[0]
    np.testing.assert_array_equal(first, again)


def test_similar_content_misleads_it():
    world = misleading_world()
    for centre in (False, True):
        assert not finds_the_group(ContentBased(world.content, centre=centre).fit(world.X), world)


@pytest.mark.parametrize(
    ("vectors", "found"),
    [
        (np.ones(4), "shape"),
        (np.ones((4, 0)), "shape"),
        (np.array([["a"]] * 4), "type"),
        (np.full((4, 2), np.nan), "not finite"),
        (np.ones((3, 2)), "4 items"),
    ],
)
def test_vectors_that_describe_no_catalog_are_refused(vectors, found):
    with pytest.raises(DataError, match=found):
        ContentBased(vectors).fit(X)


def test_items_without_content_score_zero():
    vectors = np.array([[1.0, 0], [0, 1], [0, 0], [-1, 0]])
    items, scores = ContentBased(vectors).fit(X).recommend(X, 2)
    assert items.tolist() == [[2, 3]]
    assert scores.tolist() == [[0, -1]]


def test_new_items_are_added_without_changing_the_others():
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(20, 5)).astype(np.float32)
    X = sp.csr_array((generator.random((30, 20)) < 0.3).astype(np.float32))
    for centre in (False, True):
        model = ContentBased(vectors, centre=centre).fit(X)
        before = model.item_vectors.copy()
        model.add_items(vectors[[3, 7]])
        np.testing.assert_array_equal(model.item_vectors[:20], before)
        # A copy of an item is compared as that item is.
        np.testing.assert_array_equal(model.item_vectors[20:], before[[3, 7]])
        wider = sp.csr_array(sp.hstack([X, sp.csr_array((30, 2), dtype=np.float32)]))
        assert {20, 21} <= set(model.recommend(wider, 22)[0].ravel().tolist())
    with pytest.raises(DataError, match="4 dimensions"):
        model.add_items(vectors[:, :4])
    with pytest.raises(ConfigError, match="before fit"):
        ContentBased(vectors).add_items(vectors)


def test_items_held_out_do_not_move_the_mean(random_matrix):
    X = random_matrix(40, 30, 0.3, seed=1)
    dense = X.toarray()
    dense[:, 20:] = 0
    vectors = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32) + 1
    elsewhere = vectors.copy()
    elsewhere[20:] += 50
    first, second = (
        ContentBased(v, centre=True).fit(sp.csr_array(dense)) for v in (vectors, elsewhere)
    )
    np.testing.assert_array_equal(first.mean, second.mean)
    np.testing.assert_array_equal(first.item_vectors[:20], second.item_vectors[:20])
