"""`recommend.py` of an export: full lists, and ties that the order of rows does not break."""

from __future__ import annotations

import json

import faiss
import numpy as np
import pytest
import scipy.sparse as sp

from beekit import ItemIndex
from beekit.export.standalone import recommend

ITEMS, DIMS = 3000, 16


@pytest.fixture
def vectors():
    generator = np.random.default_rng(0)
    D = generator.normal(size=(ITEMS, DIMS))
    D[generator.choice(ITEMS, 500, replace=False)] = D[0]
    return (D / np.linalg.norm(D, axis=1, keepdims=True)).astype(np.float32)


def served(folder, vectors, factory, nprobe=1) -> recommend.Items:
    """An export by hand: item ids are rows, every other one is cold."""
    index = ItemIndex(vectors, factory=factory, gpu=False)
    approximate = index.proposing_index()
    if factory.startswith("IVF"):
        faiss.downcast_index(approximate.index).nprobe = nprobe
    faiss.write_index(approximate, str(folder / "approximate.faiss"))
    flat = faiss.IndexFlatIP(DIMS)
    flat.add(vectors)
    faiss.write_index(flat, str(folder / "items.faiss"))
    (folder / "items.json").write_text(
        json.dumps(
            {
                "item_id": list(range(ITEMS)),
                "label": [str(i) for i in range(ITEMS)],
                "cold": [i % 2 == 0 for i in range(ITEMS)],
            }
        )
    )
    (folder / "export.json").write_text(json.dumps({"refine": 2}))
    return recommend.Items(folder, approximate=True)


@pytest.mark.parametrize("factory", ["IVF64,Flat", "HNSW8", "PQ4x4"])
def test_lists_are_full_and_nothing_known_is_a_draw(factory, vectors, tmp_path):
    items = served(tmp_path, vectors, factory)
    histories = [[], *([int(i), int(i) + 1] for i in range(0, 200, 2))]
    found = items.recommend(histories, 100)
    assert [len(row) for row in found] == [100] * len(histories)
    for row, history in zip(found, histories, strict=True):
        listed = [item for item, _ in row]
        assert len(set(listed)) == 100
        assert not set(listed) & set(history)
    # The same draw as the run itself makes.
    nothing = sp.csr_array((1, ITEMS), dtype=np.float32)
    exact, _ = ItemIndex(vectors, gpu=False).recommend(nothing, 100)
    assert [item for item, _ in found[0]] == exact[0].tolist()
    cold = items.recommend([[]], 20, cold=True)[0]
    exact, _ = ItemIndex(vectors, gpu=False).recommend(nothing, 20, np.arange(0, ITEMS, 2))
    assert [item for item, _ in cold] == exact[0].tolist()


@pytest.mark.parametrize("factory", ["IVF64,Flat", "HNSW8", "PQ4x4", "PCA8,Flat"])
def test_of_copies_each_history_gets_a_draw(factory, vectors, tmp_path):
    items = served(tmp_path, vectors, factory, nprobe=4)
    copies = np.flatnonzero((vectors == vectors[0]).all(axis=1))
    histories = [[int(row)] for row in copies[:200]]
    found = items.recommend(histories, 10)
    listed = np.array([[item for item, _ in row] for row in found])
    places = np.searchsorted(copies, listed)
    assert (copies[places] == listed).all()
    # Uniform over the copies, five standard deviations, and one place for what is seen.
    spread = np.sqrt(1 / 12 / listed.size)
    assert abs((places.mean() + 0.5) / len(copies) - 0.5) <= 5 * spread + 1 / len(copies)
    X = np.zeros((len(histories), ITEMS), dtype=np.float32)
    X[np.arange(len(histories)), copies[: len(histories)]] = 1
    exact, _ = ItemIndex(vectors, gpu=False).recommend(sp.csr_array(X), 10)
    np.testing.assert_array_equal(listed, exact)


def test_ties_of_many_users_are_searched_in_blocks(vectors, tmp_path, monkeypatch):
    items = served(tmp_path, vectors, "PQ4x4")
    histories = [[], *([int(row)] for row in np.flatnonzero((vectors == vectors[0]).all(axis=1)))]
    items.approximate = None
    whole = items.recommend(histories, 5)
    monkeypatch.setattr(recommend, "_FETCHED", 2**11)
    assert items.recommend(histories, 5) == whole
