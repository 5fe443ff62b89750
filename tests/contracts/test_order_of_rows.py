"""No metric depends on the order of rows in a file, or on what ids look like."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
from contracts.models import MODELS
from hypothesis import given, settings
from hypothesis import strategies as st

from beekit import Dataset, ItemIndex, evaluate
from beekit.models import Popularity, Random
from beekit.split import HeldOut, Split

USERS, ITEMS, COLD = 80, 30, 8
METRICS = ("recall@3", "ndcg@10", "mrr@10", "coverage@3")


def world(seed: int) -> np.ndarray:
    """(users, items) bool: popularity falls with the number of an item, the last ones included."""
    generator = np.random.default_rng(seed)
    chance = np.linspace(0.5, 0.1, ITEMS)
    used = generator.random((USERS, ITEMS)) < chance
    used[0] = True  # nobody is without any
    return used


def write(folder, used: np.ndarray, item_ids: list, generator: np.random.Generator | None):
    """A dataset folder, its rows shuffled if asked for."""
    folder.mkdir()
    users, items = np.nonzero(used)
    events = np.arange(len(users))
    catalog = np.arange(ITEMS)
    if generator is not None:
        generator.shuffle(events)
        generator.shuffle(catalog)
    pq.write_table(
        pa.table(
            {
                "user_id": users[events] + 1000,
                "item_id": [item_ids[i] for i in items[events]],
                "value": 1 + (users[events] + 3 * items[events]) % 5,
                "timestamp": (37 * users[events] + 11 * items[events]) % 101,
            }
        ),
        folder / "interactions.parquet",
    )
    pq.write_table(
        pa.table(
            {
                "item_id": [item_ids[i] for i in catalog],
                "title": [f"item {i}" for i in catalog],
            }
        ),
        folder / "items.parquet",
    )
    return folder


def held_out_cold(dataset: Dataset, cold_titles: set[str]) -> Split:
    """The split that holds out the items of these titles."""
    titles = dataset.catalog.fields.column("title").to_pylist()
    cold = np.array([title in cold_titles for title in titles])
    X = dataset.interactions.matrix.toarray()
    train, target = sp.csr_array(X * ~cold), sp.csr_array(X * cold)
    test = HeldOut(train, target, np.flatnonzero(cold))
    return Split("cold_start", {}, dataset.interactions, train, test=test)


def vectors_of(dataset: Dataset) -> np.ndarray:
    """Vectors that go with the titles, not with the order."""
    numbers = [int(t.split()[1]) for t in dataset.catalog.fields.column("title").to_pylist()]
    return np.random.default_rng(0).normal(size=(ITEMS, 6)).astype(np.float32)[numbers]


def metrics_of(make, dataset: Dataset, cold_titles: set[str]) -> dict[str, float]:
    split = held_out_cold(dataset, cold_titles)
    model = make(vectors_of(dataset))
    split = split.read_as(getattr(model, "reads", "items"))
    model.fit(split.train)
    found = evaluate(model, split.test, metrics=METRICS, top_k=10, intervals=False)
    return {name: metric["value"] for name, metric in found.metrics.items()}


@pytest.mark.parametrize("name", MODELS)
def test_the_order_of_rows_changes_no_metric(name, tmp_path):
    used = world(1)
    cold = {f"item {i}" for i in range(0, ITEMS, ITEMS // COLD)}
    ids = list(range(ITEMS))
    plain = write(tmp_path / "plain", used, ids, None)
    shuffled = write(tmp_path / "shuffled", used, ids, np.random.default_rng(3))
    of_plain, of_shuffled = (
        metrics_of(MODELS[name], Dataset.load(folder), cold) for folder in (plain, shuffled)
    )
    assert of_plain == pytest.approx(of_shuffled, rel=1e-12, abs=1e-12)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 10**6))
@pytest.mark.parametrize("name", ["popularity", "EASE", "ItemKNN", "SLIM"])
def test_new_ids_change_metrics_no_more_than_chance_does(name, seed, tmp_path_factory):
    """Ids by popularity, in reverse, at random, as text: what ties is drawn, the rest stays."""
    generator = np.random.default_rng(seed)
    used = world(seed)
    cold_numbers = generator.choice(ITEMS, COLD, replace=False)
    cold = {f"item {i}" for i in cold_numbers}
    number = generator.permutation(10 * ITEMS)[:ITEMS]
    namings = {
        "by popularity": list(range(ITEMS)),
        "reversed": list(range(ITEMS))[::-1],
        "random": number.tolist(),
        "text": [f"id-{n}" for n in number],
    }
    folder = tmp_path_factory.mktemp("named")
    found = []
    for title, ids in namings.items():
        dataset = Dataset.load(write(folder / title, used, ids, generator))
        split = held_out_cold(dataset, cold)
        model = MODELS[name](vectors_of(dataset)).fit(split.train)
        found.append(
            evaluate(model, split.test, metrics=["recall@3"], top_k=3).per_user["recall@3"]
        )
    # Users agree between namings in what does not tie; all these score cold items alike, so every
    # list is a draw of its own: means differ by the spread of a draw, five standard deviations.
    for values in found[1:]:
        gap = values - found[0]
        spread = np.sqrt((found[0].var() + values.var()) / len(gap))
        assert abs(gap.mean()) <= 5 * spread


def test_where_nothing_ties_new_ids_change_nothing(tmp_path):
    """Content scores are all different, whatever items are called."""
    used = world(2)
    cold = {f"item {i}" for i in range(COLD)}
    found = []
    for title, ids in {"up": range(ITEMS), "down": range(ITEMS)[::-1]}.items():
        dataset = Dataset.load(write(tmp_path / title, used, list(ids), None))
        split = held_out_cold(dataset, cold)
        index = ItemIndex(vectors_of(dataset))
        found.append(evaluate(index, split.test, metrics=METRICS, top_k=10, intervals=False))
    first, second = ({k: v["value"] for k, v in one.metrics.items()} for one in found)
    assert first == pytest.approx(second, rel=1e-12)


class Alike:
    """Scores every item the same, by one of the ways models score."""

    scores_cold_items = True

    def __init__(self, index: ItemIndex) -> None:
        self.index = index

    def recommend(self, X, k, candidates=None, exclude_seen=True):
        return self.index.recommend(X, k, candidates, exclude_seen)


@pytest.mark.parametrize("order", ["popular first", "popular last"])
@pytest.mark.parametrize(
    "name", ["popularity", "EASE", "ItemKNN", "SANSA", "one vector", "no vector"]
)
def test_a_model_that_scores_all_alike_does_as_well_as_chance(name, order, random_matrix):
    """Popularity of cold items, in rising or falling order of their indices, stays unknown."""
    users, items, cold = 3000, 60, 40
    generator = np.random.default_rng(4)
    chance = np.linspace(0.5, 0.02, items)
    if order == "popular last":
        chance = chance[::-1]
    used = generator.random((users, items)) < chance
    is_cold = np.zeros(items, dtype=bool)
    is_cold[generator.choice(items, cold, replace=False)] = True
    train = sp.csr_array((used & ~is_cold).astype(np.float32))
    target = sp.csr_array((used & is_cold).astype(np.float32))
    held_out = HeldOut(train, target, np.flatnonzero(is_cold))
    if name.endswith("vector"):
        value = 1.0 if name == "one vector" else 0.0
        model = Alike(ItemIndex(np.full((items, 4), value, dtype=np.float32)))
    else:
        model = MODELS[name](np.eye(items, dtype=np.float32)).fit(train)
    metrics = ("calibrated_recall@5", "ndcg@10")
    found = evaluate(model, held_out, metrics=metrics, top_k=10)
    floor = evaluate(Random(1), held_out, metrics=metrics, top_k=10)
    for metric in metrics:
        gap = found.per_user[metric] - floor.per_user[metric]
        assert abs(gap.mean()) <= 4 * gap.std() / np.sqrt(len(gap)), metric
    assert Popularity().fit(train).support[is_cold].max() == 0


def test_seeds_draw_orders_of_their_own():
    X = sp.csr_array(np.eye(50, dtype=np.float32))
    seeds = (-(2**70), -1, 0, 1, 2, 3, 2**64, 10**30)
    lists = {seed: Random(seed).recommend(X, 20)[0] for seed in seeds}
    for seed, items in lists.items():
        np.testing.assert_array_equal(items, Random(seed).recommend(X, 20)[0])
        for other, theirs in lists.items():
            if other % 2**64 == seed % 2**64:
                continue
            # Neither the same lists, nor those of another seed moved by some items.
            for step in range(-5, 6):
                assert np.mean((theirs + step) % 50 == items) < 0.1, (seed, other, step)
