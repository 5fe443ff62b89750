"""A new column beside others that stay as they are."""

from __future__ import annotations

import datetime
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset as HubDataset
from datasets import Features, Image, Value, load_dataset

from beekit.describe import table as describe_table
from beekit.describe.table import read_items, write_column
from beekit.errors import DataError

TABLE = pa.table(
    {
        "item_id": [3, 1, 2, 5, 4],
        "photo": pa.array(
            [{"bytes": bytes([i]) * 999, "path": f"{i}.png"} for i in range(4)] + [None],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        ),
        "kind": pa.array(["a", "b", "a", None, "b"]).dictionary_encode(),
        "made": pa.array([datetime.datetime(2020, 1, i + 1) for i in range(5)], pa.timestamp("us")),
        "tags": [["x"], [], None, ["y", "z"], ["x"]],
        "price": pa.array([1.5, None, float("nan"), 0.0, -1.0], pa.float32()),
    }
).replace_schema_metadata({"made by": "hand"})
VALUES = pa.array(["one", None, "three", "four", "five"], pa.large_string())


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "items.parquet"
    pq.write_table(
        TABLE, path, row_group_size=2, compression={"item_id": "zstd", "photo.bytes": "gzip"}
    )
    return path


def contents(table):
    """A table's schema and bytes, chunks joined; NaN equals itself so."""
    return table.schema, [str(column.combine_chunks().to_pylist()) for column in table.columns]


@pytest.mark.parametrize("batch_bytes", [1, 256 << 20], ids=["row by row", "whole groups"])
def test_other_columns_are_kept_with_schema_and_compression(path, monkeypatch, batch_bytes):
    monkeypatch.setattr(describe_table, "_BATCH_BYTES", batch_bytes)
    before = pq.read_table(path)
    write_column(path, "description", VALUES)
    after = pq.read_table(path)
    assert after.column("description").to_pylist() == VALUES.to_pylist()
    assert contents(after.drop_columns("description")) == contents(before)
    assert after.schema.metadata == {b"made by": b"hand"}
    with pq.ParquetFile(path) as file:
        assert file.num_row_groups == (5 if batch_bytes == 1 else 3)
        group = file.metadata.row_group(0)
        kinds = [group.column(at).compression for at in (0, 1, 2, group.num_columns - 1)]
        assert kinds == ["ZSTD", "GZIP", "UNCOMPRESSED", "SNAPPY"]


def test_the_column_keeps_its_place_when_written_again(path):
    write_column(path, "description", VALUES)
    before = pq.read_table(path)
    write_column(path, "description", VALUES[::-1])
    after = pq.read_table(path)
    assert after.column_names == before.column_names
    assert after.column("description").to_pylist() == VALUES.to_pylist()[::-1]


def test_pictures_of_the_datasets_library_are_pictures_afterwards(tmp_path):
    features = Features({"item_id": Value("int64"), "photo": Image()})
    pictures = [{"bytes": bytes([i]), "path": None} for i in range(5)]
    HubDataset.from_dict({"item_id": list(range(5)), "photo": pictures}, features).to_parquet(
        tmp_path / "items.parquet"
    )
    write_column(tmp_path / "items.parquet", "description", VALUES)
    read = load_dataset(
        "parquet",
        data_files=str(tmp_path / "items.parquet"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert read.features["photo"] == Image()
    assert read["description"][:] == VALUES.to_pylist()
    stored = pq.read_table(tmp_path / "items.parquet").column("photo")
    assert [picture["bytes"] for picture in stored.to_pylist()] == [bytes([i]) for i in range(5)]


def test_pandas_reads_it_with_its_index(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"item_id": range(5)}, index=list("vwxyz"))
    frame.to_parquet(tmp_path / "items.parquet")
    write_column(tmp_path / "items.parquet", "description", VALUES)
    read = pd.read_parquet(tmp_path / "items.parquet")
    assert list(read.index) == list("vwxyz")
    assert list(read.columns) == ["item_id", "description"]


def test_csv_keeps_every_value_as_the_text_it_is(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text('item_id,value,title\n007,1.50,"a ""b"", c"\n008,,"two\nlines"\n', "utf-8")
    write_column(path, "description", pa.array(['say "x", y', None], pa.large_string()))
    read = pa.csv.read_csv(
        path,
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(("item_id", "value", "title", "description"), pa.string())
        ),
    )
    assert read.to_pydict() == {
        "item_id": ["007", "008"],
        "value": ["1.50", ""],
        "title": ['a "b", c', "two\nlines"],
        "description": ['say "x", y', ""],
    }


def test_memory_is_a_few_batches_however_large_a_row_group_is(tmp_path):
    rows, size = 20_000, 10_000  # 200 MB of pictures in one row group, in pages of 1 MB
    pixels = pa.py_buffer(np.random.default_rng(1).bytes(rows * size))
    pictures = pa.FixedSizeBinaryArray.from_buffers(pa.binary(size), rows, [None, pixels])
    table = pa.table({"photo": pa.StructArray.from_arrays([pictures.cast(pa.binary())], ["bytes"])})
    path = tmp_path / "items.parquet"
    pq.write_table(table, path, row_group_size=rows, write_batch_size=100, use_dictionary=False)
    # In a process of its own, as the pool knows only the most it ever held.
    code = (
        "import sys; import pyarrow as pa; import pyarrow.parquet as pq; from pathlib import Path; "
        "from beekit.describe.table import write_column; path = Path(sys.argv[1]); "
        f"texts = pa.array(['text'] * {rows}, pa.large_string()); "
        "most = pa.default_memory_pool().max_memory; write_column(path, 'description', texts); "
        "written = most(); pq.read_table(path); print(written, most())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    written, whole = map(int, done.stdout.split())
    # A batch as decoded, in a buffer that grew by doubling; as dictionary; and as encoded.
    assert written <= 4 * describe_table._BATCH_BYTES < 0.7 * rows * size
    assert whole > rows * size  # the pool does count what is read


@pytest.mark.parametrize("failing", ["copymode", "replace"])
def test_an_interrupted_write_leaves_the_table_and_nothing_else(path, monkeypatch, failing):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = path.read_bytes()
    module = describe_table.os if failing == "replace" else describe_table.shutil
    monkeypatch.setattr(module, failing, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_column(path, "description", VALUES)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["items.parquet"]


def test_the_files_mode_stays(path):
    path.chmod(0o640)
    write_column(path, "description", VALUES)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("items.csv", b"item_id;title\n1;a\n"),
        ("items.csv", "item_id,title\n1,a\n".encode("utf-16")),
        ("items.jsonl", b'{"item_id": 1, "title": "a"}\n'),
    ],
)
def test_a_table_that_could_not_be_written_again_as_it_is_gets_no_column(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="with commas and in UTF-8, to add a column to"):
        read_items(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / "items.csv").write_text("item_id,title\n1,a\n")
    assert read_items(tmp_path).column_names == ["item_id", "title"]
