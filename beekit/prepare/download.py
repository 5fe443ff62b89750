"""Fetching a publisher's file over HTTP: whole, resumable, and checked.

pooch and fsspec check what they fetched but begin anew after a break. huggingface_hub's `http_get`
goes on by `Range` alone, so that a file the publisher has changed meanwhile is joined to the old
half; here `If-Range` and the size see to it.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from beekit import __version__
from beekit.errors import DownloadError
from beekit.files import take_lock, write_json
from beekit.plain import plain_integer
from beekit.prepare.raw import RawFile, accept, recall
from beekit.progress import progress_bar
from beekit.retry_after import retry_after_seconds

logger = logging.getLogger(__name__)

_CHUNK = 1 << 18
_TIMEOUT = 60.0
# Consecutive tries that bring nothing before giving up; each waits twice as long as the last.
_TRIES = 4
_LONGEST_WAIT = 60.0
_RETRIED = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class _Version:
    """Which version of a file a partial download is of."""

    url: str
    etag: str | None
    modified: str | None
    size: int | None

    @property
    def validator(self) -> str | None:
        """For If-Range, which takes only strong tags (RFC 9110, 13.1.5)."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.modified


class _Unfinished(Exception):
    """This try ended early; another may go on. `wait` is what the server asked for, in seconds."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class BusyError(DownloadError):
    """Another process is fetching the same file into the same cache."""


def fetch(
    url: str,
    cache: Path,
    *,
    md5_beside: bool = False,
    sha256: str | None = None,
    name: str | None = None,
    first_wait: float = 1.0,
) -> RawFile:
    """A file in `cache`, fetched from `url` unless it is there already.

    What was fetched of an interrupted download stays as `<name>.partial`, and the next try asks for
    the rest alone. If the server does not answer with the rest, or of a changed file, the download
    starts over.

    Args:
        url: http or https.
        cache: folder, made if there is none.
        md5_beside: the publisher keeps the file's MD5 at `<url>.md5`, which is fetched too.
        sha256: of the file, where it is known.
        name: in the cache; the last part of the address without it.
        first_wait: seconds before the second try; doubles with every further one.

    Raises:
        DownloadError: if `url` is not the http or https address of a file, if the file is not
            there, if the server or the network does not answer, or if the checksum is not the one
            expected.
        BusyError: if another process is fetching the file.
    """
    last = _name_of(url)
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / (name or last)
    present = recall(target, url, sha256)
    if present is not None:
        return present
    md5 = _published_md5(url, cache) if md5_beside else None
    partial = target.with_name(f"{target.name}.partial")
    with _alone(partial, url) as file:
        present = recall(target, url, sha256)  # another process may have just brought it
        if present is not None:
            return present
        _fetch_whole(url, partial, file, first_wait)
        file.flush()
        fetched = accept(partial, target, url, md5, sha256)
        _version_path(partial).unlink(missing_ok=True)
        return fetched


@contextmanager
def _alone(partial: Path, url: str) -> Iterator[BinaryIO]:
    """The partial file, open for appending, which no other process has at the same time.

    Raises:
        BusyError: if another process has the partial file.
    """
    while True:
        with partial.open("ab") as file:
            try:
                take_lock(file.fileno())
            except BlockingIOError as error:
                raise BusyError(
                    f"another process is fetching {url} into {partial.parent}",
                    expected="one at a time",
                    remedy="Run the same command again when it is done.",
                ) from error
            if not _same_file(file, partial):  # it was finished, and renamed, meanwhile
                continue
            try:
                yield file
            finally:
                if _same_file(file, partial) and _size(file) == 0:
                    partial.unlink()
            return


def _same_file(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _fetch_whole(url: str, partial: Path, file: BinaryIO, first_wait: float) -> None:
    """Try until the partial file is whole."""
    fruitless = 0
    furthest = _size(file)
    while True:
        try:
            _fetch_rest(url, partial, file)
            return
        except _Unfinished as error:
            after = _size(file)
            fruitless = 1 if after > furthest else fruitless + 1
            furthest = max(furthest, after)
            if fruitless >= _TRIES:
                raise DownloadError(
                    f"{url} could not be fetched ({error})",
                    expected="an answer from the server",
                    remedy="Check the network and run the same command again; the "
                    f"{after:,} bytes that came are kept.",
                ) from error
            logger.info("%s: %s; trying again", url, error)
            time.sleep(min(max(first_wait * 2 ** (fruitless - 1), error.wait), _LONGEST_WAIT))


def _name_of(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    name = Path(urllib.parse.unquote(parts.path)).name
    if parts.scheme not in ("http", "https") or not name:
        raise DownloadError(
            f"the address {url}",
            expected="one that begins with http:// or https:// and names a file",
            remedy="Check the address.",
        )
    return name


def _published_md5(url: str, cache: Path) -> str | None:
    """None where there is no such file, as at a mirror."""
    try:
        note = fetch(f"{url}.md5", cache)
    except DownloadError as error:
        if isinstance(error.__cause__, urllib.error.HTTPError) and error.__cause__.code == 404:
            return None
        raise
    text = note.path.read_text(encoding="utf-8", errors="replace")
    found = re.findall(r"(?<![0-9a-fA-F])[0-9a-fA-F]{32}(?![0-9a-fA-F])", text)
    if len(found) != 1:
        note.path.unlink()
        raise DownloadError(
            f"{url}.md5 says {text[:60]!r}",
            expected="the MD5 of the file beside it",
            remedy="Check the address given as --url.",
        )
    return str(found[0])


def _fetch_rest(url: str, partial: Path, file: BinaryIO) -> None:
    """One try: bring `partial` to the end, going on where it stops if the server lets us."""
    version = _read_version(partial, url)
    begin = _size(file) if version else 0
    headers = {"User-Agent": f"beekit/{__version__}", "Accept-Encoding": "identity"}
    if begin and version:
        headers["Range"] = f"bytes={begin}-"
        if version.validator:
            headers["If-Range"] = version.validator
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_TIMEOUT
        ) as answer:
            _store(answer, url, partial, file, begin, version)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing is left, or it is another file now: start over
            if version and version.size == begin:
                return
            file.truncate(0)
            raise _Unfinished("the file has changed at its publisher") from error
        if error.code in _RETRIED:
            wait = retry_after_seconds(error.headers.get("Retry-After")) or 0.0
            raise _Unfinished(f"HTTP {error.code} {error.reason}", wait) from error
        raise DownloadError(
            f"{url} answers HTTP {error.code} {error.reason}",
            expected="the file",
            remedy="Check the address; --url names another place to fetch from.",
        ) from error
    except urllib.error.URLError as error:
        raise _Unfinished(f"no connection: {error.reason}") from error
    except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
        raise _Unfinished(f"the connection broke: {error or type(error).__name__}") from error


def _store(
    answer: http.client.HTTPResponse,
    url: str,
    partial: Path,
    file: BinaryIO,
    begin: int,
    earlier: _Version | None,
) -> None:
    headers = answer.headers
    if answer.status == 206:
        first, size = _content_range(headers.get("Content-Range", ""))
        if first != begin or (earlier and earlier.size is not None and size != earlier.size):
            file.truncate(0)
            raise _Unfinished("the file has changed at its publisher")
    else:
        begin = 0
        length = headers.get("Content-Length")
        size = plain_integer(length or "")
        file.truncate(0)
        version = _Version(url, headers.get("ETag"), headers.get("Last-Modified"), size)
        write_json(_version_path(partial), asdict(version))
    try:
        with progress_bar(
            desc=_name_of(url),
            total=size,
            initial=begin,
            unit="B",
            unit_scale=True,
            leave=False,
        ) as progress:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                progress.update(len(chunk))
    finally:
        file.flush()
    reached = _size(file)
    if size is not None and reached < size:
        raise _Unfinished(f"the connection broke after {reached:,} of {size:,} bytes")
    if size is not None and reached > size:
        file.truncate(0)
        raise _Unfinished(f"{reached:,} bytes came of {size:,}")


def _version_path(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _read_version(partial: Path, url: str) -> _Version | None:
    """What the partial file is of; None if that is unknown, or something else."""
    try:
        version = _Version(**json.loads(_version_path(partial).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    # A rest can only be trusted to fit if something says that the file is the same.
    known = version.validator is not None or version.size is not None
    return version if version.url == url and known else None


def _content_range(value: str) -> tuple[int | None, int | None]:
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", value.strip())
    if not found:
        return None, None
    return int(found[1]), None if found[2] == "*" else int(found[2])
