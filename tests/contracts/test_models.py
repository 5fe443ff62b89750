"""What every model promises beyond recommending: to learn, to be kept, and to say what is wrong."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp
from contracts.models import IMPERSONAL, MODELS, READS, as_read

from beekit.errors import BeekitError, RunError
from beekit.models import load_model
from beekit.run.add_items import Extendable


def vectors_of(X, dims: int = 8):
    """Item vectors that say which items are used together, plus noise: a truthful content."""
    generator = np.random.default_rng(0)
    users = generator.normal(size=(X.shape[0], dims))
    noise = 0.1 * generator.normal(size=(X.shape[1], dims))
    used = sp.csr_array(X != 0, dtype=np.float64)
    return (used.T @ users / np.sqrt(X.shape[0]) + noise).astype(np.float32)


def same_items(X):
    """X written in ways that all say the same: which items a user has."""
    generator = np.random.default_rng(4)
    weights = generator.choice([-3.0, -1.0, 0.25, 2.0, 5.0], X.nnz)
    weighted = sp.csr_array((weights, X.indices, X.indptr), shape=X.shape)
    empty = np.argwhere(X.toarray() == 0)[::7]
    coo = X.tocoo()
    stored = [np.concatenate(parts) for parts in zip(coo.coords, empty.T, strict=True)]
    with_zeros = np.concatenate([np.ones(X.nnz), np.zeros(len(empty))])
    twice = np.concatenate([coo.row, coo.row[::2]]), np.concatenate([coo.col, coo.col[::2]])
    return {
        "weighted, some negative": weighted,
        "explicit zeros": sp.csr_array((with_zeros, tuple(stored)), shape=X.shape),
        "duplicates": sp.coo_array((np.ones(len(twice[0])), twice), shape=X.shape),
        **{kind: X.astype(kind) for kind in ("bool", "int8", "int64", "float64")},
    }


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


@pytest.fixture
def X(name, random_matrix):
    return as_read(name, random_matrix(60, 40, 0.15, seed=2))


@pytest.fixture
def fit(name):
    return lambda X: MODELS[name](vectors_of(X)).fit(X)


@pytest.fixture
def groups(name):
    """60 users of three groups, each with four to six of its group's eight items."""
    generator = np.random.default_rng(5)
    dense = np.zeros((60, 24), dtype=np.float32)
    for user in range(60):
        chosen = generator.choice(8, 4 + user % 3, replace=False)
        dense[user, 8 * (user % 3) + chosen] = 1
    return as_read(name, sp.csr_array(dense))


def test_what_belongs_together_is_recommended_together(name, groups):
    if name in IMPERSONAL:
        pytest.skip("recommends alike whatever belongs together")
    model = MODELS[name](vectors_of(groups)).fit(groups)
    for group in range(3):
        known = np.zeros((1, 24), dtype=np.float32)
        known[0, [8 * group + 1, 8 * group + 3, 8 * group + 6]] = 1
        items, _ = model.recommend(as_read(name, sp.csr_array(known)), 5)
        assert set(items[0]) == {8 * group + i for i in (0, 2, 4, 5, 7)}


def test_saved_and_loaded_it_recommends_the_same(fit, X, tmp_path):
    model = fit(X)
    model.save(tmp_path / "model")
    for loaded in (load_model(tmp_path / "model"), type(model).load(tmp_path / "model")):
        assert type(loaded) is type(model)
        for ours, theirs in zip(model.recommend(X, 9), loaded.recommend(X, 9), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_folder_of_another_kind_is_refused(fit, X, tmp_path):
    model = fit(X)
    with pytest.raises(BeekitError, match=r"no model\.json"):
        type(model).load(tmp_path)
    model.save(tmp_path / "model")
    text = (tmp_path / "model" / "model.json").read_text()
    other = text.replace(f'"{type(model).__name__}"', '"Another"')
    (tmp_path / "model" / "model.json").write_text(other)
    with pytest.raises(BeekitError, match="a model Another"):
        type(model).load(tmp_path / "model")


def test_fitted_on_any_sparse_format_it_learns_the_same(name, fit, X):
    expected = fit(X).recommend(X, 8)[0]
    wide = sp.csr_array((X.data, X.indices.astype(np.int64), X.indptr.astype(np.int64)), X.shape)
    for other in (
        X.tocsc(),
        X.tocoo(),
        X.tolil(),
        X.todok(),
        sp.csr_matrix(X),
        wide,
        X.astype(np.int8),
        X if READS[name] == "values" else X * 5,
    ):
        np.testing.assert_array_equal(fit(other).recommend(X, 8)[0], expected)


def test_how_often_or_how_strongly_does_not_matter_to_fit(name, fit, X):
    if READS[name] != "items":
        pytest.skip("reads the numbers of X")
    expected = fit(X).recommend(X, 8)
    for name, other in same_items(X).items():
        found = fit(other).recommend(X, 8)
        np.testing.assert_array_equal(found[0], expected[0], err_msg=name)
        np.testing.assert_array_equal(found[1], expected[1], err_msg=name)


def test_training_data_are_left_alone(fit, X):
    given = X.copy()
    given.data[::4] = 0
    before = given.copy()
    model = fit(given)
    model.recommend(given, 5)
    np.testing.assert_array_equal(given.data, before.data)
    np.testing.assert_array_equal(given.indices, before.indices)


def test_fitted_twice_it_is_the_model_of_the_second_time(name, X, random_matrix):
    other, vectors = as_read(name, random_matrix(60, 40, 0.15, seed=7)), vectors_of(X)
    model = MODELS[name](vectors).fit(X)
    model.recommend(X, 8)
    twice = model.fit(other).recommend(X, 8)[0]
    np.testing.assert_array_equal(twice, MODELS[name](vectors).fit(other).recommend(X, 8)[0])


def test_settings_come_back_as_they_were(fit, X, tmp_path):
    model = fit(X)
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    for field in dataclasses.fields(model):
        before, after = getattr(model, field.name), getattr(loaded, field.name)
        if field.init and not isinstance(before, np.ndarray):
            assert before == after
            assert type(before) is type(after)


def test_a_file_cut_off_is_one_line(fit, X, tmp_path):
    fit(X).save(tmp_path / "model")
    arrays = tmp_path / "model" / "arrays.npz"
    arrays.write_bytes(arrays.read_bytes()[:-30])
    with pytest.raises(BeekitError, match="cannot be read"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_file_with_numbers_that_are_not_finite_is_named(fit, X, tmp_path, value):
    fit(X).save(tmp_path / "model")
    path = tmp_path / "model" / "arrays.npz"
    with np.load(path) as file:
        arrays = dict(file)
    broken = [name for name, array in arrays.items() if array.dtype.kind == "f" and array.size]
    if not broken:
        pytest.skip("keeps no numbers")
    for name in broken:
        array = arrays[name].copy()
        array.flat[-1] = value
        np.savez(path, **{**arrays, name: array})
        with pytest.raises(RunError, match=rf"{name} in .*arrays\.npz that are not finite: 1 of "):
            load_model(tmp_path / "model")


def test_what_is_not_finite_is_not_saved(fit, X, tmp_path):
    model = fit(X)
    learnt = [
        field.name
        for field in dataclasses.fields(model)
        if isinstance(getattr(model, field.name), np.ndarray)
        and getattr(model, field.name).dtype.kind == "f"
    ]
    for name in learnt[:1]:
        array = getattr(model, name).copy()
        array.flat[0] = np.nan
        setattr(model, name, array)
        with pytest.raises(BeekitError, match=rf"\.{name} that are not finite"):
            model.save(tmp_path / "model")
        assert not (tmp_path / "model").exists()


def test_items_added_are_recommended_after_those_known(fit, X):
    model = fit(X)
    if not isinstance(model, Extendable):
        pytest.skip("knows items by their interactions alone")
    known = model.recommend(X, 40, np.arange(40))
    model.add_items(vectors_of(X)[:3])
    wider = sp.csr_array((X.data, X.indices, X.indptr), shape=(60, 43))
    again = model.recommend(wider, 40, np.arange(40))
    for before, after in zip(known, again, strict=True):
        np.testing.assert_array_equal(before, after)
    with pytest.raises(BeekitError, match="not finite"):
        model.add_items(np.full((2, 8), np.nan, dtype=np.float32))
    items, _ = model.recommend(wider, 5, np.array([40, 41, 42]))
    assert all(sorted(row) == [-1, -1, 40, 41, 42] for row in items)


def test_columns_and_rows_without_interactions(name, fit, random_matrix):
    dense = random_matrix(30, 20, 0.3, seed=3).toarray()
    dense[:, [0, 7, 19]] = 0
    dense[[0, 11]] = 0
    X = as_read(name, sp.csr_array(dense))
    items, scores = fit(X).recommend(X, 20)
    assert np.isfinite(scores[items >= 0]).all()
    assert sorted(items[0]) == list(range(20))


def test_one_user_and_one_item(name, fit):
    one = sp.csr_array(np.ones((1, 1), dtype=np.float32))
    assert fit(one).recommend(one, 2)[0].tolist() == [[-1, -1]]
    row = as_read(name, sp.csr_array(np.array([[1, 0, 1, 1]], dtype=np.float32)))
    assert fit(row).recommend(row, 2)[0].tolist() == [[1, -1]]


def test_histories_over_other_items_are_refused(name, fit, X):
    if name == "random":
        pytest.skip("learns nothing of the items")
    with pytest.raises(BeekitError, match="39 items"):
        fit(X).recommend(X[:, :39], 3)


def test_before_fit_it_says_so(name, X):
    if name == "random":
        pytest.skip("learns nothing")
    with pytest.raises(BeekitError, match="before fit"):
        MODELS[name](vectors_of(X)).recommend(X, 3)


def test_interactions_that_are_not_finite_are_refused(name, fit, X):
    if name == "random":
        pytest.skip("learns nothing")
    broken = X.copy()
    broken.data[0] = np.nan
    with pytest.raises(BeekitError, match="not finite"):
        fit(broken)


def test_numbers_that_are_none_are_not_saved(name, fit, X, tmp_path):
    model = fit(X)
    learnt = [f.name for f in dataclasses.fields(model) if not f.init]
    spoiled = 0
    for field in learnt:
        value = getattr(model, field)
        inside = value.data if sp.issparse(value) else value
        if not isinstance(inside, np.ndarray) or inside.dtype.kind != "f" or not inside.size:
            continue
        kept = inside.copy()
        inside.flat[-1] = np.nan
        with pytest.raises(BeekitError, match=rf"{field}.* not finite"):
            model.save(tmp_path / "model")
        inside[...] = kept
        spoiled += 1
    assert spoiled or name == "random"


def test_a_user_whose_history_has_grown_gets_nearly_the_same_list(name, groups):
    if name in IMPERSONAL:
        pytest.skip("recommends alike whatever belongs together")
    model = MODELS[name](vectors_of(groups)).fit(groups)
    before, _ = model.recommend(groups, 24, exclude_seen=False)
    for shown in range(0, 60, 7):
        for change in (0, 1):  # one item of the group less, or one more
            own = groups[[shown]].toarray()
            group = np.arange(8 * (shown % 3), 8 * (shown % 3) + 8)
            own[0, group[(own[0, group] != 0) == 1 - change][0]] = change
            grown = as_read(name, sp.csr_array(own != 0, dtype=np.float32))
            after, _ = model.recommend(grown, 8, exclude_seen=False)
            assert len(set(after[0]) & set(before[shown, :8])) >= 6
