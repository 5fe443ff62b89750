"""Histories from a file: what counts as use there, and what does not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp

from beekit.data.table_file import as_columns
from beekit.errors import ConfigError, DataError
from beekit.models import SVAE, Random
from beekit.run.known_items import KnownItems
from beekit.run.serve import Server, read_histories

FILE = "user_id,item_id,value\n1,10,5\n1,20,0\n2,10,-1\n"


def test_values_that_may_mean_no_are_no_history_unless_the_run_says_what_counts(tmp_path):
    path = tmp_path / "users.csv"
    path.write_text(FILE)
    with pytest.raises(DataError, match=r"2 of 3 interactions .* \(0, -1\)"):
        read_histories(path)
    users, items, _ = read_histories(path, 1)
    assert (users.to_pylist(), items.to_pylist()) == ([1], [10])
    with pytest.raises(DataError, match="no value of at least 9"):
        read_histories(path, 9)


def test_a_file_of_histories_may_have_the_names_of_the_runs_files(tmp_path, caplog):
    path = tmp_path / "users.csv"
    path.write_text("who,item_id,rating\n1,10,1\n1,20,5\n")
    called = as_columns({"user_id": "who", "value": "rating"})
    users, items, _ = read_histories(path, 4, called)
    assert (users.to_pylist(), items.to_pylist()) == ([1], [20])
    path.write_text("user_id,item_id,rating\n1,10,1\n1,20,5\n")
    with pytest.raises(DataError, match="expected a column who"):
        read_histories(path, 4, called)
    path.write_text("user_id,item_id\n1,10\n1,20\n")
    assert len(read_histories(path, 4, called)[0]) == 2
    assert "all its rows count" in caplog.text


def test_a_file_of_histories_is_read_as_strictly_as_a_dataset(tmp_path):
    path = tmp_path / "users.csv"
    path.write_text('user_id,item_id\n1,"10\n1,20\n')
    with pytest.raises(DataError, match="line 2: a quote that is never closed"):
        read_histories(path)


@pytest.mark.parametrize("item_ids", [[10, 20, 30], ["10", "x", "30"]])
def test_a_table_of_users_means_the_same_as_their_lists(item_ids):
    items = np.array(item_ids, dtype=object if "x" in item_ids else np.int64)
    known = KnownItems(items, list(map(str, item_ids)), np.zeros(3, dtype=bool))
    server = Server(Random(0), known)
    first, second, third = map(str, item_ids)
    users, X = server.histories_of(
        pa.array(["b", "a", "b", "b"]), pa.array([third, second, first, third])
    )
    assert users.tolist() == ["a", "b"]
    expected = server.histories([[second], [third, first, third]])
    assert (X.toarray() == expected.toarray()).all()
    assert X.max() == 1


def test_items_a_run_does_not_have_are_named_in_the_order_of_users():
    server = Server(Random(0), KnownItems(np.array([1]), ["one"], np.array([False])))
    with pytest.raises(DataError, match="no item 5, 4, 5 in the run"):
        server.histories_of(pa.array([2, 2, 1, 1]), pa.array([4, 5, 5, 1]))


@pytest.fixture
def by_order():
    """A server of a model that reads order, over the items 10, 20, 30 and 40."""
    X = np.array([[1, 2, 3, 0], [3, 1, 2, 0], [0, 2, 1, 3]] * 10, dtype=np.float64)
    small = {"item_dim": 4, "state_dim": 4, "hidden_dim": 4, "embedding_dim": 2}
    model = SVAE(**small, epochs=30, learning_rate=0.05).fit(sp.csr_array(X))
    known = KnownItems(np.array([10, 20, 30, 40]), list("abcd"), np.zeros(4, dtype=bool))
    return Server(model, known)


def test_a_list_is_read_from_its_beginning_to_its_end(by_order):
    X = by_order.histories([["20", "10"], ["10", "20", "10"]])
    assert X[0, 1] < X[0, 0]
    assert X[1, 0] < X[1, 1]
    assert X.nnz == 4
    (_, forth), (_, back) = (
        by_order.recommend(by_order.histories([ids]), 2) for ids in (["10", "20"], ["20", "10"])
    )
    assert (forth != back).all()


def test_a_table_of_users_says_the_order_by_its_timestamps(by_order, tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("user_id,item_id,place\n1,10,5\n2,10,0\n1,20,4\n2,20,1\n")
    called = as_columns({"timestamp": "place"})
    users, X = by_order.histories_of(*read_histories(path, None, called, by_order.reads))
    assert users.tolist() == [1, 2]
    assert X.nnz == 4, "a place of 0 is a place"
    expected = by_order.recommend(by_order.histories([["20", "10"], ["10", "20"]]), 2)
    for ours, theirs in zip(by_order.recommend(X, 2), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(DataError, match=r"users.csv without a column timestamp"):
        read_histories(path, reads=by_order.reads)


def test_timestamps_change_nothing_for_a_model_of_items(tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("user_id,item_id,timestamp\n1,10,5\n1,20,4\n1,20,3\n")
    known = KnownItems(np.array([10, 20]), ["a", "b"], np.zeros(2, dtype=bool))
    server = Server(Random(0), known)
    pairs = read_histories(path, reads=server.reads)
    assert pairs.numbers is None
    assert server.histories_of(*pairs)[1].toarray().tolist() == [[1, 1]]


def test_ratings_come_from_a_table_and_not_from_a_list(tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("user_id,item_id,value\n1,10,5\n1,20,2\n")
    known = KnownItems(np.array([10, 20]), ["a", "b"], np.zeros(2, dtype=bool))
    model = Random(0)
    model.reads = "values"
    server = Server(model, known)
    with pytest.raises(ConfigError, match="which reads ratings"):
        server.histories([["10"]])
    pairs = read_histories(path, reads=server.reads)
    assert server.histories_of(*pairs)[1].toarray().tolist() == [[5, 2]]


def test_a_pair_rated_twice_has_the_mean(tmp_path):
    path = tmp_path / "users.csv"
    path.write_text("user_id,item_id,value\n1,10,5\n1,20,2\n1,10,1\n")
    model = Random(0)
    model.reads = "values"
    server = Server(model, KnownItems(np.array([10, 20]), ["a", "b"], np.zeros(2, dtype=bool)))
    pairs = read_histories(path, reads=server.reads)
    assert server.histories_of(*pairs)[1].toarray().tolist() == [[3, 2]]
    with pytest.raises(DataError, match="without numbers for a model that reads values"):
        server.histories_of(*pairs[:2])
