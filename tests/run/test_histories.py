"""Histories from a file: what counts as use there, and what does not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from beekit.data.table_file import as_columns
from beekit.errors import DataError
from beekit.models import Random
from beekit.run.known_items import KnownItems
from beekit.run.serve import Server, read_histories

FILE = "user_id,item_id,value\n1,10,5\n1,20,0\n2,10,-1\n"


def test_values_that_may_mean_no_are_no_history_unless_the_run_says_what_counts(tmp_path):
    path = tmp_path / "users.csv"
    path.write_text(FILE)
    with pytest.raises(DataError, match=r"2 of 3 interactions .* \(0, -1\)"):
        read_histories(path)
    users, items = read_histories(path, 1)
    assert (users.to_pylist(), items.to_pylist()) == ([1], [10])
    with pytest.raises(DataError, match="no value of at least 9"):
        read_histories(path, 9)


def test_a_file_of_histories_may_have_the_names_of_the_runs_files(tmp_path, caplog):
    path = tmp_path / "users.csv"
    path.write_text("who,item_id,rating\n1,10,1\n1,20,5\n")
    called = as_columns({"user_id": "who", "value": "rating"})
    users, items = read_histories(path, 4, called)
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
