"""Tables from files: what is read, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beekit.data.columns import id_column, number_column
from beekit.data.tables import plain_integers, read_file, read_table
from beekit.errors import DataError


def read_csv(tmp_path, content: str | bytes, id_columns=("item_id",)) -> pa.Table:
    path = tmp_path / "items.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_file(path, id_columns=id_columns)


def test_plain_integers_in_csv_are_integers_and_leading_zeros_are_text(tmp_path):
    assert read_csv(tmp_path, "item_id\n7\n-1\n0\n")["item_id"].to_pylist() == [7, -1, 0]
    assert read_csv(tmp_path, "item_id\n007\n7\n")["item_id"].to_pylist() == ["007", "7"]


@pytest.mark.parametrize("odd", ["1.0", "+1", "-0", "1e3", " 1", "0x1", "9" * 19])
def test_one_id_that_is_no_plain_integer_leaves_all_as_they_are_written(odd):
    assert plain_integers(pa.array(["5", odd])).to_pylist() == ["5", odd]


def test_ids_of_19_digits_that_fit_are_integers():
    largest = 2**63 - 1
    assert plain_integers(pa.array([str(largest), "-5"])).to_pylist() == [largest, -5]


def test_text_in_csv_stays_as_it_is_written(tmp_path):
    table = read_csv(
        tmp_path,
        "item_id,year,price,day,flag,note\n1,0042,1.50,2020-01-01T00:00:00,TRUE,NA\n"
        '2,7,2,2020-01-02,no,"two\nlines, ""quoted"""\n',
    )
    assert table.drop_columns("item_id").to_pylist() == [
        {
            "year": "0042",
            "price": "1.50",
            "day": "2020-01-01T00:00:00",
            "flag": "TRUE",
            "note": "NA",
        },
        {
            "year": "7",
            "price": "2",
            "day": "2020-01-02",
            "flag": "no",
            "note": 'two\nlines, "quoted"',
        },
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    assert read_csv(tmp_path, "\ufeffitem_id\n1\n").column_names == ["item_id"]


def test_parquet_goes_before_csv(tmp_path):
    pq.write_table(pa.table({"item_id": [1]}), tmp_path / "items.parquet")
    (tmp_path / "items.csv").write_text("item_id\n2\n")
    assert read_table(tmp_path, "items", id_columns=("item_id",))["item_id"].to_pylist() == [1]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "is empty"),
        ("item_id,title\n", "has no rows"),
        ("\n\n", "cannot be read as CSV"),
        ("item_id,title\n1,a\n2,b,c\n", "Expected 2 columns, got 3"),
        ('item_id,title\n"1,a\n2,b\n', "cannot be read as CSV"),
        (b"item_id,title\n1,caf\xe9\n", "invalid UTF8"),
        (b"item_id,caf\xe9\n1,2\n", "cannot be read as CSV"),
        ("item_id,title,title\n1,a,b\n", "more than one column title"),
        ("item_id,item_id\n1,2\n", "more than one column item_id"),
        ("item;title\n1;a\n", "has the columns item, title"),
    ],
)
def test_a_csv_file_that_is_none_is_refused_in_one_line(tmp_path, content, found):
    with pytest.raises(DataError) as caught:
        read_csv(tmp_path, content)
    assert found in caught.value.found
    assert "items.csv" in caught.value.found
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not parquet", b"PAR1" + bytes(64) + b"PAR1"])
def test_a_parquet_file_that_is_none_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "items.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as Parquet") as caught:
        read_file(path, id_columns=("item_id",))
    assert "\n" not in str(caught.value)


def test_a_parquet_file_without_rows_is_refused(tmp_path):
    pq.write_table(pa.table({"item_id": pa.array([], pa.int64())}), tmp_path / "items.parquet")
    with pytest.raises(DataError, match="has no rows"):
        read_table(tmp_path, "items", id_columns=("item_id",))


def test_an_absent_folder_and_an_absent_file_are_told_apart(tmp_path):
    with pytest.raises(DataError, match=r"no folder .*nowhere"):
        read_table(tmp_path / "nowhere", "items", id_columns=("item_id",))
    with pytest.raises(DataError, match="holds nothing"):
        read_table(tmp_path, "items", id_columns=("item_id",))
    (tmp_path / "itmes.csv").write_text("item_id\n1\n")
    with pytest.raises(DataError, match=r"holds itmes.csv; expected items.parquet or items.csv"):
        read_table(tmp_path, "items", id_columns=("item_id",))
    with pytest.raises(DataError, match="no file"):
        read_file(tmp_path / "history.csv", id_columns=("item_id",))


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint32(), pa.int64()])
def test_integer_ids_of_any_width_are_int64(kind):
    column = id_column(pa.table({"item_id": pa.array([2, 1], kind)}), "item_id", "items")
    assert column.equals(pa.array([2, 1], pa.int64()))


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), "string")]
)
def test_text_ids_of_any_type_are_strings(kind):
    column = id_column(
        pa.table({"item_id": pa.array(["b", "a", "b"], pa.string()).cast(kind)}), "item_id", "items"
    )
    assert column.equals(pa.array(["b", "a", "b"], pa.large_string()))


def test_ids_in_several_chunks_are_one_array():
    table = pa.table({"item_id": pa.chunked_array([[1, 2], [3]])})
    assert id_column(table, "item_id", "items").to_pylist() == [1, 2, 3]


MOMENT = datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Prague"])
def test_times_of_any_unit_and_zone_are_seconds_since_1970(unit, zone):
    # A column without a zone is read as UTC.
    moment = MOMENT if zone else MOMENT.replace(tzinfo=None)
    table = pa.table({"timestamp": pa.array([moment], pa.timestamp(unit, tz=zone))})
    assert number_column(table, "timestamp", "interactions").tolist() == [MOMENT.timestamp()]


def test_dates_are_the_seconds_of_their_midnight():
    table = pa.table({"timestamp": [date(1970, 1, 2), date(1969, 12, 31)]})
    assert number_column(table, "timestamp", "interactions").tolist() == [86400.0, -86400.0]


def test_fractions_of_a_second_survive():
    stamps = pa.array([1_500_000_001, 1], pa.timestamp("ns"))
    numbers = number_column(pa.table({"timestamp": stamps}), "timestamp", "interactions")
    # Division of two exact floats rounds once: half a unit in the last place.
    np.testing.assert_allclose(numbers, [1.500000001, 1e-9], rtol=2**-53)


def test_integers_with_more_digits_than_a_float_are_the_nearest_float():
    numbers = number_column(
        pa.table({"timestamp": [1_700_000_000_000_000_001]}), "timestamp", "interactions"
    )
    assert numbers.tolist() == [float(1_700_000_000_000_000_001)]


@pytest.mark.parametrize(
    ("column", "count"),
    [
        ([1.0, None, None], 2),
        ([1.0, float("nan"), 2.0], 1),
        ([float("inf"), 1.0, -float("inf")], 2),
        (pa.array([None, datetime(2020, 1, 1), None], pa.timestamp("us")), 2),
    ],
)
def test_numbers_that_are_none_are_counted_and_refused(column, count):
    with pytest.raises(
        DataError, match=f"has {count} rows whose value is missing, NaN or infinite"
    ):
        number_column(pa.table({"value": column}), "value", "interactions")
