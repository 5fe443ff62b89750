"""Histories from a file: what counts as use there, and what does not."""

from __future__ import annotations

import pytest

from beekit.errors import DataError
from beekit.run.serve import read_histories

FILE = "user_id,item_id,value\n1,10,5\n1,20,0\n2,10,-1\n"


def test_values_that_may_mean_no_are_no_history_unless_the_run_says_what_counts(tmp_path):
    path = tmp_path / "users.csv"
    path.write_text(FILE)
    with pytest.raises(DataError, match=r"2 of 3 interactions .* \(0, -1\)"):
        read_histories(path)
    assert read_histories(path, 1) == ([1], [[10]])
    with pytest.raises(DataError, match="no value of at least 9"):
        read_histories(path, 9)


def test_a_file_of_histories_is_read_as_strictly_as_a_dataset(tmp_path):
    path = tmp_path / "users.csv"
    path.write_text('user_id,item_id\n1,"10\n1,20\n')
    with pytest.raises(DataError, match="line 2: a quote that is never closed"):
        read_histories(path)
