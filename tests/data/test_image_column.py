"""Image columns: files and embedded bytes, read a few at a time, nothing before it is asked for."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from beekit import Dataset
from beekit.data.image_column import ImageColumn
from beekit.data.images import EMPTY, MISSING, UnusableImageError
from beekit.data.tables import read_table
from beekit.errors import DataError

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def picture(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, shade, shade)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """A dataset folder with two files of pictures and no table yet."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(picture(1))
    (tmp_path / "images" / "empty.png").touch()
    (tmp_path / "secret.png").write_bytes(picture(2))
    return tmp_path


def column(folder, values, **options) -> ImageColumn:
    table = pa.table({"item_id": np.arange(len(values)), "image": values})
    pq.write_table(table, folder / "items.parquet", **options)
    return ImageColumn.of(read_table(folder, "items", id_columns=("item_id",)), "image", folder)


def kinds(images: ImageColumn) -> list[str]:
    return [
        data.kind if isinstance(data, UnusableImageError) else ""
        for _, data in images.stream(np.arange(len(images)))
    ]


def test_paths_are_files_below_images(folder):
    images = column(folder, ["a.png", None, "empty.png", "b.png", "", "../secret.png"])
    assert kinds(images) == ["", MISSING, EMPTY, MISSING, MISSING, MISSING]
    assert images.read(0) == picture(1)
    with pytest.raises(UnusableImageError, match=r"empty\.png is empty"):
        images.read(2)


def test_links_below_images_are_followed(folder):
    (folder / "images" / "link.png").symlink_to("../secret.png")
    assert column(folder, ["link.png"]).read(0) == picture(2)


def test_a_path_that_is_none_is_unusable_and_no_error(folder):
    (folder / "images" / "folder").mkdir()
    images = column(folder, ["a\0b.png", "/etc/hostname", "folder", "x" * 5000])
    assert all(kinds(images))


def test_categories_are_paths_and_an_empty_column_has_none(folder):
    assert kinds(column(folder, pa.array(["a.png", "a.png"]).dictionary_encode())) == ["", ""]
    assert kinds(column(folder, pa.nulls(2))) == [MISSING, MISSING]


def test_structs_hold_bytes_or_a_path(folder):
    values = [
        {"bytes": picture(3), "path": None},
        {"bytes": None, "path": "a.png"},
        None,
        {"bytes": b"", "path": None},
    ]
    images = column(folder, pa.array(values, STRUCT))
    assert kinds(images) == ["", "", MISSING, EMPTY]
    assert images.read(0) == picture(3)
    assert images.read(1) == picture(1)


@pytest.mark.parametrize("rows_in_group", [1, 7, 1000])
def test_any_items_come_in_the_order_of_the_file_from_any_row_groups(folder, rows_in_group):
    files = [picture(shade) for shade in range(200)]
    values = pa.array([{"bytes": file, "path": None} for file in files], STRUCT)
    images = column(folder, values, row_group_size=rows_in_group)
    for chosen in (np.array([3]), np.array([0, 64, 65, 199]), np.arange(200)):
        assert list(images.stream(chosen)) == [(item, files[item]) for item in chosen]
    backwards = images.take(np.arange(200)[::-1])
    assert list(backwards.stream(np.array([0, 7, 190]))) == [
        (item, files[199 - item]) for item in (190, 7, 0)
    ]
    assert backwards.digests == images.digests[::-1]
    keep = np.flatnonzero(np.arange(200) % 3 == 1)
    taken = images.take(keep)
    assert [data for _, data in taken.stream(np.arange(len(taken)))] == files[1::3]
    assert taken.digests == images.digests[1::3]
    assert len(set(images.digests)) == 200


def test_embedded_pictures_stay_in_their_file(folder):
    values = pa.array([{"bytes": bytes(10**6), "path": None}] * 50, STRUCT)
    before = pa.total_allocated_bytes()
    images = column(folder, values)
    del values
    assert pa.total_allocated_bytes() - before < 10**6
    stream = images.stream(np.arange(50))
    next(stream)
    assert images.tables
    assert "bytes" not in str(read_table(folder, "items", id_columns=()).schema.field("image"))


def test_the_fingerprint_tells_what_pictures_show(folder):
    pq.write_table(
        pa.table({"user_id": [1, 1], "item_id": [0, 1]}), folder / "interactions.parquet"
    )

    def fingerprint(shade: int) -> str:
        (folder / "images" / "b.png").write_bytes(picture(shade))
        column(folder, ["a.png", "b.png"])
        return Dataset.load(folder, image="image").fingerprint

    assert fingerprint(5) == fingerprint(5) != fingerprint(6)


def test_a_column_of_another_kind_is_refused(folder):
    with pytest.raises(DataError, match="int64"):
        column(folder, [1, 2])
    with pytest.raises(DataError, match="no column 'photo'"):
        ImageColumn.of(pa.table({"image": ["a.png"]}), "photo", folder)


def shades(folder, **options) -> list[bytes]:
    """The pictures of a dataset, in the order of the items."""
    images = Dataset.load(folder, image="image", **options).catalog.images
    return [data for _, data in sorted(images.stream(np.arange(len(images))))]


@pytest.mark.parametrize(
    "kind",
    [
        pa.binary(),
        pa.large_binary(),
        pa.struct([("bytes", pa.binary())]),
        STRUCT,
        pa.struct([("bytes", pa.large_binary()), ("path", pa.large_string())]),
    ],
)
def test_pictures_are_bytes_alone_or_in_structs_also_in_parts(tmp_path, kind):
    files = [picture(shade) for shade in range(6)]
    structs = [{"bytes": file, "path": None} for file in files]
    values = structs if pa.types.is_struct(kind) else files
    if pa.types.is_struct(kind) and kind.num_fields == 1:
        values = [{"bytes": file} for file in files]
    table = pa.table({"item_id": range(6), "image": pa.array(values, kind), "title": [*"abcdef"]})
    pq.write_table(pa.table({"user_id": [1], "item_id": [0]}), tmp_path / "interactions.parquet")
    pq.write_table(table, tmp_path / "items.parquet")
    assert shades(tmp_path) == files
    assert Dataset.load(tmp_path).catalog.texts == [*"abcdef"]
    (tmp_path / "items.parquet").unlink()
    (tmp_path / "items").mkdir()
    for number, part in enumerate((table[:1], table[1:4], table[4:])):
        pq.write_table(part, tmp_path / "items" / f"part-{number}.parquet", row_group_size=2)
    assert shades(tmp_path) == files
    some = Dataset.load(tmp_path, image="image", leave_out=np.array([1, 4])).catalog.images
    assert [data for _, data in some.stream(np.array([3, 0]))] == [files[0], files[5]]


def test_pictures_that_the_datasets_library_saved(tmp_path):
    datasets = pytest.importorskip("datasets")
    files = [picture(shade) for shade in range(3)]
    structs = pa.array([{"bytes": file, "path": None} for file in files], STRUCT)
    table = pa.table({"item_id": [0, 1, 2], "image": structs})
    datasets.Dataset(table).save_to_disk(str(tmp_path / "items"))
    pq.write_table(pa.table({"user_id": [1], "item_id": [0]}), tmp_path / "interactions.parquet")
    assert shades(tmp_path) == files
