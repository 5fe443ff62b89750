"""An index in a folder: what it holds, and what is said of a broken one."""

from __future__ import annotations

import json

import faiss
import numpy as np
import pytest

from beekit import ItemIndex
from beekit.data.ids import digest
from beekit.errors import RunError
from beekit.index import Effort

FACTORIES = ("IVF8,Flat", "HNSW8", "PQ4x4", "PCA8,IVF8,PQ4x4")


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(0).normal(size=(400, 16)).astype(np.float32)


@pytest.fixture
def X(random_matrix):
    return random_matrix(30, 400, 0.02, seed=1)


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_saved_index_answers_the_same_without_training(
    vectors, X, tmp_path, factory, monkeypatch
):
    effort = Effort(nprobe=2, ef_search=20, refine=3)
    index = ItemIndex(vectors, factory=factory, effort=effort, user_side=vectors[::-1])
    expected = index.recommend(X, 9)
    index.save(tmp_path / "index")
    names = {path.name for path in (tmp_path / "index").iterdir()}
    assert names == {"index.json", "items.faiss", "users.faiss", "approximate.faiss"}

    def never(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr("beekit.index.vector_search.trained", never)
    loaded = ItemIndex.load(tmp_path / "index")
    assert loaded.factory == factory
    assert loaded.effort == effort
    np.testing.assert_array_equal(loaded.item_vectors, vectors)
    for ours, theirs in zip(loaded.recommend(X, 9), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    loaded.save(tmp_path / "again")
    saved, again = (tmp_path / name / "approximate.faiss" for name in ("index", "again"))
    assert saved.read_bytes() == again.read_bytes()


def test_a_folder_that_names_no_factory_is_flat(vectors, X, tmp_path):
    ItemIndex(vectors).save(tmp_path / "index")
    path = tmp_path / "index" / "index.json"
    described = json.loads(path.read_text())
    assert described.pop("factory") == "Flat"
    path.write_text(json.dumps(described))
    loaded = ItemIndex.load(tmp_path / "index")
    assert loaded.factory == "Flat"
    np.testing.assert_array_equal(loaded.recommend(X, 5)[0], ItemIndex(vectors).recommend(X, 5)[0])


def truncate(folder):
    path = folder / "approximate.faiss"
    path.write_bytes(path.read_bytes()[:-100])


def from_another(folder):
    other = np.random.default_rng(9).normal(size=(400, 16)).astype(np.float32)
    ItemIndex(other, factory="IVF8,Flat").save(folder.with_name("other"))
    (folder.with_name("other") / "approximate.faiss").replace(folder / "approximate.faiss")


def describe(**changes):
    def change(folder):
        described = json.loads((folder / "index.json").read_text())
        (folder / "index.json").write_text(json.dumps({**described, **changes}))

    return change


BROKEN = {
    "approximate.faiss cut off": truncate,
    "approximate.faiss of another index": from_another,
    "approximate.faiss missing": lambda folder: (folder / "approximate.faiss").unlink(),
    "items.faiss missing": lambda folder: (folder / "items.faiss").unlink(),
    "users.faiss cut off": lambda folder: (folder / "users.faiss").write_bytes(b"IxF"),
    "index.json cut off": lambda folder: (folder / "index.json").write_text('{"item_ids": ['),
    "index.json a list": lambda folder: (folder / "index.json").write_text("[]"),
    "too few ids": describe(item_ids=[1, 2]),
    "an effort of nothing": describe(effort={"nprobe": 0}),
    "an unknown effort": describe(effort={"probes": 2}),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_folders_are_refused(vectors, tmp_path, case):
    folder = tmp_path / "index"
    ItemIndex(vectors, factory="IVF8,Flat", user_side=vectors).save(folder)
    BROKEN[case](folder)
    with pytest.raises(RunError, match="differ") as caught:
        ItemIndex.load(folder)
    assert "beekit index RUN" in caught.value.remedy


def flat_file(path, vectors):
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(path))


@pytest.mark.parametrize("file", ["items.faiss", "users.faiss"])
def test_a_file_with_numbers_that_are_not_finite_is_named_with_the_items(vectors, tmp_path, file):
    folder = tmp_path / "index"
    ids = np.array([f"b{i}" for i in range(400)], dtype=object)
    ItemIndex(vectors, ids, user_side=vectors).save(folder)
    broken = vectors.copy()
    broken[[3, 8], 0] = np.nan, np.inf
    flat_file(folder / file, broken)
    # As an earlier version wrote it, which asked nobody whether its vectors were finite.
    describe(vectors=digest((broken if file == "items.faiss" else vectors).view(np.int32)))(folder)
    said = rf"{file} that are not finite: 2 of 400 \(NaN and infinite; items 'b3', 'b8'\)"
    with pytest.raises(RunError, match=said) as caught:
        ItemIndex.load(folder)
    assert "beekit index RUN" in caught.value.remedy
