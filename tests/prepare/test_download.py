"""Fetching: whole, resumed, checked, and one line where it cannot be."""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import socket
from email.message import Message

import pytest

from beekit.errors import DownloadError
from beekit.prepare.download import BusyError, fetch

CONTENT = bytes(range(256)) * 4000
HALF = len(CONTENT) // 2


@pytest.fixture
def published(publisher):
    publisher.files["data/raw.zip"] = CONTENT
    return publisher


def test_a_file_comes_whole_and_is_not_asked_for_again(published, tmp_path):
    first = fetch(f"{published.url}/data/raw.zip", tmp_path / "cache")
    assert first.path.read_bytes() == CONTENT
    assert first.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert first.describe()["bytes"] == len(CONTENT)
    assert fetch(f"{published.url}/data/raw.zip", tmp_path / "cache") == first
    assert published.asked == [("data/raw.zip", None)]
    assert {p.name for p in (tmp_path / "cache").iterdir()} == {"raw.zip", "raw.zip.json"}


def test_after_a_break_the_rest_alone_is_asked_for(published, tmp_path):
    published.faults["data/raw.zip"] = ["cut", "stop", "cut"]
    assert fetch(f"{published.url}/data/raw.zip", tmp_path).path.read_bytes() == CONTENT
    three_quarters = HALF + (len(CONTENT) - HALF) // 2
    assert [wanted for _, wanted in published.asked] == [
        None,
        f"bytes={HALF}-",
        f"bytes={HALF}-",
        f"bytes={three_quarters}-",
    ]


def test_what_an_earlier_run_fetched_is_not_lost(published, tmp_path):
    published.faults["data/raw.zip"] = ["cut", 404]
    with pytest.raises(DownloadError, match="HTTP 404"):
        fetch(f"{published.url}/data/raw.zip", tmp_path)
    assert (tmp_path / "raw.zip.partial").read_bytes() == CONTENT[:HALF]
    assert fetch(f"{published.url}/data/raw.zip", tmp_path).path.read_bytes() == CONTENT
    assert published.asked[-1] == ("data/raw.zip", f"bytes={HALF}-")
    assert not list(tmp_path.glob("*.partial*"))


def test_what_another_process_is_fetching_is_left_to_it(published, tmp_path):
    url = f"{published.url}/data/raw.zip"
    with (tmp_path / "raw.zip.partial").open("ab") as file:
        file.write(b"its bytes")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match="another process is downloading") as caught:
            fetch(url, tmp_path)
        assert "\n" not in str(caught.value)
        assert published.asked == []
        assert (tmp_path / "raw.zip.partial").read_bytes() == b"its bytes"
    assert fetch(url, tmp_path).path.read_bytes() == CONTENT


def test_a_file_fetched_meanwhile_by_another_process_is_taken(published, tmp_path, monkeypatch):
    url, lock = f"{published.url}/data/raw.zip", fcntl.flock
    once = []

    def after_the_other(file, how):
        if not once:
            once.append(file)
            fetch(url, tmp_path)
        lock(file, how)

    monkeypatch.setattr("beekit.files.fcntl.flock", after_the_other)
    assert fetch(url, tmp_path).path.read_bytes() == CONTENT
    assert len(published.asked) == 1
    assert {p.name for p in tmp_path.iterdir()} == {"raw.zip", "raw.zip.json"}


def test_more_bytes_than_the_file_has_are_not_taken(tmp_path, monkeypatch):
    class Answer(io.BytesIO):
        status = 200
        headers = Message()

    Answer.headers["Content-Length"] = "4"
    answers = [Answer(b"too long"), Answer(b"four")]
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: answers.pop(0))
    assert fetch("http://host/raw", tmp_path, first_wait=0).path.read_bytes() == b"four"
    assert answers == []


def test_nothing_is_left_of_a_file_that_is_not_there(publisher, tmp_path):
    with pytest.raises(DownloadError, match="404"):
        fetch(f"{publisher.url}/absent", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_server_without_ranges_starts_over(published, tmp_path):
    published.ranges = False
    published.faults["data/raw.zip"] = ["cut"]
    assert fetch(f"{published.url}/data/raw.zip", tmp_path).path.read_bytes() == CONTENT


def test_a_server_that_always_breaks_off_is_given_up(published, tmp_path):
    published.ranges = False
    published.faults["data/raw.zip"] = ["cut"] * 99
    with pytest.raises(DownloadError, match=f"broke after {HALF:,} of {len(CONTENT):,} bytes"):
        fetch(f"{published.url}/data/raw.zip", tmp_path)
    assert len(published.asked) == 4


@pytest.mark.parametrize("tag", ['"{}"', 'W/"{}"', ""])
def test_a_file_that_changed_meanwhile_starts_over(published, tmp_path, tag):
    # A strong tag says so itself; without one the size does.
    published.tag = tag
    published.faults["data/raw.zip"] = ["cut", 403]
    with pytest.raises(DownloadError):
        fetch(f"{published.url}/data/raw.zip", tmp_path)
    published.files["data/raw.zip"] = CONTENT[::-1] + b"more"
    assert fetch(f"{published.url}/data/raw.zip", tmp_path).path.read_bytes() == (
        CONTENT[::-1] + b"more"
    )


@pytest.mark.parametrize("shorter", [HALF, HALF - 1])
def test_a_file_that_shrank_meanwhile_starts_over(published, tmp_path, shorter):
    published.tag = ""
    published.faults["data/raw.zip"] = ["cut", 403]
    with pytest.raises(DownloadError):
        fetch(f"{published.url}/data/raw.zip", tmp_path)
    published.files["data/raw.zip"] = b"x" * shorter
    assert fetch(f"{published.url}/data/raw.zip", tmp_path).path.read_bytes() == b"x" * shorter


def test_a_whole_partial_file_needs_no_further_byte(published, tmp_path):
    published.faults["data/raw.zip"] = ["cut", 403]
    with pytest.raises(DownloadError):
        fetch(f"{published.url}/data/raw.zip", tmp_path)
    (tmp_path / "raw.zip.partial").write_bytes(CONTENT)
    assert fetch(f"{published.url}/data/raw.zip", tmp_path).path.read_bytes() == CONTENT


def test_a_server_out_of_breath_is_asked_again(published, tmp_path):
    published.faults["data/raw.zip"] = [500, 503, 429]
    assert fetch(f"{published.url}/data/raw.zip", tmp_path).path.read_bytes() == CONTENT


def test_a_server_that_stays_out_of_breath_is_given_up(published, tmp_path):
    published.faults["data/raw.zip"] = [500] * 9
    with pytest.raises(DownloadError, match="HTTP 500") as caught:
        fetch(f"{published.url}/data/raw.zip", tmp_path)
    assert "\n" not in str(caught.value)
    assert len(published.asked) == 4


def test_no_network_is_one_line(published, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(DownloadError, match="no connection") as caught:
        fetch(f"http://127.0.0.1:{port}/raw.zip", tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["file:///etc/hosts", "raw.zip", "http://host/", "ftp://host/a"])
def test_an_address_must_be_http_and_name_a_file(tmp_path, url):
    for name in (None, "raw.zip"):
        with pytest.raises(DownloadError, match="http"):
            fetch(url, tmp_path, name=name)


def test_a_wrong_checksum_is_set_aside_and_fetched_anew(published, tmp_path):
    right = hashlib.sha256(CONTENT).hexdigest()
    published.files["data/raw.zip"] = b"another file"
    with pytest.raises(DownloadError, match=f"expected {right}") as caught:
        fetch(f"{published.url}/data/raw.zip", tmp_path, sha256=right)
    assert "raw.zip.wrong-checksum" in str(caught.value)
    assert (tmp_path / "raw.zip.wrong-checksum").read_bytes() == b"another file"
    assert not (tmp_path / "raw.zip").exists()
    published.files["data/raw.zip"] = CONTENT
    fetched = fetch(f"{published.url}/data/raw.zip", tmp_path, sha256=right.upper())
    assert fetched.checked == "sha256"


def test_a_file_that_changed_on_disk_is_read_again(published, tmp_path):
    right = hashlib.sha256(CONTENT).hexdigest()
    fetch(f"{published.url}/data/raw.zip", tmp_path, sha256=right)
    (tmp_path / "raw.zip").write_bytes(b"spoilt")
    with pytest.raises(DownloadError, match="wrong-checksum"):
        fetch(f"{published.url}/data/raw.zip", tmp_path, sha256=right)


@pytest.mark.parametrize("form", ["MD5 (raw.zip) = {}\n", "{}  raw.zip\n", "{}"])
def test_the_md5_beside_a_file_is_compared(published, tmp_path, form):
    md5 = hashlib.md5(CONTENT).hexdigest()
    published.files["data/raw.zip.md5"] = form.format(md5).encode()
    url = f"{published.url}/data/raw.zip"
    assert fetch(url, tmp_path / "a", md5_beside=True).checked == "md5"
    assert fetch(url, tmp_path / "a", md5_beside=True).checked == "md5"  # as the note has it
    published.files["data/raw.zip"] = CONTENT[:-1]
    with pytest.raises(DownloadError, match="has the md5"):
        fetch(url, tmp_path / "b", md5_beside=True)


def test_a_mirror_without_md5_is_not_compared(published, tmp_path):
    fetched = fetch(f"{published.url}/data/raw.zip", tmp_path, md5_beside=True)
    assert fetched.checked is None


def test_an_md5_file_without_md5_is_refused(published, tmp_path):
    published.files["data/raw.zip.md5"] = b"<html>Welcome to our mirror</html>"
    with pytest.raises(DownloadError, match="Welcome"):
        fetch(f"{published.url}/data/raw.zip", tmp_path, md5_beside=True)


def test_a_file_the_user_put_there_is_taken_without_asking(publisher, tmp_path):
    (tmp_path / "raw.zip").write_bytes(CONTENT)
    assert fetch(f"{publisher.url}/raw.zip", tmp_path, md5_beside=True).size == len(CONTENT)
    assert publisher.asked == []


def test_another_address_is_another_file(published, tmp_path):
    published.files["mirror/raw.zip"] = b"other"
    fetch(f"{published.url}/data/raw.zip", tmp_path)
    assert fetch(f"{published.url}/mirror/raw.zip", tmp_path).path.read_bytes() == b"other"


@pytest.mark.parametrize("note", ["", "{", json.dumps({"url": 1}), json.dumps([1])])
def test_a_spoilt_note_of_a_partial_file_starts_over(published, tmp_path, note):
    (tmp_path / "raw.zip.partial").write_bytes(b"rubbish")
    (tmp_path / "raw.zip.partial.json").write_text(note)
    assert fetch(f"{published.url}/data/raw.zip", tmp_path).path.read_bytes() == CONTENT
    assert published.asked == [("data/raw.zip", None)]
