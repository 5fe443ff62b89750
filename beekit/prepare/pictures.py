"""Pictures of items, from a folder or archive on disk, or downloaded from links."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

import pyarrow as pa

from beekit.errors import DataError, DownloadError
from beekit.prepare.download import BusyError, fetch
from beekit.prepare.raw import unpacking
from beekit.progress import progress_bar

_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp")
# After this many failures in a row, no further picture is tried.
_HOPELESS = 50
_AGAIN = "Download it again."


@dataclass
class HeldPictures:
    """Pictures in `images/` of a folder or a zip archive.

    For a folder, a symbolic link to its `images/` is made, so that nothing is copied. From an
    archive, only the pictures of the items are unpacked. An item without a picture there gets none.

    Attributes:
        origin: the folder or archive.
        path_of: a function from an item id to the path of its picture below `images/`.
        counts: numbers of pictures found and missing.
    """

    origin: Path
    path_of: Callable[[str], str]
    counts: dict[str, int] = field(default_factory=lambda: {"found": 0, "missing": 0})

    @contextmanager
    def placing(self, folder: Path) -> Iterator[Callable[[pa.Table], pa.Table]]:
        if self.origin.is_dir():
            images = self.origin / "images"
            if not images.is_dir():
                raise _no_pictures(self.origin)
            (folder / "images").symlink_to(images.resolve(), target_is_directory=True)
            yield lambda items: self._add(items, lambda path: _holds(images, path))
            return
        with unpacking(self.origin, _AGAIN):
            archive = zipfile.ZipFile(self.origin)
        with archive:  # opened once, because reading its list of names takes most of a second
            if not any(name.startswith("images/") for name in archive.namelist()):
                raise _no_pictures(self.origin)
            images = (folder / "images").resolve()
            images.mkdir()
            yield lambda items: self._add(items, lambda path: self._unpack(archive, path, images))

    def describe(self) -> dict[str, Any]:
        return dict(self.counts)

    def _add(self, items: pa.Table, has: Callable[[str], bool]) -> pa.Table:
        paths = [self.path_of(str(item)) for item in items["item_id"].to_pylist()]
        found = [path if has(path) else None for path in paths]
        self.counts["found"] += len(found) - found.count(None)
        self.counts["missing"] += found.count(None)
        return items.append_column("image", pa.array(found, pa.string()))

    def _unpack(self, archive: zipfile.ZipFile, path: str, images: Path) -> bool:
        try:
            member = archive.getinfo(f"images/{path}")
        except KeyError:
            return False
        target = (images / path).resolve()
        if not target.is_relative_to(images):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        with unpacking(self.origin, _AGAIN):
            target.write_bytes(archive.read(member))
        return True


def _holds(images: Path, path: str) -> bool:
    """Whether the folder has this picture; a path that leads out of the folder does not count."""
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts and (images / path).is_file()


def _no_pictures(origin: Path) -> DataError:
    return DataError(
        f"{origin} has no folder images/",
        expected="the pictures beside the tables",
        remedy="Download the pictures too, or leave them out with --no-images.",
    )


@dataclass
class LinkedPictures:
    """Pictures downloaded into a cache from the links in the column `image_url`.

    An item whose picture cannot be downloaded gets none. After 50 failures in a row, and if another
    process is downloading into the cache, a `DownloadError` is raised.

    Attributes:
        cache: folder of the pictures; pictures in it are not downloaded again.
        workers: number of pictures downloaded at once.
        counts: numbers of pictures found, of failed ones, and of items without a link.
        first_failures: the first three errors.
    """

    cache: Path
    workers: int = 8
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("found", "failed", "without_link"), 0)
    )
    first_failures: list[str] = field(default_factory=list)
    _failed_in_a_row: int = 0

    @contextmanager
    def placing(self, folder: Path) -> Iterator[Callable[[pa.Table], pa.Table]]:
        (folder / "images").mkdir()
        yield lambda items: self._add(items, folder / "images")

    def describe(self) -> dict[str, Any]:
        return {**self.counts, "first_failures": self.first_failures}

    def _add(self, items: pa.Table, images: Path) -> pa.Table:
        pairs = zip(items["item_id"].to_pylist(), items["image_url"].to_pylist(), strict=True)
        with ThreadPoolExecutor(self.workers) as pool:
            fetched = pool.map(lambda pair: self._fetch(*pair), pairs)
            progress = progress_bar(fetched, total=len(items), unit="pictures")
            found = [self._placed(picture, images, pool) for picture in progress]
        return items.append_column("image", pa.array(found, pa.string()))

    def _fetch(self, item: object, url: str | None) -> Path | DownloadError | None:
        if not url:
            return None
        suffix = Path(urlsplit(url).path).suffix.lower()
        suffix = suffix if suffix in _SUFFIXES else ".jpg"
        try:
            return fetch(url, self.cache, name=f"{quote(str(item), safe='')}{suffix}").path
        except BusyError:  # the picture may be available later
            raise
        except DownloadError as error:
            return error

    def _placed(
        self, picture: Path | DownloadError | None, images: Path, pool: ThreadPoolExecutor
    ) -> str | None:
        if picture is None:
            self.counts["without_link"] += 1
            return None
        if isinstance(picture, DownloadError):
            self.counts["failed"] += 1
            self._failed_in_a_row += 1
            if len(self.first_failures) < 3:
                self.first_failures.append(picture.found)
            if self._failed_in_a_row >= _HOPELESS:
                pool.shutdown(wait=False, cancel_futures=True)
                raise picture
            return None
        self.counts["found"] += 1
        self._failed_in_a_row = 0
        try:
            os.link(picture, images / picture.name)
        except OSError:  # another file system, or one without links
            shutil.copyfile(picture, images / picture.name)
        return picture.name
