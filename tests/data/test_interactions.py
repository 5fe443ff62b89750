"""X from rows, against loops over Python sets."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from beekit.data import Interactions
from beekit.errors import DataError

Event = tuple[int, int, float, float]


@st.composite
def event_lists(draw) -> list[Event]:
    """Rows (user, item, value, timestamp), each pair once, in any order."""
    pairs = draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), unique=True, min_size=1))
    values = st.sampled_from([0.5, 1.0, 2.0, 3.5])
    stamps = st.integers(0, 10**9)
    return [(u, i, draw(values), float(draw(stamps))) for u, i in pairs]


def build(events: list[Event], **options) -> Interactions:
    users, items, values, stamps = (np.array(column) for column in zip(*events, strict=True))
    return Interactions.from_arrays(users, items, values, stamps, **options)


def as_dictionary(interactions: Interactions) -> dict[tuple[int, int], float]:
    """{(user_id, item_id): timestamp}, read entry by entry."""
    matrix, stamps = interactions.matrix, interactions.timestamps
    found = {}
    for row in range(matrix.shape[0]):
        for entry in range(matrix.indptr[row], matrix.indptr[row + 1]):
            pair = (interactions.user_ids[row], interactions.item_ids[matrix.indices[entry]])
            found[pair] = None if stamps is None else stamps[entry]
    return found


def filtered_by_loops(
    events: list[Event], min_value: float | None, user_support: int, item_support: int
) -> dict[tuple[int, int], float]:
    left = {(u, i): t for u, i, v, t in events if min_value is None or v >= min_value}
    while True:
        users = [u for u, _ in left]
        items = [i for _, i in left]
        weak = [
            pair
            for pair in left
            if users.count(pair[0]) < user_support or items.count(pair[1]) < item_support
        ]
        if not weak:
            return left
        del left[weak[0]]


@settings(deadline=None, max_examples=150)
@given(
    events=event_lists(),
    min_value=st.sampled_from([None, 1.0, 2.0]),
    user_support=st.integers(0, 3),
    item_support=st.integers(0, 3),
)
def test_filters_leave_what_naive_loops_leave(events, min_value, user_support, item_support):
    options = {
        "min_value": min_value,
        "user_min_support": user_support,
        "item_min_support": item_support,
        "catalog_ids": range(6, -2, -1),
    }
    expected = filtered_by_loops(events, min_value, user_support, item_support)
    if not expected:
        with pytest.raises(DataError, match="no user is left"):
            build(events, **options)
        return
    interactions = build(events, **options)
    assert as_dictionary(interactions) == expected
    assert interactions.user_ids.tolist() == sorted({u for u, _ in expected})
    assert interactions.item_ids.tolist() == list(range(6, -2, -1))


def test_both_supports_hold_after_a_chain_of_removals():
    # Item 3 has one user; without it user 2 falls below two, and without them item 2 does.
    pairs = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 2), (2, 3)]
    users, items = zip(*pairs, strict=True)
    interactions = Interactions.from_arrays(users, items, user_min_support=2, item_min_support=2)
    assert interactions.matrix.toarray().tolist() == [[1, 1, 0, 0], [1, 1, 0, 0]]
    assert interactions.user_ids.tolist() == [0, 1]
    assert interactions.used_items.tolist() == [0, 1]


@settings(deadline=None, max_examples=60)
@given(events=event_lists(), shuffle=st.randoms(use_true_random=False))
def test_row_order_changes_nothing(events, shuffle):
    other = list(events)
    shuffle.shuffle(other)
    first, second = build(events), build(other)
    assert (first.matrix != second.matrix).nnz == 0
    assert first.timestamps.tolist() == second.timestamps.tolist()
    assert first.user_ids.tolist() == second.user_ids.tolist()
    assert first.fingerprint() == second.fingerprint()


@settings(deadline=None, max_examples=60)
@given(events=event_lists())
def test_matrix_is_binary_canonical_csr(events):
    matrix = build(events).matrix
    assert isinstance(matrix, sp.csr_array)
    assert matrix.dtype == np.float32
    assert set(matrix.data.tolist()) == {1.0}
    assert all(
        row == sorted(set(row))
        for row in map(np.ndarray.tolist, np.split(matrix.indices, matrix.indptr[1:-1]))
    )


def test_matrix_by_hand():
    interactions = Interactions.from_arrays(
        ["bo", "al", "bo"], ["y", "x", "x"], timestamps=np.array([3.0, 1.0, 2.0])
    )
    assert interactions.user_ids.tolist() == ["al", "bo"]
    assert interactions.item_ids.tolist() == ["x", "y"]
    assert interactions.matrix.toarray().tolist() == [[1, 0], [1, 1]]
    assert interactions.timestamps.tolist() == [1.0, 2.0, 3.0]
    assert (interactions.n_users, interactions.n_items, interactions.n_interactions) == (2, 2, 3)


def test_items_nobody_used_keep_an_empty_column():
    interactions = Interactions.from_arrays([1, 2], [5, 3], catalog_ids=[9, 5, 1, 3])
    assert interactions.matrix.toarray().tolist() == [[0, 1, 0, 0], [0, 0, 0, 1]]
    assert interactions.used_items.tolist() == [1, 3]


def test_a_value_equal_to_the_threshold_stays():
    values = np.array([3.9, 4.0, 4.1])
    interactions = Interactions.from_arrays([1, 1, 1], [1, 2, 3], values, min_value=4.0)
    assert interactions.matrix.toarray().tolist() == [[0, 1, 1]]


def test_merged_duplicates_count_once_at_the_earliest_time():
    interactions = Interactions.from_arrays(
        [1, 1, 1, 2],
        [7, 7, 8, 7],
        timestamps=np.array([30.0, 10.0, 20.0, 5.0]),
        duplicates="merge",
    )
    assert as_dictionary(interactions) == {(1, 7): 10.0, (1, 8): 20.0, (2, 7): 5.0}
    assert interactions.matrix.max() == 1.0


def test_merged_duplicates_do_not_count_twice_for_support():
    with pytest.raises(DataError, match="no user is left"):
        Interactions.from_arrays([1, 1], [7, 7], user_min_support=2, duplicates="merge")


def test_merging_needs_no_timestamps():
    interactions = Interactions.from_arrays([1, 2, 1], [7, 7, 7], duplicates="merge")
    assert interactions.matrix.toarray().tolist() == [[1], [1]]


def test_the_fingerprint_ignores_column_order_and_sees_an_interaction():
    def fingerprint(items, catalog_ids=(1, 2, 3)):
        return Interactions.from_arrays([1, 1, 2], items, catalog_ids=catalog_ids).fingerprint()

    base = fingerprint([1, 2, 3])
    assert fingerprint([1, 2, 3], catalog_ids=(3, 1, 2)) == base
    assert fingerprint([1, 3, 3]) != base
    assert fingerprint([1, 2, 3], catalog_ids=(1, 2, 3, 4)) != base


@pytest.mark.parametrize(
    ("arguments", "options", "found"),
    [
        (([1, 1], [2, 2]), {}, "1 interactions repeat"),
        (([1, 2], [2, 9]), {"catalog_ids": [2]}, "1 interactions name 1 items"),
        (([1, 2], ["2", "2"]), {"catalog_ids": [2]}, "2 interactions name 1 items"),
        (([1, 2], [1, 2]), {"min_value": 3}, "min_value=3 but no values"),
        (([1, 2], [1, 2], np.array([1, 2])), {"min_value": 3}, "no user is left of 2"),
        (([1, 2], [1, 2]), {"user_min_support": 2}, "user_min_support=2"),
        (([1, 2], [1]), {}, "2 user_ids, 1 item_ids"),
        (([1, 2], [1, 2], None, np.ones(3)), {}, "3 timestamps"),
        (([1, None], [1, 2]), {}, "1 missing ids"),
        (([1.0, 2.0], [1, 2]), {}, "ids of type double"),
        (([1, 2], [1, 2]), {"duplicates": "sum"}, "duplicates='sum'"),
        (
            ([1, 2], [1, 2], np.array([5.0, np.nan])),
            {"min_value": 4},
            "not finite: 1 of 2",
        ),
        (([1, 2], [1, 2], np.array([np.inf, 1.0])), {}, "not finite: 1 of 2"),
        (
            ([1, 2], [1, 2], None, np.array([np.nan] * 2)),
            {},
            "not finite: 2 of 2",
        ),
        (([1, 2], [1, 2], np.array(["a", "b"])), {}, "values of shape"),
        (([1, 2], [1, 2], None, np.array([True, False])), {}, "timestamps of type bool"),
        (([1, 2], [1, 2], np.array([1, 0])), {}, "1 of 2 interactions have a value of 0 or below"),
        (([1, 2], [1, 2], np.array([True, True])), {}, "(True), and no min_value says"),
        (([], []), {}, "no user is left of 0"),
    ],
)
def test_rows_that_make_no_matrix_are_refused_in_one_line(arguments, options, found):
    with pytest.raises(DataError) as caught:
        Interactions.from_arrays(*arguments, **options)
    assert found in caught.value.found
    assert "\n" not in str(caught.value)


def test_matrix_ids_and_timestamps_must_fit_together():
    matrix = sp.csr_array(np.eye(2, dtype=np.float32))
    two = np.array([1, 2])
    with pytest.raises(DataError, match="shape"):
        Interactions(matrix, two, np.array([1, 2, 3]))
    with pytest.raises(DataError, match="3 timestamps for 2 interactions"):
        Interactions(matrix, two, two, np.ones(3))


@pytest.mark.parametrize("kind", [float, np.float32, np.float64])
def test_a_limit_counts_the_same_whatever_number_it_is(kind):
    values = np.array([4.1, 4.1, 3, 5], dtype=np.float32)
    found = Interactions.from_arrays([1, 2, 3, 4], [1, 2, 3, 4], values, min_value=kind(4.1))
    assert found.matrix.nnz == 3


@pytest.mark.parametrize("wrong", ["4", True, np.nan, [4]])
def test_a_limit_that_is_no_number_is_refused(wrong):
    with pytest.raises(DataError, match="min_value"):
        Interactions.from_arrays([1, 2], [1, 2], np.array([4.0, 5.0]), min_value=wrong)


def test_a_part_of_x_gets_the_numbers_of_its_entries():
    users, items = ["a", "a", "a", "b", "b"], ["x", "y", "z", "x", "z"]
    values, times = np.array([5, 0, -1, 2, 3]), np.array([9.0, -4.0, 9.0, 0.0, 7.0])
    whole = Interactions.from_arrays(users, items, values, times, min_value=-5)
    part = whole.matrix.copy()
    part.data[[1, 3]] = 0
    part.eliminate_zeros()
    assert whole.valued(part, "values").data.tolist() == [5, -1, 3]
    assert whole.valued(part, "order").data.tolist() == [2, 2, 2]
    assert whole.valued(whole.matrix, "order").data.tolist() == [2, 1, 2, 1, 2]
    assert whole.valued(part, "items") is part
    assert len({whole.fingerprint(reads) for reads in ("items", "order", "values")}) == 3


def test_values_follow_filters_and_merging():
    users, items = ["b", "a", "b", "b", "c"], ["x", "y", "x", "y", "x"]
    values = np.array([4, 3, 5, 1, 2])
    merged = Interactions.from_arrays(
        users, items, values, min_value=2, user_min_support=1, duplicates="merge"
    )
    assert merged.values.tolist() == [3, 4.5, 2]
    again = Interactions.from_arrays(
        users[::-1], items[::-1], values[::-1], min_value=2, duplicates="merge"
    )
    assert again.values.tolist() == [3, 4.5, 2]
    supported = Interactions.from_arrays(
        users, items, values, user_min_support=2, duplicates="merge"
    )
    assert supported.values.tolist() == [4.5, 1]


@pytest.mark.parametrize(
    ("times", "reads", "said"),
    [
        (None, "order", "interactions without timestamps"),
        (None, "values", "interactions without values"),
        (np.array([1.0, 1.0, 8.0]), "order", "timestamps that are equal for each user"),
    ],
)
def test_interactions_without_order_or_values_say_so(times, reads, said):
    interactions = Interactions.from_arrays([1, 1, 2], [1, 2, 2], timestamps=times)
    with pytest.raises(DataError, match=said):
        interactions.valued(interactions.matrix, reads)


def test_a_matrix_with_other_entries_has_no_numbers():
    interactions = Interactions.from_arrays([1, 1, 2], [1, 2, 2], np.array([1, 2, 3]))
    full = sp.csr_array(np.ones((2, 2), dtype=np.float32))
    with pytest.raises(DataError, match="entries that are no interactions"):
        interactions.valued(full, "values")
