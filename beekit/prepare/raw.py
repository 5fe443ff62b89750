"""Raw files of publishers: where they came from, their checksums, and reading them."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from beekit.errors import DataError, DownloadError
from beekit.files import file_digest, write_json

_CHUNK = 1 << 20
# The errors that unpacking raises for a damaged or incomplete archive.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError)


@dataclass(frozen=True)
class RawFile:
    """A file of a publisher.

    Attributes:
        path: its path on disk.
        url: the address it was downloaded from; None for a file that the user provides.
        sha256: SHA-256 of the file on disk, in hexadecimal.
        size: size in bytes.
        checked: the checksums that were compared, such as "sha256 and md5"; None if none were.
    """

    path: Path
    url: str | None
    sha256: str
    size: int
    checked: str | None = None

    @classmethod
    def local(cls, path: Path) -> RawFile:
        """A file that the user provides.

        Raises:
            DataError: if it does not exist.
        """
        if not path.is_file():
            raise DataError(
                f"no file {path}",
                expected="the publisher's file",
                remedy="Download it, and give the folder that holds it.",
            )
        return cls(path, None, file_digest(path), path.stat().st_size)

    def describe(self) -> dict[str, Any]:
        """The entry in the manifest."""
        named = {"name": self.path.name, "url": self.url, "bytes": self.size}
        return {**named, "sha256": self.sha256, "checked": self.checked}

    @contextmanager
    def open(self, member: str | None = None) -> Iterator[IO[bytes]]:
        """The content as a stream of bytes; unpacked if the name ends in .gz.

        For a zip archive, `member` is the path of the file inside.

        Raises:
            DataError: if the file is damaged, which may be found only while reading, or if the
                archive does not hold `member`.
        """
        again = "Delete it and give the same command again."
        if self.url is None:
            again = "Get it from its publisher."
        with ExitStack() as stack:
            try:
                with unpacking(self.path, again):
                    if member is not None:
                        archive = stack.enter_context(zipfile.ZipFile(self.path))
                        inner: Any = stack.enter_context(archive.open(member))
                    elif self.path.suffix == ".gz":
                        inner = stack.enter_context(gzip.open(self.path, "rb"))
                    else:
                        inner = stack.enter_context(self.path.open("rb"))
            except KeyError as error:
                raise DataError(
                    f"{self.path} does not hold the file {member}",
                    expected="the publisher's archive",
                    remedy=again,
                ) from error
            unpacked = _Unpacked(inner, self.path, again)
            yield stack.enter_context(io.BufferedReader(unpacked, _CHUNK))


@contextmanager
def unpacking(path: Path, remedy: str) -> Iterator[None]:
    """Within it, errors of unpacking a file become a DataError that names the file."""
    try:
        yield
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # an error of the disk; errors of gzip and bzip2 have no number
        raise DataError(
            f"{path} is cut off or damaged ({error})",
            expected="a complete archive",
            remedy=remedy,
        ) from error
    except RuntimeError as error:  # NotImplementedError is one
        raise DataError(
            f"{path} cannot be unpacked ({error})",
            expected="an archive without a password, in the usual compression",
            remedy="Unpack it with another program and pack it again.",
        ) from error


class _Unpacked(io.RawIOBase):
    """A stream whose errors name the damaged file; errors of its readers are not changed."""

    def __init__(self, inner: IO[bytes], path: Path, remedy: str) -> None:
        self._inner, self._path, self._remedy = inner, path, remedy

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with unpacking(self._path, self._remedy):
            content = self._inner.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


def accept(path: Path, target: Path, url: str, md5: str | None, sha256: str | None) -> RawFile:
    """Move a complete download to its place, if it has the expected checksums.

    A file `<name>.json` beside it keeps address and SHA-256, so that the file does not have to be
    read again later. A file with another checksum is kept as `<name>.wrong-checksum`.

    Raises:
        DownloadError: if a checksum differs.
    """
    found = file_digest(path)
    checked = _compare(path, target, found, md5, sha256)
    path.replace(target)
    size, changed = target.stat().st_size, target.stat().st_mtime_ns
    known = {"url": url, "sha256": found, "bytes": size, "mtime_ns": changed, "checked": checked}
    write_json(_note(target), known)
    return RawFile(target, url, found, size, checked)


def recall(target: Path, url: str, sha256: str | None) -> RawFile | None:
    """The file if it exists already: downloaded from `url` earlier, or put there by the user.

    A file of the user is accepted as it is, unless `sha256` is given. None if there is no file, or
    if it was downloaded from another address.

    Raises:
        DownloadError: if the file does not have the given `sha256`.
    """
    if not target.is_file():
        return None
    note: Any = None
    with suppress(OSError, ValueError):
        note = json.loads(_note(target).read_text(encoding="utf-8"))
    if not isinstance(note, dict) or "sha256" not in note:
        note = {}
    if note.get("url", url) != url:
        return None  # a file of the same name at another address is another file
    status = target.stat()
    same = (note.get("bytes"), note.get("mtime_ns")) == (status.st_size, status.st_mtime_ns)
    found = str(note["sha256"]) if same else file_digest(target)
    checked = _compare(target, target, found, None, sha256)
    checked = checked or (note.get("checked") if same else None)
    return RawFile(target, url, found, status.st_size, checked)


def _note(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")


def _compare(
    path: Path, target: Path, found: str, md5: str | None, sha256: str | None
) -> str | None:
    """The names of the checksums that were compared; `found` is the file's SHA-256."""
    given = {"sha256": sha256, "md5": md5}
    wanted = {kind: digest.lower() for kind, digest in given.items() if digest is not None}
    for kind, expected in wanted.items():
        digest = found if kind == "sha256" else file_digest(path, kind)
        if digest != expected:
            aside = target.with_name(f"{target.name}.wrong-checksum")
            path.replace(aside)
            _note(target).unlink(missing_ok=True)
            raise DownloadError(
                f"{target.name} has the {kind} {digest}; it was moved to {aside}",
                expected=expected,
                remedy="Give the same command again to download it again; if it has the same "
                "checksum then, the publisher has changed it.",
            )
    return " and ".join(wanted) or None
