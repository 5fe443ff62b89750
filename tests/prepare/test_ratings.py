"""Lines of ratings: what is read does not depend on blocks, and what cannot be is counted."""

from __future__ import annotations

import errno
import gzip
import math
import zipfile
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beekit.errors import DataError
from beekit.prepare.ratings import Layout, RatingLines
from beekit.prepare.raw import RawFile, unpacking
from beekit.prepare.user_lines import UserLines

MOVIES = Layout(user="userId", item="movieId", value="rating", timestamp="timestamp")
SHOP = Layout(user="u", item="i", timestamp="day", time="date", integer_ids=False)


def read(tmp_path, content: bytes, layout: Layout = MOVIES, **options):
    path = tmp_path / "ratings.csv"
    path.write_bytes(content)
    lines = RatingLines(RawFile.local(path), layout, **options)
    tables = list(lines)
    return pa.concat_tables(tables).to_pylist() if tables else [], lines.malformed


def test_columns_are_found_by_the_header_whatever_their_order(tmp_path):
    rows, malformed = read(
        tmp_path, b"\xef\xbb\xbfrating,x,userId,timestamp,movieId\r\n4.5,?,7,99,1\r\n\r\n0.5,,8,1,2"
    )
    assert rows == [
        {"user_id": 7, "item_id": 1, "value": 4.5, "timestamp": 99},
        {"user_id": 8, "item_id": 2, "value": 0.5, "timestamp": 1},
    ]
    assert (malformed.rows, malformed.count) == (2, 0)


def test_leading_zeros_and_dates_of_purchases(tmp_path):
    rows, _ = read(tmp_path, b"day,u,i\n2018-09-20,0a,0108\n1970-01-02,b,1\n", SHOP)
    assert rows == [
        {"user_id": "0a", "item_id": "0108", "timestamp": 17_794 * 86_400},
        {"user_id": "b", "item_id": "1", "timestamp": 86_400},
    ]


def test_milliseconds_become_seconds(tmp_path):
    layout = Layout("u", "i", "r", "t", time="milliseconds", integer_ids=False)
    rows, _ = read(tmp_path, b"u,i,r,t\nA,B,5.0,1588687728923\n", layout)
    assert rows[0]["timestamp"] == 1588687728.923


def test_two_colons_separate(tmp_path):
    layout = Layout("u", "i", "r", "t", columns=("u", "i", "r", "t"), separator="::")
    rows, malformed = read(tmp_path, b"1::2::5::978300760\n1::3::4\n" * 2, layout, limit=0.5)
    assert rows == [{"user_id": 1, "item_id": 2, "value": 5.0, "timestamp": 978300760}] * 2
    assert malformed.examples == ["line 2: '1::3::4'", "line 4: '1::3::4'"]


def test_malformed_lines_are_counted_and_the_first_are_quoted(tmp_path):
    good = b"1,2,3.5,4\n" * 400
    bad = b"1,2,3.5\n1,2,x,4\n" + b"9" * 300 + b",2,3,4\n"
    rows, malformed = read(tmp_path, b"userId,movieId,rating,timestamp\n" + good + bad)
    assert len(rows) == malformed.rows == 400
    assert malformed.count == 3
    assert malformed.examples[:2] == ["line 402: '1,2,3.5'", "line 403: '1,2,x,4'"]
    assert len(malformed.examples[2]) < 130


def test_too_many_malformed_lines_fail_with_the_first_quoted(tmp_path):
    with pytest.raises(DataError, match="2 malformed lines of 101") as caught:
        read(tmp_path, b"userId,movieId,rating,timestamp\n" + b"1,2,3,4\n" * 99 + b"1,2\n1;2\n")
    assert "line 101: '1,2'" in str(caught.value)
    assert "at most 1%" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"userId,movieId,rating,timestamp\n"])
def test_a_file_without_rows_is_refused(tmp_path, content):
    with pytest.raises(DataError):
        read(tmp_path, content)


def test_another_header_is_refused(tmp_path):
    with pytest.raises(DataError, match="begins with 'user,item'") as caught:
        read(tmp_path, b"user,item\n1,2\n")
    assert "userId, movieId, rating, timestamp" in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    layout = Layout("u", "i", columns=("u", "i"))
    with pytest.raises(DataError, match="a line of more than"):
        read(tmp_path, bytes(65 << 20), layout)


def test_damaged_archives_are_one_line(tmp_path):
    content = b"userId,movieId,rating,timestamp\n" + b"1,2,3,4\n" * 5000
    packed = gzip.compress(content)
    (tmp_path / "a.csv.gz").write_bytes(packed[: len(packed) // 2])
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("ratings.csv", content)
    whole = (tmp_path / "b.zip").read_bytes()
    (tmp_path / "c.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "d.zip").write_bytes(whole.replace(b"1,2,3,4", b"1,2,5,4", 1))
    with zipfile.ZipFile(tmp_path / "e.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("ratings.csv", content)
    spoilt = bytearray((tmp_path / "e.zip").read_bytes())
    spoilt[100:120] = bytes(20)  # bzip2 has no error of its own
    (tmp_path / "e.zip").write_bytes(spoilt)
    for name, member in (
        ("a.csv.gz", None),
        ("e.zip", "ratings.csv"),
        ("c.zip", "ratings.csv"),
        ("d.zip", "ratings.csv"),
        ("b.zip", "absent.csv"),
    ):
        with pytest.raises(
            DataError, match=r"complete archive|does not hold the file absent"
        ) as caught:
            list(RatingLines(RawFile.local(tmp_path / name), MOVIES, member=member))
        assert "\n" not in str(caught.value)
    raw = RawFile.local(tmp_path / "b.zip")
    assert sum(map(len, RatingLines(raw, MOVIES, member="ratings.csv"))) == 5000


def test_archives_that_cannot_be_unpacked_are_one_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("ratings.csv", "userId")
    content = bytearray((tmp_path / "a.zip").read_bytes())
    local, central = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    for name, offset, value in (("locked.zip", 6, 1), ("packed.zip", 8, 99)):
        spoilt = bytearray(content)
        spoilt[local + offset] = spoilt[central + offset + 2] = value
        (tmp_path / name).write_bytes(spoilt)
        with (
            pytest.raises(DataError, match="cannot be unpacked") as caught,
            RawFile.local(tmp_path / name).open("ratings.csv"),
        ):
            pass
        assert "\n" not in str(caught.value)


def test_errors_of_the_reader_are_not_the_archives(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("ratings.csv", "userId")
    raw = RawFile.local(tmp_path / "a.zip")

    def fail(error):
        with raw.open("ratings.csv") as stream:
            assert stream.read() == b"userId"
            raise error

    for error in (KeyError, EOFError, RuntimeError):
        with pytest.raises(error):
            fail(error)


def test_what_the_disk_refuses_is_not_the_archives(tmp_path):
    with (
        pytest.raises(OSError, match="No space") as caught,
        unpacking(tmp_path / "a.zip", "Again."),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.errno == errno.ENOSPC


def test_only_what_was_fetched_is_to_be_deleted(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"no archive")
    brought = RawFile.local(tmp_path / "a.zip")
    fetched = replace(brought, url="http://host/a.zip")
    for raw, delete in ((brought, False), (fetched, True)):
        with pytest.raises(DataError, match="cut off or damaged") as caught, raw.open("x"):
            pass
        assert ("Delete it" in str(caught.value)) == delete


def test_numbers_over_64_bits_in_lines_of_users_are_malformed(tmp_path):
    (tmp_path / "users.dat").write_text(f"2 3 4\n1 {2**70}\n1 5\n")
    lines = UserLines(RawFile.local(tmp_path / "users.dat"), limit=0.5)
    rows = [row for table in lines for row in table.to_pylist()]
    assert [(row["user_id"], row["item_id"]) for row in rows] == [(0, 3), (0, 4), (2, 5)]
    assert lines.malformed.examples == [f"line 2: '1 {2**70}'"]


FIELDS = st.sampled_from(
    [
        *map(str, range(12)),
        *("", " 7", "007", "-1", "+3", "4.5", ".5", "5.", "--1", "1e3", "1e999", "0x1F", "x"),
        *("nan", "inf", "NA", "9" * 18, "9" * 19, "9" * 30, "é", '"1"', "1\r"),
    ]
)
LINES = st.lists(FIELDS, min_size=3, max_size=5).map(",".join)


def is_integer(text: str) -> bool:
    digits = text.strip(" \t").removeprefix("-")
    if digits.startswith("0x"):
        return True
    return digits.isascii() and digits.isdigit() and int(digits) < 2**63


def is_number(text: str) -> bool:
    try:
        plain = "_" not in text and text.isascii()
        return plain and math.isfinite(float(text)) and text.strip() != ""
    except ValueError:
        return False


@settings(max_examples=150, deadline=None)
@given(st.lists(LINES, max_size=30), st.integers(1, 60))
def test_blocks_of_any_size_read_what_a_loop_over_lines_reads(tmp_path_factory, lines, block):
    folder = tmp_path_factory.mktemp("lines")
    lines = [line for line in lines if "\r" not in line.rstrip("\r")]
    content = "userId,movieId,rating,timestamp\n" + "".join(f"{line}\n" for line in lines)
    expected, wrong = [], []
    for number, line in enumerate(lines, start=2):
        fields = line.rstrip("\r").split(",")
        sound = len(fields) == 4 and is_number(fields[2])
        if sound and all(is_integer(fields[k]) for k in (0, 1, 3)):
            user, item, time = (int(fields[k], 0 if "x" in fields[k] else 10) for k in (0, 1, 3))
            expected.append((user, item, time))
        elif line.strip("\r"):
            wrong.append(number)
    if not expected:
        return
    rows, malformed = read(folder, content.encode(), limit=1.0, block=block)
    assert [(row["user_id"], row["item_id"], row["timestamp"]) for row in rows] == expected
    assert malformed.count == len(wrong)
    assert [int(e.split(":")[0].removeprefix("line ")) for e in malformed.examples] == wrong[:3]
