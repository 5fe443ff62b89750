"""Downloading a publisher's file over HTTP, with resuming and checksums.

pooch and fsspec start again after an interruption. `http_get` of huggingface_hub resumes with
`Range` only, so that the halves of two versions are joined if the publisher has changed the file in
between; here `If-Range` and the size prevent this.
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
from pathlib import Path
from typing import BinaryIO, NamedTuple

from beekit import __version__
from beekit.errors import DownloadError
from beekit.files import take_lock, write_json
from beekit.json_values import plain_integer
from beekit.prepare.raw import RawFile, accept, recall
from beekit.progress import progress_bar
from beekit.retry_after import retry_after_seconds

logger = logging.getLogger(__name__)

_CHUNK = 1 << 18
_TIMEOUT = 60.0
# The number of tries in a row without any new bytes before giving up; each waits twice as long.
_TRIES = 4
_LONGEST_WAIT = 60.0
_RETRIED = (408, 425, 429, 500, 502, 503, 504)


class _Version(NamedTuple):
    """The version of a file that a partial download belongs to."""

    url: str
    etag: str | None
    modified: str | None
    size: int | None

    @property
    def validator(self) -> str | None:
        """The value of If-Range, which allows only strong tags (RFC 9110, 13.1.5)."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


class _Unfinished(Exception):
    """A try ended too early, and another one can go on. `wait` is the time in seconds that the
    server asks to wait."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class BusyError(DownloadError):
    """Another process is downloading the same file into the same cache."""


def fetch(
    url: str,
    cache: Path,
    *,
    md5_beside: bool = False,
    sha256: str | None = None,
    name: str | None = None,
    first_wait: float = 1.0,
) -> RawFile:
    """A file in `cache`, downloaded from `url` unless it is there already.

    An interrupted download is kept as `<name>.partial`, and the next try requests only the rest. It
    starts over if the file has changed, or if the server cannot send a part of it.

    Args:
        url: an http or https address.
        cache: folder for the file; it is made if it does not exist.
        md5_beside: whether the publisher has the MD5 of the file at `<url>.md5`; it is then
            downloaded and compared.
        sha256: SHA-256 that the file must have, if it is known.
        name: name of the file in the cache; None for the last part of the address.
        first_wait: seconds before the second try; doubled before each further one.

    Raises:
        DownloadError: if the file cannot be downloaded, if it has another checksum, or if another
            process is downloading it.
    """
    last = _name_of(url)
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / (name or last)
    if present := recall(target, url, sha256):
        return present
    md5 = _published_md5(url, cache) if md5_beside else None
    path = target.with_name(f"{target.name}.partial")
    with _alone(path, url) as file:
        if present := recall(target, url, sha256):  # another process may just have downloaded it
            return present
        partial = _Partial(url, path, file)
        partial.fetch(first_wait)
        file.flush()
        fetched = accept(path, target, url, md5, sha256)
        partial.note.unlink(missing_ok=True)
        return fetched


@contextmanager
def _alone(partial: Path, url: str) -> Iterator[BinaryIO]:
    """The partial file, open for appending and locked against other processes."""
    while True:
        with partial.open("ab") as file:
            try:
                take_lock(file.fileno())
            except BlockingIOError as error:
                raise BusyError(
                    f"another process is downloading {url} into {partial.parent}",
                    expected="one process at a time",
                    remedy="Give the same command again when that process has finished.",
                ) from error
            if not _same_file(file, partial):  # another process has finished and renamed it
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


def _name_of(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    name = Path(urllib.parse.unquote(parts.path)).name
    if parts.scheme not in ("http", "https") or not name:
        raise DownloadError(
            f"the address {url}",
            expected="an address that begins with http:// or https:// and ends with a file name",
            remedy="Check the address.",
        )
    return name


def _published_md5(url: str, cache: Path) -> str | None:
    """The MD5 at `<url>.md5`; None if there is no such file, as on a mirror."""
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
            remedy="Check the address given by --url.",
        )
    return str(found[0])


class _Partial:
    """A partial download; a file beside it says which version it belongs to."""

    def __init__(self, url: str, path: Path, file: BinaryIO) -> None:
        self.url, self.file = url, file
        self.note = path.with_name(f"{path.name}.json")

    def fetch(self, first_wait: float) -> None:
        """Try until the file is complete."""
        fruitless, furthest = 0, _size(self.file)
        while True:
            try:
                return self._fetch_rest()
            except _Unfinished as error:
                after = _size(self.file)
                fruitless = 1 if after > furthest else fruitless + 1
                furthest = max(furthest, after)
                if fruitless >= _TRIES:
                    raise DownloadError(
                        f"{self.url} could not be downloaded ({error})",
                        expected="an answer from the server",
                        remedy="Check the network and give the same command again; the "
                        f"{after:,} bytes that have arrived are kept.",
                    ) from error
                logger.info("%s: %s; trying again", self.url, error)
                wait = max(first_wait * 2 ** (fruitless - 1), error.wait)
                time.sleep(min(wait, _LONGEST_WAIT))

    def _fetch_rest(self) -> None:
        """One try, which goes on at the end of the partial file if the server supports it."""
        version = self._version()
        begin = _size(self.file) if version else 0
        headers = {"User-Agent": f"beekit/{__version__}", "Accept-Encoding": "identity"}
        if begin and version:
            headers["Range"] = f"bytes={begin}-"
            if version.validator:
                headers["If-Range"] = version.validator
        request = urllib.request.Request(self.url, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
                self._store(answer, begin, version)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # the file is complete, or it has changed
                if version and version.size == begin:
                    return
                raise self._start_over("the file has changed at its publisher") from error
            if error.code in _RETRIED:
                wait = retry_after_seconds(error.headers.get("Retry-After")) or 0.0
                raise _Unfinished(f"HTTP {error.code} {error.reason}", wait) from error
            raise DownloadError(
                f"{self.url} answers HTTP {error.code} {error.reason}",
                expected="the file",
                remedy="Check the address; --url sets another one.",
            ) from error
        except urllib.error.URLError as error:
            raise _Unfinished(f"no connection: {error.reason}") from error
        except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            raise _Unfinished(f"the connection broke: {error or type(error).__name__}") from error

    def _store(
        self, answer: http.client.HTTPResponse, begin: int, earlier: _Version | None
    ) -> None:
        headers = answer.headers
        if answer.status == 206:
            content = headers.get("Content-Range", "").strip()
            found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content)
            size = plain_integer(found[2]) if found else None
            expected = size if earlier is None or earlier.size is None else earlier.size
            if not found or int(found[1]) != begin or size != expected:
                raise self._start_over("the file has changed at its publisher")
        else:
            begin, size = 0, plain_integer(headers.get("Content-Length") or "")
            self.file.truncate(0)
            version = _Version(self.url, headers.get("ETag"), headers.get("Last-Modified"), size)
            write_json(self.note, version._asdict())
        name = _name_of(self.url)
        try:
            with progress_bar(
                desc=name, total=size, initial=begin, unit="B", unit_scale=True, leave=False
            ) as progress:
                while chunk := answer.read(_CHUNK):
                    self.file.write(chunk)
                    progress.update(len(chunk))
        finally:
            self.file.flush()
        reached = _size(self.file)
        if size is not None and reached < size:
            raise _Unfinished(f"the connection broke after {reached:,} of {size:,} bytes")
        if size is not None and reached > size:
            raise self._start_over(f"{reached:,} bytes arrived, more than the {size:,} announced")

    def _start_over(self, reason: str) -> _Unfinished:
        self.file.truncate(0)
        return _Unfinished(reason)

    def _version(self) -> _Version | None:
        """The version of the partial file; None if it is unknown, or of another address."""
        try:
            version = _Version(**json.loads(self.note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        # The rest can only be requested if it can be checked that the file is the same.
        known = version.validator is not None or version.size is not None
        return version if version.url == self.url and known else None
