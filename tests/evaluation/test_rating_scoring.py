"""Errors of predicted ratings: against loops, by hand, and how sure they are."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from beekit.errors import ConfigError, DataError
from beekit.evaluation import best_against_others, by_history, compare_models, evaluate_ratings
from beekit.evaluation.rating_metrics import RatingErrors, two_way_interval
from beekit.models import GlobalMean, ItemMean, UserMean
from beekit.split import HeldOut


class Told:
    """Predicts what it is told (users, items)."""

    def __init__(self, ratings):
        self.ratings = np.asarray(ratings)

    def predict(self, X, users, items):
        return self.ratings[users, items]


def world(seed=0, users=80, items=30):
    """Known and hidden ratings with effects of users and of items, and predictions of 3."""
    generator = np.random.default_rng(seed)
    ratings = 3 + generator.normal(size=(users, 1)) + generator.normal(size=(1, items))
    ratings += generator.normal(size=(users, items))
    # A few users have many of the ratings.
    share = generator.choice([0.1, 0.2, 0.9], size=(users, 1))
    rated = generator.random((users, items)) < share
    part = np.where(rated, generator.integers(1, 3, size=(users, items)), 0)
    known, hidden = (sp.csr_array(np.where(part == which, ratings, 0)) for which in (1, 2))
    return HeldOut(known, hidden, np.arange(items))


def test_rmse_and_mae_against_loops():
    part = world()
    model = ItemMean().fit(part.source)
    squares = absolutes = count = 0.0
    target = part.target
    for user in range(target.shape[0]):
        for place in range(target.indptr[user], target.indptr[user + 1]):
            item = target.indices[place]
            gap = float(model.predict(part.source, [user], [item])[0]) - target.data[place]
            squares, absolutes, count = squares + gap**2, absolutes + abs(gap), count + 1
    found = evaluate_ratings(model, part)
    assert found.metrics["rmse"]["value"] == pytest.approx((squares / count) ** 0.5)
    assert found.metrics["mae"]["value"] == pytest.approx(absolutes / count)
    assert found.row()["ratings"] == count
    assert found.row()["users"] == len(np.flatnonzero(np.diff(target.indptr)))


def test_by_hand():
    target = sp.csr_array(np.array([[5.0, 0, 1], [0, 4, 0]]))
    part = HeldOut(sp.csr_array((2, 3)), target, np.arange(3))
    found = evaluate_ratings(Told([[4, 9, 3], [9, 4, 9]]), part)
    assert found.metrics["rmse"]["value"] == pytest.approx((5 / 3) ** 0.5)
    assert found.metrics["mae"]["value"] == pytest.approx(1)


def test_a_hidden_rating_of_zero_counts():
    target = sp.csr_array((np.array([0.0, 2.0]), ([0, 1], [0, 1])), shape=(2, 2))
    part = HeldOut(sp.csr_array((2, 2)), target, np.arange(2))
    found = evaluate_ratings(Told([[4, 4], [4, 2]]), part, intervals=False)
    assert found.metrics["rmse"]["value"] == pytest.approx(8**0.5)
    assert len(found.users) == 2


def test_users_without_known_ratings_count():
    part = world()
    alone = HeldOut(sp.csr_array(part.source.shape), part.target, part.candidates)
    model = UserMean().fit(part.source)
    known, unknown = (evaluate_ratings(model, one) for one in (part, alone))
    assert len(unknown.users) == len(known.users)
    mean = evaluate_ratings(GlobalMean().fit(part.source), part)
    assert unknown.metrics["mae"]["value"] == pytest.approx(mean.metrics["mae"]["value"])


@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_the_values_of_users_have_the_metric_as_mean_and_the_jackknife_as_spread(metric):
    part = world()
    found = evaluate_ratings(ItemMean().fit(part.source), part)
    errors, values = found.errors, found.per_user[metric]
    assert values.mean() == pytest.approx(found.metrics[metric]["value"])
    users = len(values)
    without = np.array(
        [errors.of_users(np.arange(users) != user).value(metric) for user in range(users)]
    )
    jackknife = (users - 1) / users * ((without - without.mean()) ** 2).sum()
    assert values.var(ddof=1) / users == pytest.approx(jackknife, rel=0.1)


@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_the_interval_over_users_is_that_of_drawing_users_anew(metric):
    part = world(users=300)
    found = evaluate_ratings(ItemMean().fit(part.source), part)
    errors, generator = found.errors, np.random.default_rng(1)
    by_user = np.split(errors.errors, np.cumsum(np.bincount(errors.users))[:-1])
    drawn = []
    for _ in range(2000):
        gaps = np.concatenate([by_user[u] for u in generator.integers(len(by_user), size=300)])
        drawn.append(np.sqrt(np.mean(gaps**2)) if metric == "rmse" else np.mean(np.abs(gaps)))
    low, high = np.percentile(drawn, [2.5, 97.5])
    ours = found.metrics[metric]["ci95"]
    # Of 2,000 and of 1,000 draws, the ends vary by about a twentieth of the width.
    np.testing.assert_allclose(ours, [low, high], atol=0.12 * (high - low))


def test_ratings_of_a_user_are_not_taken_as_independent():
    """With ratings as draws, the interval would be much too narrow where users differ."""
    users, each = 40, 50
    generator = np.random.default_rng(0)
    errors = np.repeat(generator.normal(size=users), each)
    who = np.repeat(np.arange(users), each)
    found = RatingErrors(who, np.tile(np.arange(each), users), errors)
    over_users = found.by_user("rmse").std(ddof=1) / users**0.5
    alone = (found.shares("rmse") * users * each).std(ddof=1) / (users * each) ** 0.5
    assert over_users > 5 * alone


@pytest.mark.parametrize("effects", ["users", "items", "both", "none"])
def test_the_interval_over_users_and_items_holds_the_true_value_about_as_often_as_it_says(effects):
    generator, inside, times = np.random.default_rng(2), 0, 300
    users, items = 50, 40
    who, what = np.indices((users, items)).reshape(2, -1)
    for _ in range(times):
        errors = 0.5 * generator.normal(size=(users, items))
        if effects in ("users", "both"):
            errors += generator.normal(size=(users, 1))
        if effects in ("items", "both"):
            errors += generator.normal(size=(1, items))
        found = RatingErrors(who, what, errors.ravel())
        truth = (0.25 + (effects in ("users", "both")) + (effects in ("items", "both"))) ** 0.5
        shares, value = found.shares("rmse"), found.value("rmse")
        low, high = two_way_interval(shares, who, what, value, 0.0)
        inside += low <= truth <= high
    # Normal effects of 40 items give few degrees of freedom; Student's t covers 90% at least.
    assert inside / times > 0.89


def test_it_is_wider_than_that_over_users_where_items_differ():
    part = world(users=300)
    metrics = evaluate_ratings(UserMean().fit(part.source), part).metrics
    widths = [np.ptp(metrics["rmse"][key]) for key in ("ci95", "ci95_items")]
    assert widths[1] > 1.2 * widths[0]


def test_the_lowest_error_is_the_best():
    part = world()
    found = [
        evaluate_ratings(kind().fit(part.source), part, model=kind.__name__)
        for kind in (GlobalMean, UserMean, ItemMean)
    ]
    made = best_against_others(found, "rmse")
    values = {one.model: one.metrics["rmse"]["value"] for one in found}
    assert made[0]["first"] == min(values, key=values.get)
    assert [one["second"] for one in made] == sorted(values, key=values.get)[1:]
    for one in made:
        assert one["difference"] == pytest.approx(values[one["first"]] - values[one["second"]])
        assert one["difference"] < 0
        assert one["ci95"][0] < one["difference"] < one["ci95"][1]
        assert one["ci95_items"][0] < one["difference"] < one["ci95_items"][1]


def test_models_are_compared_on_the_same_ratings_alone():
    part, other = world(), world(seed=1)
    first, second = (evaluate_ratings(GlobalMean().fit(one.source), one) for one in (part, other))
    with pytest.raises(DataError, match="different users"):
        compare_models(first, second, "rmse")


def test_by_history_it_is_the_error_of_those_users():
    part = world(users=200)
    found = evaluate_ratings(ItemMean().fit(part.source), part, model="mean")
    lengths = np.diff(part.source.indptr)
    for one in by_history([found], part.source, "rmse")["bins"]:
        members = (lengths >= one["low"]) & (lengths <= one["high"])
        rows = np.repeat(np.arange(200), np.diff(part.target.indptr))
        gaps = found.errors.errors[members[rows]]
        assert one["models"]["mean"]["value"] == pytest.approx(np.sqrt(np.mean(gaps**2)))


def test_perfect_predictions():
    part = world()
    found = evaluate_ratings(Told(part.target.toarray()), part)
    for metric in found.metrics.values():
        assert metric["value"] == 0
        assert metric["ci95"] == [0, 0]
        assert metric["ci95_items"] == [0, 0]


def test_one_rating_of_one_user():
    target = sp.csr_array(np.array([[2.0]]))
    found = evaluate_ratings(Told([[4.0]]), HeldOut(sp.csr_array((1, 1)), target, np.arange(1)))
    assert found.metrics["rmse"]["value"] == 2
    assert "ci95_items" not in found.metrics["rmse"]


class Wrong(Told):
    def predict(self, X, users, items):
        return self.ratings


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (np.ones(3), "shape"),
        (["a"], "type"),
        (3.0, "shape"),
        (None, "NaN"),
    ],
)
def test_what_is_no_prediction_is_refused(returned, message):
    part = world()
    if returned is None:
        returned = np.full(part.target.nnz, np.nan)
    with pytest.raises(DataError, match=message):
        evaluate_ratings(Wrong(returned), part)


def test_metrics_of_lists_and_empty_parts_are_refused():
    part = world()
    with pytest.raises(ConfigError, match=r"'ndcg@100' of predicted ratings; expected one of rmse"):
        evaluate_ratings(Told([[0]]), part, metrics=["ndcg@100"])
    empty = HeldOut(part.source, sp.csr_array(part.source.shape), part.candidates)
    with pytest.raises(DataError, match="no hidden rating"):
        evaluate_ratings(Told([[0]]), empty)
