"""From rows to interactions: the same as loops over rows, in bounded memory."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loop_filters import filtered_by_loops

from beekit.errors import DataError
from beekit.prepare import external_sort
from beekit.prepare.external_sort import grouped_by_user
from beekit.prepare.interactions import Filters, write_interactions

ROWS = st.lists(
    st.tuples(
        st.integers(0, 8), st.integers(0, 9), st.integers(1, 10).map(lambda v: v / 2),
        st.integers(0, 5),
    ),
    max_size=80,
)  # fmt: skip


def as_tables(rows, size, text, timestamps):
    kind = str if text else int
    columns = {"user_id": [kind(u) for u, *_ in rows], "item_id": [kind(i) for _, i, *_ in rows]}
    columns["value"] = pa.array([v for *_, v, _ in rows], pa.float32())
    if timestamps:
        columns["timestamp"] = pa.array([t for *_, t in rows], pa.int64())
    table = pa.table(columns)
    return [table.slice(k, size) for k in range(0, len(table), size)]


@settings(max_examples=150, deadline=None)
@given(
    rows=ROWS,
    size=st.integers(1, 30),
    run=st.integers(1, 30),
    batch=st.integers(1, 5),
    text=st.booleans(),
    timestamps=st.booleans(),
    duplicates=st.sampled_from(["latest", "first"]),
    support=st.integers(1, 4),
)
def test_chunks_of_any_size_keep_what_loops_keep(
    tmp_path_factory, rows, size, run, batch, text, timestamps, duplicates, support
):
    folder = tmp_path_factory.mktemp("rows")
    items = [str(i) if text else i for i in (7, 2, 1, 5, 4, 3)]
    given_rows = [(str(u), str(i), v, t) if text else (u, i, v, t) for u, i, v, t in rows]
    if not timestamps:
        given_rows = [(u, i, v, 0) for u, i, v, _ in given_rows]
    expected, dropped = filtered_by_loops(
        given_rows, set(items), min_value=2.0, support=support, duplicates=duplicates
    )
    filters = Filters(2.0, support, duplicates)
    tables = as_tables(rows, size, text, timestamps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(external_sort, "_BATCH", batch)
        arguments = (tables, folder / "out.parquet", pa.array(items), filters, folder)
        if not expected:
            with pytest.raises(DataError, match="no user is left"):
                write_interactions(*arguments, rows=run)
            return
        counts, used = write_interactions(*arguments, rows=run)
    found = pq.read_table(folder / "out.parquet").to_pylist()
    assert [
        (row["user_id"], row["item_id"], row["value"], row.get("timestamp", 0)) for row in found
    ] == expected
    assert [item for item, some in zip(items, used, strict=True) if some] == [
        item for item in items if item in {i for _, i, *_ in expected}
    ]
    assert [
        counts.below_min_value,
        counts.other_items,
        counts.repeated,
        counts.few_items,
    ] == dropped
    assert counts.rows == len(rows) == sum(dropped) + counts.interactions
    assert counts.users == len({u for u, *_ in expected})
    assert {p.name for p in folder.iterdir()} == {"out.parquet"}


def test_rows_come_back_by_user_in_their_own_order_and_users_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(external_sort, "_BATCH", 1_000)
    generator = np.random.default_rng(3)
    users = generator.integers(0, 500, size=100_000)
    table = pa.table({"user_id": users, "position": np.arange(len(users))})
    groups = list(
        grouped_by_user((table.slice(k, 777) for k in range(0, len(table), 777)), tmp_path, 20_000)
    )
    found = pa.concat_tables(groups)
    assert found["position"].to_numpy().tolist() == np.argsort(users, kind="stable").tolist()
    assert max(map(len, groups)) < 2 * 20_000
    ends = [(group["user_id"][0].as_py(), group["user_id"][-1].as_py()) for group in groups]
    assert all(last < first for (_, last), (first, _) in pairwise(ends))
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_rows(tmp_path):
    """Peaks of Arrow's pool, where every table is, for 0.3 and for 2.4 million rows."""

    def tables(count):
        generator = np.random.default_rng(0)
        for _ in range(count // 20_000):
            users = generator.integers(0, 40_000, size=20_000)
            films = generator.integers(0, 1_000, size=20_000)
            stars = generator.integers(1, 6, size=20_000).astype(np.float32)
            yield pa.table({"user_id": users, "item_id": films, "value": stars})

    def peak(count):
        pool, default = pa.proxy_memory_pool(pa.default_memory_pool()), pa.default_memory_pool()
        pa.set_memory_pool(pool)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(external_sort, "_BATCH", 512)
                write_interactions(
                    tables(count),
                    tmp_path / "out.parquet",
                    pa.array(np.arange(1_000)),
                    Filters(4.0, 5),
                    tmp_path,
                    rows=60_000,
                )
            return pool.max_memory()
        finally:
            pa.set_memory_pool(default)

    few, many = peak(300_000), peak(2_400_000)
    assert many < 2 * few
    assert many < 30e6  # the rows themselves are 48 MB, half of which pass the first filter


def test_the_catalog_is_hashed_once_for_many_small_tables(tmp_path, monkeypatch):
    asked, index_in = [], pc.index_in

    def counted(values, **options):
        asked.append(len(values))
        return index_in(values, **options)

    monkeypatch.setattr("beekit.prepare.interactions.pc.index_in", counted)
    tables = [pa.table({"user_id": [k % 3], "item_id": [f"i{k % 5}"]}) for k in range(100)]
    ids = pa.array([f"i{k}" for k in range(4)])
    counts, _ = write_interactions(
        tables, tmp_path / "out.parquet", ids, Filters(), tmp_path, rows=50
    )
    assert asked == [50, 50]
    assert counts.other_items == 20


def test_another_word_for_duplicates_is_refused():
    with pytest.raises(DataError, match="latest or first"):
        Filters(duplicates="last")


def test_nobody_left_says_where_all_went(tmp_path):
    table = pa.table(
        {"user_id": [1, 2], "item_id": [1, 9], "value": pa.array([5, 5], pa.float32())}
    )
    with pytest.raises(DataError, match=r"of 2 rows \(0 below 4.0, 1 of other items, 1 of users"):
        write_interactions(
            [table], tmp_path / "out.parquet", pa.array([1]), Filters(4.0, 5), tmp_path
        )


def test_values_that_may_mean_no_are_refused_without_a_least_value(tmp_path):
    rows = [(1, 1, 5.0, 0), (1, 2, 0.0, 0), (2, 1, -1.0, 0)]
    with pytest.raises(DataError, match=r"2 of 3 interactions .* \(0\.0, -1\.0\)"):
        write_interactions(
            as_tables(rows, 5, text=False, timestamps=False),
            tmp_path / "interactions.parquet",
            pa.array([1, 2]),
            Filters(),
            tmp_path,
        )
