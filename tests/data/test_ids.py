"""Ids and row numbers, against plain dictionaries."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beekit.data import ids
from beekit.errors import DataError

integer_lists = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30)
# Surrogates are no text in any file.
text_lists = st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=30)


@settings(deadline=None, max_examples=60)
@given(st.one_of(integer_lists, text_lists))
def test_encode_is_the_sorted_distinct_ids_and_their_positions(values):
    distinct, codes = ids.encode(ids.as_ids(values))
    assert distinct.tolist() == sorted(set(values))
    assert [distinct[code] for code in codes] == values


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 9), max_size=20), st.lists(st.integers(0, 9), unique=True))
def test_positions_are_those_of_a_dictionary(wanted, among):
    place = {value: position for position, value in enumerate(among)}
    for kind in (int, str):
        known = ids.as_ids(pa.array([kind(a) for a in among], pa.int64() if kind is int else None))
        found = ids.positions(
            ids.as_ids(pa.array([kind(w) for w in wanted], known.type)),
            known,
        )
        assert found.tolist() == [place.get(w, -1) for w in wanted]


def test_integers_are_never_found_among_strings():
    assert ids.positions(ids.as_ids([1, 2]), ids.as_ids(["1", "2"])).tolist() == [-1, -1]


@pytest.mark.parametrize(
    "values",
    [
        [3, 1],
        np.array([3, 1], dtype=np.int16),
        pa.array([3, 1], pa.uint8()),
        pa.chunked_array([[3], [1]]),
    ],
)
def test_any_sequence_of_integers_becomes_the_same_array(values):
    assert ids.as_ids(values).equals(pa.array([3, 1], pa.int64()))


@pytest.mark.parametrize(
    "values",
    [
        ["b", "a"],
        np.array(["b", "a"]),
        np.array(["b", "a"], dtype=object),
        pa.chunked_array([["b"], ["a"]]),
    ],
)
def test_any_sequence_of_strings_becomes_the_same_array(values):
    assert ids.as_ids(values).equals(pa.array(["b", "a"], pa.large_string()))


def test_no_ids_at_all_are_an_empty_array():
    assert len(ids.as_ids([])) == 0
    assert len(ids.as_ids(pa.chunked_array([], pa.int64()))) == 0


@pytest.mark.parametrize(
    "values", [[1.5, 2.0], [1, "a"], [[1], [2]], [True, False], [2**64], np.array([2**63], "u8")]
)
def test_what_is_neither_integer_nor_string_is_refused(values):
    with pytest.raises(DataError, match="ids"):
        ids.as_ids(values)


def test_ids_for_messages_are_plain_python():
    assert repr(ids.plain(np.int64(3))) == "3"
    assert repr(ids.plain("a")) == "'a'"


def test_digest_is_sha256_of_the_bytes_written_out():
    expected = hashlib.sha256(b"\x01" + bytes(7) + b"\x02" + bytes(7) + b"\x1ea\x1fb\x1e")
    for dtype in (np.int8, np.int32, np.int64):
        array = np.array([1, 2], dtype=dtype)
        assert ids.digest(array, pa.array(["a", "b"])) == expected.hexdigest()


def test_digest_tells_arrays_apart():
    variants = [
        ids.digest(np.array([1, 2]), np.array([3])),
        ids.digest(np.array([1]), np.array([2, 3])),
        ids.digest(np.array([1.0, 2.0]), np.array([3])),
        ids.digest(pa.array(["1", "2"]), pa.array(["3"])),
        ids.digest(np.array([3]), np.array([1, 2])),
    ]
    assert len(set(variants)) == len(variants)


@pytest.mark.parametrize(
    "odd", ["²", "٣", "--5", "-", "", "12345678901234567890", "9" * 5000, "1.0", "\udcff", None]
)
def test_what_writes_no_id_is_found_nowhere(odd):
    for known in (np.array([3, 5, -5]), np.array(["a", "b"], dtype=object)):
        assert ids.lookup([odd], known).tolist() == [-1]


def test_integers_are_found_as_a_person_writes_them():
    known = np.array([-(2**63), -5, 7, 2**63 - 1])
    written = ["7", "007", "-5", str(2**63 - 1), str(-(2**63)), 7, str(2**63)]
    assert ids.lookup(written, known).tolist() == [2, 2, 1, 3, 0, 2, -1]
