"""The scripts on small files in the publishers' formats, from a publisher on this machine."""

from __future__ import annotations

import gzip
import hashlib
import json
import runpy
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import raw_formats
from loop_filters import filtered_by_loops

from beekit import Dataset
from beekit.prepare.build import require_free

SCRIPTS = Path(__file__).parent.parent.parent / "data_prep"
FETCHED = [
    raw_formats.ml20m,
    raw_formats.ml1m,
    raw_formats.goodbooks,
    raw_formats.amazon2023,
    raw_formats.amazon_books_2018,
    raw_formats.amazon_books_2014,
    raw_formats.citeulike_a,
]


@pytest.fixture
def run(monkeypatch, capsys):
    """A function that runs a script, and returns its exit code, output and errors."""

    def call(script, *arguments):
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(SCRIPTS / script), run_name="__main__")
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return call


def prepare(run, publisher, raw, out, *arguments):
    publisher.files |= raw.files
    return run(raw.script, out, "--url", publisher.url, *raw.arguments, *arguments)


def interactions(folder):
    return [
        (row["user_id"], row["item_id"], row.get("value", 0), row.get("timestamp", 0))
        for row in pq.read_table(folder / "interactions.parquet").to_pylist()
    ]


def by_loops(raw, support=5, duplicates="latest"):
    values = any(value for *_, value, _ in raw.rows)
    known = raw.known or {item for _, item, *_ in raw.rows}
    return filtered_by_loops(
        raw.rows,
        known,
        min_value=4.0 if values else None,
        support=support,
        duplicates=duplicates,
    )[0]


@pytest.mark.parametrize("make", FETCHED, ids=lambda make: make.__name__)
def test_interactions_are_those_of_loops_over_the_raw_rows(make, run, publisher, tmp_path):
    raw, out = make(), tmp_path / "dataset"
    code, said, _ = prepare(run, publisher, raw, out)
    assert code == 0
    expected = by_loops(raw)
    assert interactions(out) == expected
    dataset = Dataset.load(out)
    assert dataset.interactions.n_interactions == len(expected)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["fingerprint"] == dataset.fingerprint
    assert {file["sha256"] for file in manifest["raw"]} == {
        hashlib.sha256(content).hexdigest()
        for name, content in raw.files.items()
        if not name.endswith(".md5")
    }
    items = {row["item_id"]: row for row in pq.read_table(out / "items.parquet").to_pylist()}
    assert set(items) == {item for _, item, *_ in expected}
    for item, columns in raw.items.items():
        assert {name: items[item][name] for name in columns} == columns
    assert f"{manifest['counts']['users']:,} users" in said
    if manifest["expected"]:
        assert "different from published counts" in said


@pytest.mark.parametrize("make", FETCHED, ids=lambda make: make.__name__)
def test_a_download_cut_in_the_middle_goes_on(make, run, publisher, tmp_path):
    raw = make()
    publisher.faults[raw.ratings] = [500, "cut"]
    assert prepare(run, publisher, raw, tmp_path / "dataset")[0] == 0
    asked = [wanted for path, wanted in publisher.asked if path == raw.ratings]
    assert asked == [None, None, f"bytes={len(raw.files[raw.ratings]) // 2}-"]
    assert interactions(tmp_path / "dataset") == by_loops(raw)


@pytest.mark.parametrize("make", FETCHED, ids=lambda make: make.__name__)
def test_a_wrong_checksum_is_one_line_and_the_file_set_aside(make, run, publisher, tmp_path):
    raw = make()
    name = raw.ratings.rsplit("/", 1)[-1]
    code, _, err = prepare(
        run, publisher, raw, tmp_path / "dataset", "--sha256", f"{name}={'0' * 64}"
    )
    assert code == 2
    assert err.count("\n") == 1
    assert f"{name} has the sha256" in err
    assert len(list(tmp_path.rglob(f"{name}.wrong-checksum"))) == 1
    assert not (tmp_path / "dataset").exists()
    assert prepare(run, publisher, raw, tmp_path / "dataset")[0] == 0


@pytest.mark.parametrize("make", FETCHED, ids=lambda make: make.__name__)
def test_a_missing_or_damaged_file_is_one_line(make, run, publisher, tmp_path):
    raw = make()
    content = raw.files.pop(raw.ratings)
    code, _, err = prepare(run, publisher, raw, tmp_path / "dataset")
    assert (code, err.count("\n")) == (2, 1)
    assert "HTTP 404" in err
    raw.files[raw.ratings] = b"<html>We have moved.</html>\n" * 9 + content[: len(content) // 2]
    raw.files.pop(f"{raw.ratings}.md5", None)
    publisher.files.pop(f"{raw.ratings}.md5", None)
    code, _, err = prepare(run, publisher, raw, tmp_path / "dataset")
    assert (code, err.count("\n")) == (2, 1)
    assert "beekit" not in err
    assert "Traceback" not in err


def test_malformed_lines_are_skipped_counted_and_said(run, publisher, tmp_path):
    raw = raw_formats.goodbooks()
    raw.files["ratings.csv"] = raw.files["ratings.csv"][:-4] + b"\xff,1,5\n1;2;3\n"
    raw.rows.pop()
    code, out, _ = prepare(run, publisher, raw, tmp_path / "dataset")
    assert code == 0
    assert interactions(tmp_path / "dataset") == by_loops(raw)
    assert "malformed lines skipped: 2 (line 901: " in out
    raw.files["ratings.csv"] += b"no rating\n" * 20
    code, _, err = prepare(run, publisher, raw, tmp_path / "other", "--max-malformed", "0.02")
    assert code == 2
    assert "22 malformed lines of 921" in err


def test_a_list_of_items_restricts_before_users_are_counted(run, publisher, tmp_path):
    raw = raw_formats.ml20m()
    (tmp_path / "some.csv").write_text("movieId\n" + "".join(f"{k}\n" for k in range(1, 9)))
    code, _, _ = prepare(run, publisher, raw, tmp_path / "d", "--items", tmp_path / "some.csv")
    assert code == 0
    raw.known = set(range(1, 9))
    assert interactions(tmp_path / "d") == by_loops(raw)


def test_defaults_can_be_changed(run, publisher, tmp_path):
    raw = raw_formats.ml1m()
    options = ("--min-value", "0", "--user-min-support", "1", "--duplicates", "first")
    assert prepare(run, publisher, raw, tmp_path / "d", *options)[0] == 0
    everything = filtered_by_loops(
        raw.rows, set(range(99)), min_value=0, support=1, duplicates="first"
    )
    assert interactions(tmp_path / "d") == everything[0]


def test_a_wrong_md5_of_the_publisher_is_told(run, publisher, tmp_path):
    raw = raw_formats.ml1m()
    raw.files["ml-1m.zip.md5"] = b"0" * 32
    code, _, err = prepare(run, publisher, raw, tmp_path / "d")
    assert code == 2
    assert "ml-1m.zip has the md5" in err


def test_a_folder_with_something_else_is_left_alone(run, publisher, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    code, _, err = prepare(run, publisher, raw_formats.ml1m(), tmp_path / "home")
    assert code == 2
    assert "Give another folder" in err
    assert publisher.asked == []  # before anything is fetched
    inside = tmp_path / "new" / "cache"
    code, _, err = prepare(run, publisher, raw_formats.ml1m(), tmp_path / "new", "--cache", inside)
    assert code == 2
    assert "which will be replaced" in err


def test_descriptions_in_the_folder_are_left_alone(run, publisher, tmp_path):
    raw, out = raw_formats.ml1m(), tmp_path / "d"
    assert prepare(run, publisher, raw, out)[0] == 0
    assert prepare(run, publisher, raw, out)[0] == 0
    for name in ("descriptions.jsonl", "refusals.csv", "descriptions.json"):
        (out / name).write_text("paid for")
    code, _, err = prepare(run, publisher, raw, out)
    assert (code, err.count("\n")) == (2, 1)
    assert "descriptions.json, descriptions.jsonl, refusals.csv" in err
    assert (out / "descriptions.jsonl").read_text() == "paid for"


def test_nothing_that_is_read_may_lie_in_the_folder(run, publisher, tmp_path):
    raw, out = raw_formats.ml1m(), tmp_path / "d"
    assert prepare(run, publisher, raw, out)[0] == 0
    (out / "list.csv").write_text("movieId\n1\n")
    code, _, err = prepare(run, publisher, raw, out, "--items", out / "list.csv")
    assert (code, err.count("\n")) == (2, 1)
    assert "--items" in err
    assert (out / "list.csv").exists()
    code, _, err = run("hm.py", tmp_path / "hm", "--raw", tmp_path / "hm" / "raw")
    assert code == 2
    assert "--raw" in err
    assert "which will be replaced" in err


def test_items_without_titles_are_one_line(run, publisher, tmp_path):
    raw = raw_formats.amazon_books_2014()
    raw.files["meta_Books.json.gz"] = gzip.compress(b"{'asin': '1'}\n" * 9)
    code, _, err = prepare(run, publisher, raw, tmp_path / "d")
    assert (code, err.count("\n")) == (2, 1)
    assert "none of 9 items has a title" in err
    assert [p.name for p in tmp_path.iterdir()] == ["d-raw"]


def test_malformed_tags_of_books_are_told(run, publisher, tmp_path):
    raw = raw_formats.goodbooks()
    raw.files["book_tags.csv"] += b"1001,2,many\n"
    code, said, _ = prepare(run, publisher, raw, tmp_path / "d", "--max-malformed", "0.5")
    assert code == 0
    manifest = json.loads((tmp_path / "d" / "manifest.json").read_text())
    assert manifest["malformed"]["book_tags.csv"]["malformed"] == 1
    assert manifest["malformed"]["tags.csv"]["rows"] == 4
    assert "malformed lines skipped: 1" in said


def test_counts_of_described_items_are_not_those_of_all(run, publisher, tmp_path):
    code, said, _ = prepare(run, publisher, raw_formats.ml20m(), tmp_path / "d")
    assert code == 0
    assert "published counts with other items: 136,589 users" in said
    assert "different from published counts: 136,677 users" in said
    (tmp_path / "list.txt").write_text("movieId\n1\n2\n3\n999\n")
    options = ("--items", tmp_path / "list.txt", "--user-min-support", "1")
    code, said, _ = prepare(run, publisher, raw_formats.ml20m(), tmp_path / "e", *options)
    assert code == 0
    assert "list.txt: 3 of 5 listed ids are in the catalog" in said
    assert "published counts with other filters and items: 136,677 users" in said


def test_a_full_disk_is_one_line(run, publisher, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr("beekit.prepare.build.write_interactions", full)
    code, _, err = prepare(run, publisher, raw_formats.ml1m(), tmp_path / "d")
    assert code == 2
    assert "somewhere: the disk is full" in err
    assert [p.name for p in tmp_path.iterdir()] == ["d-raw"]
    assert err.count("\n") == 1


def test_what_the_user_can_mend_is_one_line_and_exit_code_2(publisher, tmp_path):
    command = [sys.executable, SCRIPTS / "goodbooks.py", tmp_path / "d", "--url", publisher.url]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("goodbooks: ")
    assert ended.stderr.count("\n") == 1


def killed(script, out, publisher, until):
    """Run in a process of its own, which is killed as soon as `until` holds."""
    command = [sys.executable, "-c", script, str(out), "--url", publisher.url]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as running:
        end = time.monotonic() + 20
        while not until() and running.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        assert running.poll() is None
        running.send_signal(signal.SIGKILL)
    assert not out.exists()


def test_after_a_kill_the_same_command_completes(run, publisher, tmp_path):
    raw, out = raw_formats.ml1m(), tmp_path / "dataset"
    publisher.files |= raw.files
    # Dies while interactions are being written: everything is fetched by then.
    script = f"""
import runpy, sys, time
import beekit.prepare.build as build
build.write_interactions = lambda *a, **k: time.sleep(60)
runpy.run_path({str(SCRIPTS / "ml1m.py")!r}, run_name="__main__")
"""
    kept = ".dataset.*.partial/.work-*/items.parquet"
    killed(script, out, publisher, lambda: any(tmp_path.glob(kept)))
    asked = len(publisher.asked)
    assert prepare(run, publisher, raw, out)[0] == 0
    assert len(publisher.asked) == asked
    assert interactions(out) == by_loops(raw)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dataset", "dataset-raw"]
    require_free(out)


@pytest.mark.parametrize("packed", [False, True])
def test_hm_from_the_folder_or_the_archive(run, tmp_path, packed):
    raw, given, out = raw_formats.hm(), tmp_path / "given", tmp_path / "dataset"
    for name, content in raw.files.items():
        (given / name).parent.mkdir(parents=True, exist_ok=True)
        (given / name).write_bytes(content)
    if packed:
        with zipfile.ZipFile(tmp_path / "hm.zip", "w") as archive:
            for name, content in raw.files.items():
                archive.writestr(name, content)
        given = tmp_path / "hm.zip"
    code, said, err = run("hm.py", out, "--raw", given)
    assert code == 0, err
    assert interactions(out) == by_loops(raw, duplicates="first")
    dataset = Dataset.load(out, text="{title}. {description}", image="image")
    images = dataset.catalog.images
    where = dict(zip(dataset.catalog.item_ids, range(len(images)), strict=True))
    assert images.read(where["0000000001"]) == b"picture 1"
    assert images.paths.to_pylist().count(None) == len(images) - 2
    items = {row["item_id"]: row for row in pq.read_table(out / "items.parquet").to_pylist()}
    for item, columns in raw.items.items():
        assert {name: items[item][name] for name in columns} == columns
    assert "pictures: found 2, missing 23" in said
    assert "different from published counts: 31,788,324 rows" in said
    assert run("hm.py", out, "--raw", given, "--no-images")[0] == 0
    assert not (out / "images").exists()
    assert run("hm.py", out, "--raw", tmp_path / "absent")[0] == 2


@pytest.mark.parametrize("packed", [False, True])
def test_hm_without_photos_says_what_to_do(run, tmp_path, packed, monkeypatch):
    raw, given = raw_formats.hm(), tmp_path
    for name in ("articles.csv", "transactions_train.csv"):
        (tmp_path / name).write_bytes(raw.files[name])
    if packed:
        given = tmp_path / "hm.zip"
        with zipfile.ZipFile(given, "w") as archive:
            for name in ("articles.csv", "transactions_train.csv"):
                archive.writestr(name, raw.files[name])
    for name in ("write_interactions", "ItemStore"):  # nothing is read before
        monkeypatch.setattr(f"beekit.prepare.build.{name}", None)
    code, _, err = run("hm.py", tmp_path / "dataset", "--raw", given)
    assert code == 2
    assert "has no folder images/" in err
    assert "--no-images" in err


def test_links_become_pictures_when_asked_for(run, publisher, tmp_path):
    raw = raw_formats.amazon2023()
    name = "raw/meta_categories/meta_Video_Games.jsonl.gz"

    meta = gzip.decompress(raw.files[name]).replace(
        b"https://i.example", f"{publisher.url}/pictures".encode()
    )
    raw.files[name] = gzip.compress(meta)
    publisher.files |= {f"pictures/{k}.jpg": b"picture %d" % k for k in range(1, 20)}
    code, said, err = prepare(run, publisher, raw, tmp_path / "d", "--images")
    assert code == 0, err
    dataset = Dataset.load(tmp_path / "d", image="image")
    images = dataset.catalog.images
    for index, item in enumerate(dataset.catalog.item_ids):
        number = int(item[1:])
        if number < 20:
            assert images.read(index) == b"picture %d" % number
        else:
            assert images.paths[index].as_py() is None
    manifest = json.loads((tmp_path / "d" / "manifest.json").read_text())
    assert manifest["pictures"]["found"] == 18
    assert manifest["pictures"]["failed"] == 6
    assert "HTTP 404" in manifest["pictures"]["first_failures"][0]
    assert "found 18" in said
    asked = len(publisher.asked)
    assert prepare(run, publisher, raw, tmp_path / "d", "--images")[0] == 0
    assert len(publisher.asked) == asked + 6  # only those that failed


def test_pictures_that_cannot_be_had_at_all_end_the_run(run, publisher, tmp_path, monkeypatch):
    monkeypatch.setattr("beekit.prepare.pictures._HOPELESS", 5)
    code, _, err = prepare(run, publisher, _with_links_to(publisher), tmp_path / "d", "--images")
    assert code == 2
    assert "HTTP 404" in err


def _with_links_to(publisher):
    raw = raw_formats.amazon_books_2014()

    name = "meta_Books.json.gz"
    meta = gzip.decompress(raw.files[name]).replace(b"https://i.example", publisher.url.encode())
    raw.files[name] = gzip.compress(meta)
    return raw
