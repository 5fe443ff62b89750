"""Whoever takes vectors, scores or interactions refuses what cannot be computed with, in one line.

What the library exports is walked. A parameter that takes such numbers and has no recipe here
fails the test: give it one, or say in `EXEMPT` why it needs none.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
import torch
from contracts.models import MODELS, as_read

import beekit
from beekit import Catalog, Interactions, ItemIndex, evaluate
from beekit.encoder_modules import NAMESPACE
from beekit.encoders import ItemTokens
from beekit.errors import BeekitError
from beekit.evaluation import by_history, by_support, compare, metrics, neighbours
from beekit.index import VectorSearch, measure_index
from beekit.split import HeldOut, Split
from beekit.training import ELSALoss, elsa_loss

USERS, ITEMS, DIMS = 12, 10, 4
ANNOTATIONS = ("ndarray", "csr_array", "sparray", "spmatrix", "Tensor")
NAMES = {
    *("vectors", "item_vectors", "user_side", "item_factors", "cf_user_side", "cf_item_factors"),
    *("X", "ranked", "first", "second", "labels", "scores", "embeddings"),
}
FAULTS = ("NaN", "+inf", "-inf", "another width", "one dimension", "no rows", "of type object")
NOT_FINITE = FAULTS[:3]

# Parameters that hold ids, item indices or masks: there is nothing in them that could overflow.
INDICES = {
    *("item_ids", "user_ids", "item_indices", "candidates", "positions", "items", "keep"),
    *("leave_out", "among", "users", "keys"),
}
EXEMPT = {
    "Evaluation": "what `evaluate` returns",
    "compare_models.first": "an Evaluation",
    "compare_models.second": "an Evaluation",
    "compare_metrics.first": "an Evaluation",
    "compare_metrics.second": "an Evaluation",
    "RatingEvaluation": "what `evaluate_ratings` returns",
    "IndexQuality": "what `measure_index` returns",
    "Shop": "what `make_shop` returns",
    "recall_of": "takes what `hits` and `target_counts` give",
    "calibrated_recall_of": "as recall_of",
    "precision_of": "as recall_of",
    "ndcg_of": "as recall_of",
    "mrr_of": "as recall_of",
    "hit_rate_of": "as recall_of",
    "ELSALoss.forward.sentence_features": "features are the encoder's to read",
    "HeldOut.with_numbers.read": "a source and a target, which HeldOut checks",
    "Random.fit.X": "learns nothing",
}


@dataclass(frozen=True)
class Recipe:
    """How to give something a value, good or bad, in place of one parameter.

    Attributes:
        good: a value that is taken.
        call: what takes it.
        faults: what it must refuse.
    """

    good: Any
    call: Callable[[Any], object]
    faults: tuple[str, ...] = FAULTS


def broken(good: Any, fault: str) -> Any:
    """A good value with a fault."""
    if fault in NOT_FINITE:
        value = {"NaN": np.nan, "+inf": np.inf, "-inf": -np.inf}[fault]
        bad = good.clone() if isinstance(good, torch.Tensor) else good.copy()
        if not isinstance(bad, torch.Tensor) and bad.dtype.kind != "f":
            bad = bad.astype(np.float64)
        numbers = bad.data if sp.issparse(bad) else bad.reshape(-1)
        numbers[len(numbers) // 2] = value
        return bad
    if fault == "another width":
        return good[..., :-1] if good.ndim == 1 or not sp.issparse(good) else good[:, :-1]
    if fault == "one dimension":
        return good.toarray()[0] if sp.issparse(good) else good[0]
    if fault == "no rows":
        return good[:0]
    return (good.toarray() if sp.issparse(good) else np.asarray(good)).astype(object)


@cache
def numbers() -> dict[str, Any]:
    """Small valid inputs."""
    generator = np.random.default_rng(0)
    dense = generator.random((USERS, ITEMS)) < 0.4
    dense[:, 0] = dense[:, 1] = True
    X = sp.csr_array(dense.astype(np.float32))
    source = X.copy()
    source.data = (generator.random(X.nnz) < 0.6).astype(np.float32)
    source.data[source.indptr[:-1]] = 1
    source.data[source.indptr[:-1] + 1] = 0
    source.eliminate_zeros()
    target = sp.csr_array(X - source)
    target.eliminate_zeros()
    vectors = generator.normal(size=(ITEMS, DIMS)).astype(np.float32)
    interactions = Interactions(X, np.arange(USERS), np.arange(ITEMS), np.arange(float(X.nnz)))
    part = HeldOut(source, target, np.arange(ITEMS))
    index = ItemIndex(vectors)
    evaluation = evaluate(index, part, metrics=["recall@5"], top_k=5, intervals=False)
    titles = pa.table({"title": [f"item {i}" for i in range(ITEMS)]})
    return {
        "X": X,
        "source": source,
        "target": target,
        "vectors": vectors,
        "interactions": interactions,
        "part": part,
        "index": index,
        "evaluation": evaluation,
        "ranked": evaluation.ranked,
        "catalog": Catalog(np.arange(ITEMS), titles, "{title}"),
    }


def recipes(encoder: Any = None) -> dict[str, Recipe]:
    """By parameter, as `ItemIndex.item_vectors`."""
    given = numbers()
    X, source, target, vectors = (given[n] for n in ("X", "source", "target", "vectors"))
    part, index, known = given["part"], given["index"], given["interactions"]
    ranked, evaluation = given["ranked"], given["evaluation"]
    stamps, values = known.timestamps, np.arange(1.0, USERS + 1)
    dense = torch.from_numpy(X.toarray())
    embeddings = torch.nn.functional.normalize(torch.from_numpy(vectors), dim=1)
    rows = np.arange(USERS)
    # A history of no user is answered with no list; a mistake is only one in what is learnt from.
    histories = tuple(fault for fault in FAULTS if fault != "no rows")
    column = (*NOT_FINITE, "another width", "no rows", "of type object")
    # Lists may have any length, and users whose metric is NaN are left out.
    lists = tuple(fault for fault in FAULTS if fault != "another width")
    per_user = tuple(fault for fault in column if fault != "NaN")
    tensors = tuple(fault for fault in FAULTS if fault != "of type object")

    def train(matrix: Any) -> object:
        from beekit import BeeFormerTrainer, BeeFormerTrainingArguments

        args = BeeFormerTrainingArguments(output_dir="unused", report_to="none", use_cpu=True)
        texts = [f"printer {i}" for i in range(ITEMS)]
        return BeeFormerTrainer(encoder, args, interactions=matrix, items=texts)

    def loss(labels: Any) -> object:
        return ELSALoss(torch.nn.Identity()).calculate_loss([[embeddings]], labels)

    def near(**changed: Any) -> object:
        usual = {"interactions": X, "catalog": given["catalog"], "among": np.arange(ITEMS)}
        return neighbours(index, index, **{**usual, **changed})

    def arrays(**changed: Any) -> object:
        return Interactions.from_arrays(rows, np.arange(USERS) % 3, **changed)

    found = {
        "BeeFormerTrainer.interactions": Recipe(X, train),
        "ELSALoss.forward.labels": Recipe(dense, loss, tensors),
        "ELSALoss.calculate_loss.labels": Recipe(dense, loss, tensors),
        "ELSALoss.calculate_loss.reps": Recipe(
            embeddings,
            lambda A: ELSALoss(torch.nn.Identity()).calculate_loss([[A]], dense),
            (*NOT_FINITE, "one dimension", "no rows"),
        ),
        "elsa_loss.embeddings": Recipe(
            embeddings, lambda A: elsa_loss(A, dense), (*NOT_FINITE, "one dimension", "no rows")
        ),
        "elsa_loss.interactions": Recipe(dense, lambda x: elsa_loss(embeddings, x), tensors),
        "Interactions.matrix": Recipe(
            X, lambda matrix: Interactions(matrix, known.user_ids, known.item_ids)
        ),
        "Interactions.timestamps": Recipe(
            stamps, lambda t: Interactions(X, known.user_ids, known.item_ids, t), column
        ),
        "Interactions.values": Recipe(
            stamps,
            lambda v: Interactions(X, known.user_ids, known.item_ids, values=v),
            column,
        ),
        "Interactions.valued.matrix": Recipe(X, lambda matrix: known.valued(matrix, "order")),
        "Interactions.from_arrays.values": Recipe(
            values, lambda v: arrays(values=v, min_value=1.0), column
        ),
        "Interactions.from_arrays.timestamps": Recipe(
            values, lambda t: arrays(timestamps=t), column
        ),
        "ItemIndex.item_vectors": Recipe(
            vectors, lambda v: ItemIndex(v, np.arange(ITEMS), user_side=vectors)
        ),
        "ItemIndex.user_side": Recipe(vectors, lambda v: ItemIndex(vectors, user_side=v)),
        "ItemIndex.user_vectors.X": Recipe(X, index.user_vectors, histories),
        "ItemIndex.recommend.X": Recipe(X, lambda x: index.recommend(x, 3), histories),
        "ItemIndex.recommend.user_vectors": Recipe(
            np.ones((USERS, DIMS), dtype=np.float32),
            lambda v: index.recommend(X, 3, user_vectors=v),
        ),
        "VectorSearch.item_vectors": Recipe(
            vectors,
            lambda v: VectorSearch(v, np.arange(ITEMS)),
            tuple(fault for fault in FAULTS if fault != "another width"),
        ),
        **{
            f"{name}.search.user_vectors": Recipe(
                np.ones((USERS, DIMS), dtype=np.float32), lambda v: index.search(v, 3, seen=X)
            )
            for name in ("VectorSearch", "ItemIndex")
        },
        **{
            f"{name}.search.seen": Recipe(
                X, lambda x: index.search(np.ones((USERS, DIMS)), 3, seen=x)
            )
            for name in ("VectorSearch", "ItemIndex")
        },
        "measure_index.X": Recipe(X, lambda x: measure_index(index, x, 3)),
        "measure_index.exact": Recipe(
            ranked, lambda lists: measure_index(index, X, 5, exact=lists), lists
        ),
        "by_history.source": Recipe(
            source,
            lambda x: by_history([evaluation], x, "recall@5"),
            (*NOT_FINITE, "one dimension", "of type object"),
        ),
        "by_support.interactions": Recipe(
            X, lambda x: by_support([evaluation], part, x, "recall@5"), histories
        ),
        "neighbours.interactions": Recipe(X, lambda x: near(interactions=x), histories),
        "neighbours.text_parts": Recipe(vectors, lambda v: near(text_parts=(v, v))),
        "compare.first": Recipe(values, lambda v: compare(v, values), per_user),
        "compare.second": Recipe(values, lambda v: compare(values, v), per_user),
        "HeldOut.source": Recipe(source, lambda x: HeldOut(x, target, np.arange(ITEMS))),
        "HeldOut.target": Recipe(target, lambda x: HeldOut(source, x, np.arange(ITEMS))),
        "Split.train": Recipe(source, lambda x: Split("user", {}, known, x, test=part)),
        "target_counts.target": Recipe(
            target, metrics.target_counts, (*NOT_FINITE, "one dimension", "of type object")
        ),
        "coverage.ranked": Recipe(
            ranked, lambda lists: metrics.coverage(lists, ITEMS), tuple(set(lists) - {"no rows"})
        ),
    }
    # Lists that name items beyond a narrower target are seen by their last item.
    last = np.full((USERS, 1), ITEMS - 1)
    for name in ("hits", "recall", "calibrated_recall", "precision", "ndcg", "mrr", "hit_rate"):
        metric = getattr(metrics, name)
        found[f"{name}.ranked"] = Recipe(ranked, lambda r, m=metric: m(r, target), lists)
        found[f"{name}.target"] = Recipe(target, lambda t, m=metric: m(last, t))
    return {**found, **_of_models(X, vectors, histories)}


def _of_models(
    X: sp.csr_array, vectors: np.ndarray, histories: tuple[str, ...]
) -> dict[str, Recipe]:
    """Recipes of every model, from the factories of the contract suite."""
    found: dict[str, Recipe] = {}
    beside = tuple(fault for fault in FAULTS if fault != "another width")
    for label, factory in MODELS.items():
        read, model = as_read(label, X), factory(vectors)
        kind, name = type(model), type(model).__name__
        if f"{name}.recommend.X" in found:
            continue

        @cache
        def fitted(factory: Any = factory, read: Any = read) -> Any:
            return factory(vectors).fit(read)

        # Nothing is known before about how many users there are; a width is one of some vectors.
        free = "another width" if "vectors" not in inspect.signature(kind).parameters else ""
        free = "another width" if name == "TwoTower" else free
        found[f"{name}.fit.X"] = Recipe(
            read, lambda x, f=factory: f(vectors).fit(x), tuple(f for f in FAULTS if f != free)
        )
        theirs = histories
        if name == "Random":
            theirs = tuple(fault for fault in histories if fault != "another width")
        for call in ("recommend", "user_vectors"):
            k = {"k": 3} if call == "recommend" else {}
            found[f"{name}.{call}.X"] = Recipe(
                read, lambda x, f=fitted, c=call, k=k: getattr(f(), c)(x, **k), theirs
            )
        found[f"{name}.predict.X"] = Recipe(
            read, lambda x, f=fitted: f().predict(x, np.array([0]), np.array([1])), FAULTS
        )
        found[f"{name}.add_items.vectors"] = Recipe(
            vectors, lambda v, f=fitted: deepcopy(f()).add_items(v)
        )
        found[f"{name}.vectors"] = Recipe(vectors, lambda v, k=kind: k(vectors=v), beside)
        found[f"{name}.cf_user_side"] = Recipe(
            vectors,
            lambda v, k=kind: k(vectors, cf_user_side=v, cf_item_factors=vectors, epochs=1).fit(X),
        )
        found[f"{name}.cf_item_factors"] = Recipe(
            vectors,
            lambda v, k=kind: k(vectors, cf_user_side=vectors, cf_item_factors=v, epochs=1).fit(X),
        )
    return found


def exported() -> Iterator[tuple[str, Any]]:
    """Names and classes or functions of beekit and its packages."""
    seen = set()
    packages = [info.name for info in pkgutil.iter_modules(beekit.__path__)]
    modules = [beekit, *(importlib.import_module(f"beekit.{name}") for name in packages)]
    for module in modules:
        for name in getattr(module, "__all__", ()):
            one = getattr(module, name)
            if callable(one) and id(one) not in seen:
                seen.add(id(one))
                yield name, one
    for name, one in vars(metrics).items():
        if inspect.isfunction(one) and one.__module__ == metrics.__name__ and name[0] != "_":
            yield name, one


def functions(name: str, one: Any) -> Iterator[tuple[str, Any]]:
    """What can be called of it: itself, and the public methods that beekit wrote."""
    yield name, one
    if not inspect.isclass(one):
        return
    for kind in one.__mro__:
        if kind.__module__.split(".")[0] not in ("beekit", NAMESPACE):
            continue
        for method, given in vars(kind).items():
            function = getattr(given, "__func__", given)
            if inspect.isfunction(function) and method[0] != "_":
                yield f"{name}.{method}", function


def takers() -> list[str]:
    """Parameters that take vectors, scores or matrices."""
    found = []
    for name, one in exported():
        if getattr(one, "_is_protocol", False):
            continue
        for path, function in functions(name, one):
            try:
                parameters = inspect.signature(function).parameters.values()
            except (ValueError, TypeError):
                continue
            for parameter in parameters:
                numeric = any(kind in str(parameter.annotation) for kind in ANNOTATIONS)
                if parameter.name in INDICES or not (numeric or parameter.name in NAMES):
                    continue
                taker = f"{path}.{parameter.name}"
                if not {taker, path, name} & set(EXEMPT):
                    found.append(taker)
    return found


TAKERS = takers()


@pytest.fixture(scope="module")
def known_recipes(encoder_folder):
    return recipes(beekit.load_encoder(encoder_folder, device="cpu"))


def test_every_taker_of_numbers_has_a_recipe(known_recipes):
    missing = [taker for taker in TAKERS if taker not in known_recipes]
    assert not missing, (
        f"{', '.join(missing)}: exported, takes vectors, scores or matrices, and nobody knows "
        "whether it refuses NaN. Add a recipe to tests/contracts/test_vectors_and_scores.py (a "
        "model: to tests/contracts/models.py), or say in EXEMPT why it needs none."
    )


def test_a_new_class_without_a_recipe_is_noticed(monkeypatch):
    class New:
        def __init__(self, weights: np.ndarray) -> None:
            self.weights = weights

    monkeypatch.setattr(beekit.index, "New", New, raising=False)
    monkeypatch.setattr(beekit.index, "__all__", [*beekit.index.__all__, "New"])
    assert "New.weights" in set(takers()) - set(recipes())


@pytest.mark.parametrize("taker", TAKERS)
def test_what_cannot_be_computed_with_is_refused_in_one_line(taker, known_recipes):
    if taker not in known_recipes:
        pytest.skip("the test above says so")
    recipe = known_recipes[taker]
    recipe.call(recipe.good)
    for fault in recipe.faults:
        with pytest.raises(BeekitError) as caught:
            recipe.call(broken(recipe.good, fault))
        said = str(caught.value)
        assert "\n" not in said
        if fault != "no rows":
            assert any(character.isdigit() for character in said), (fault, said)
        if fault in NOT_FINITE and taker.partition(".")[0] not in ("hits", "coverage"):
            tells = ("NaN", "infinite", "type float")  # the last of lists, which are integers
            assert any(word in said for word in tells), (fault, said)


def test_the_message_counts_the_rows_and_names_three_items():
    vectors = numbers()["vectors"].copy()
    vectors[[2, 3, 5, 7]] = np.nan
    ids = np.array([f"b{i}" for i in range(ITEMS)])
    with pytest.raises(BeekitError, match=r"4 of 10 \(NaN; items 'b2', 'b3', 'b5', \.\.\.\)"):
        ItemIndex(vectors, ids)
    with pytest.raises(BeekitError, match=r"item indices 2, 3, 5, \.\.\."):
        ItemIndex(vectors)


def test_tokens_of_nothing_are_refused(encoder):
    with pytest.raises(BeekitError, match="no texts"):
        ItemTokens(encoder, [])
