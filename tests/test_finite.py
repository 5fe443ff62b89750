"""Numbers checked where they enter: what is found, and that nothing else is refused."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from beekit.errors import DataError, RunError
from beekit.finite import LARGEST, finite_csr, finite_vectors, require_finite


def test_finite_numbers_pass_whose_sum_overflows():
    require_finite(np.full((4, 3), 3e38, dtype=np.float32), "numbers")
    require_finite(np.full(8, 6e4, dtype=np.float16), "numbers")
    require_finite(np.full(3, 2**62), "numbers")


def test_both_kinds_are_told_with_the_rows_that_have_them():
    values = np.zeros((5, 2, 2))
    values[1, 0, 1], values[4, 1, 1] = np.nan, -np.inf
    with pytest.raises(DataError, match=r"2 of 5 \(NaN and infinite; item indices 1, 4\)"):
        require_finite(values, "numbers")
    with pytest.raises(RunError, match=r"1 of 2 \(infinite; user 'b'\)"):
        require_finite(np.array([0, np.inf]), "scores", ["a", "b"], row="user", error=RunError)


def test_vectors_come_back_as_they_are_and_zeros_are_allowed():
    vectors = np.zeros((3, 2), dtype=np.float32)
    assert finite_vectors(vectors) is vectors
    assert finite_vectors([[1, 2], [3, 4]]).dtype == np.float32


def test_what_overflows_in_float32_is_refused():
    vectors = np.ones((3, 2))
    vectors[1] = 1e300
    with pytest.raises(DataError, match=r"infinite; item index 1"):
        finite_vectors(vectors)


def test_vectors_whose_inner_products_overflow_are_refused():
    vectors = np.ones((3, 2), dtype=np.float32)
    vectors[2, 0] = -1e30
    with pytest.raises(DataError, match=r"too large: 1 of 3 \(up to 1\.0e\+30; item index 2\)"):
        finite_vectors(vectors)
    most = np.full((2, 8192), LARGEST, dtype=np.float32)
    assert np.isfinite(most @ (most[0] * 2**16)).all()


def test_names_of_other_items_are_not_told():
    with pytest.raises(DataError, match="item index 1"):
        finite_vectors([[0.0], [np.nan]], names=["a", "b", "c"])


def test_rows_of_different_lengths_are_refused():
    with pytest.raises(DataError, match="type object"):
        finite_vectors([[1, 2], [3]])


def test_a_matrix_of_any_format_is_checked_user_by_user():
    dense = np.eye(4, dtype=np.float32)
    dense[2, 2] = np.nan
    for kind in (sp.csr_array, sp.csc_array, sp.coo_array, sp.lil_array, sp.csr_matrix, np.array):
        with pytest.raises(DataError, match=r"1 of 4 \(NaN; user index 2\)"):
            finite_csr(kind(dense))
    assert finite_csr(sp.lil_array(np.eye(3))).format == "csr"


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32])
def test_pairs_stored_often_do_not_overflow(dtype):
    often = np.zeros(256, dtype=int)
    X = sp.coo_array((np.ones(256, dtype), (often, often)), shape=(2, 3))
    assert finite_csr(X).toarray()[0, 0] == 256


def test_vectors_whose_products_vanish_are_refused():
    vectors = np.full((2, 3), 1e-20, dtype=np.float32)
    with pytest.raises(DataError, match=r"too small: the largest entry is 1\.0e-20"):
        finite_vectors(vectors)
    vectors[0, 0] = 1  # all that is small beside it is as good as zero
    np.testing.assert_array_equal(finite_vectors(vectors), vectors)
