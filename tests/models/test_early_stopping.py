"""Early stopping: validated on users that nothing is learnt from, kept as of the best epoch."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import scipy.sparse as sp

from beekit.errors import ConfigError
from beekit.evaluation import evaluate
from beekit.models import BPR, ELSA, SVAE, AsymmetricSVD, MultDAE
from beekit.models.early_stopping import Watch, watched
from beekit.split import HeldOut


@pytest.fixture(scope="module")
def X():
    """500 users who mostly stay in one of three parts of 60 items; some with one item or none."""
    draw = np.random.default_rng(5)
    part = draw.integers(3, size=500)
    likes = np.where(part[:, None] == np.arange(60) % 3, 0.3, 0.03)
    dense = draw.random((500, 60)) < likes
    dense[:5] = False
    dense[5:10] = np.arange(60) == 7
    return sp.csr_array(dense.astype(np.float32))


def small(**changes):
    settings = {"embedding_dim": 8, "users_per_step": 50, "learning_rate": 0.01, "epochs": 9}
    return MultDAE(**{**settings, **changes})


def test_it_is_the_model_of_the_best_epoch_and_stops_after_patience(X):
    kept = []

    def look(model, epoch, loss):
        kept.append(model.item_vectors)

    model = small(patience=2, epochs=60, learning_rate=0.03).fit(X, after_epoch=look)
    learning = model.learning
    assert len(kept) == learning.epochs == len(learning.curve) < learning.of == 60
    assert learning.epochs == learning.best_epoch + 2
    assert learning.value == max(learning.curve) == learning.curve[learning.best_epoch - 1]
    assert model.item_vectors is kept[learning.best_epoch - 1]
    assert 0 < learning.seconds_to_best <= learning.seconds


def test_the_curve_is_what_evaluate_says_of_each_epoch(X):
    _, watch = watched(small(patience=5), X, None)
    found = []

    def look(model, epoch, loss):
        one = evaluate(model, watch.held_out, metrics=["ndcg@100"], top_k=100, intervals=False)
        found.append(one.metrics["ndcg@100"]["value"])

    model = small(patience=5, epochs=4).fit(X, after_epoch=look)
    assert model.learning.curve == found
    assert len(set(found)) == 4


@pytest.mark.parametrize("kind", [MultDAE, AsymmetricSVD, ELSA])
def test_held_out_users_teach_nothing(X, kind):
    """Other interactions of theirs give the same model, if it is as good to them."""
    model = kind(patience=3, epochs=3, users_per_step=50)
    taught, watch = watched(model, X, None)
    theirs = np.unique(watch.held_out.source.nonzero()[0])
    assert len(theirs) == round(490 * 0.05)
    np.testing.assert_array_equal(np.diff(taught.indptr)[theirs], 0)
    others = np.setdiff1d(np.arange(500), theirs)
    assert (taught[others] != X[others]).nnz == 0
    together = watch.held_out.source + watch.held_out.target
    assert (together[theirs] != X[theirs]).nnz == 0
    shares = watch.held_out.source.sum() / together.sum()
    assert 0.75 < shares < 0.85


def test_a_model_with_user_vectors_keeps_what_is_known_of_them(X):
    taught, watch = watched(BPR(patience=3), X, None)
    assert (taught != X - watch.held_out.target).nnz == 0
    assert (taught.multiply(watch.held_out.target)).nnz == 0


def test_order_decides_what_is_hidden_from_a_model_that_reads_it(X):
    class Reader(MultDAE):
        reads = "order"

    ordered = X.astype(np.float64)
    ordered.data = np.random.default_rng(0).permutation(X.nnz) + 1.0
    _, watch = watched(Reader(patience=3), ordered, None)
    for user in watch.held_out.users:
        target = ordered[[user]].multiply(watch.held_out.target[[user]]).data
        assert watch.held_out.source[[user]].data.max() < target.min()


def test_a_validation_part_is_used_as_it_is(X):
    part = HeldOut(X[:80], sp.csr_array(X[80:160]), np.arange(60))
    model = small(patience=3, epochs=2).fit(X[160:], validation=part)
    assert model.learning.validated_on == f"the {len(part.users)} users of the validation part"
    other = HeldOut(X[:80], sp.csr_array(X[240:320]), np.arange(60))
    assert small(patience=3, epochs=2).fit(X[160:], validation=other).learning.curve != (
        model.learning.curve
    )


def test_cold_candidates_cannot_judge_a_model_that_does_not_know_them(X):
    cold = X.copy()
    cold.data[cold.indices >= 50] = 0
    cold.eliminate_zeros()
    part = HeldOut(cold, sp.csr_array(X - cold), np.arange(50, 60))
    model = small(patience=3, epochs=2).fit(cold, validation=part)
    assert "training users held out" in model.learning.validated_on


def test_few_users_train_all_epochs_and_it_says_so(X, caplog):
    caplog.set_level(logging.INFO, "beekit")
    model = small(patience=1, epochs=3).fit(X[:300])
    assert model.learning is None
    assert "MultDAE trains all epochs: there is too little to hold some out" in caplog.text
    plain = small(patience=0, epochs=3).fit(X[:300])
    np.testing.assert_array_equal(model.item_vectors, plain.item_vectors)


def test_the_best_epoch_last_is_a_warning(X, caplog):
    small(patience=9, epochs=2).fit(X)
    assert "MultDAE was best in its last epoch, 2: it would learn more from more" in caplog.text


def test_what_it_says_is_of_the_last_fit(X):
    model = small(patience=9, epochs=2).fit(X)
    assert model.learning is not None
    model.patience = 0
    assert model.fit(X).learning is None


def test_a_metric_that_cannot_tell_is_refused(X):
    with pytest.raises(ConfigError, match="Set validation_metric=recall@14"):
        small(patience=2, validation_metric="recall@100").fit(X)
    with pytest.raises(ConfigError, match="ndgc"):
        small(validation_metric="ndgc@10")


def test_the_first_of_equal_epochs_is_the_best():
    class Fixed:
        patience, validation_metric, reads = 2, "ndcg@100", "items"
        values = iter([0.2, 0.3, 0.3, 0.25])

        def _validated(self, held_out):
            return next(self.values)

    import dataclasses

    model = dataclasses.make_dataclass("One", [], bases=(Fixed,))()
    watch = Watch(model, None, "nobody")
    assert [watch.look(model, epoch) for epoch in (1, 2, 3, 4)] == [False, False, False, True]
    watch.finish(model, 9)
    assert (model.learning.best_epoch, model.learning.epochs) == (2, 4)


def test_drawn_users_that_can_judge_nothing_are_no_mistake_of_anybody(caplog):
    caplog.set_level(logging.INFO, "beekit")
    model = MultDAE(epochs=1, embedding_dim=2).fit(sp.csr_array(np.ones((500, 2))))
    assert model.learning is None
    assert "no epoch could be told from another" in caplog.text


def test_places_from_zero_are_places():
    """A user whose only known item came at 0 is validated on, too."""
    items = np.tile([[0, 1]], (600, 1)) + np.arange(600)[:, None] % 5
    rows, places = np.repeat(np.arange(600), 2), np.tile([0.0, 1.0], 600)
    X = sp.csr_array((places, (rows, items.ravel())), shape=(600, 6))
    model = SVAE(epochs=1, embedding_dim=2, item_dim=3, state_dim=3, hidden_dim=3).fit(X)
    assert model.learning.validated_on == "30 training users held out"
