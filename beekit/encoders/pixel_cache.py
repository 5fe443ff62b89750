"""Folders of preprocessed pictures, made once by worker processes and shared by runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from beekit.data.image_column import ImageColumn
from beekit.data.images import MAX_PIXELS, MAX_RATIO, UnusableImageError, open_image
from beekit.encoders.pixel_scale import PixelScale, preprocessed
from beekit.files import sharing_folder
from beekit.progress import progress_bar

# Of what a cache holds and of how pictures are opened: another one, and they are decoded anew.
_SCHEMA = 2


@dataclass(frozen=True)
class PixelCache:
    """A folder with the pixels of distinct pictures, in the order of their digests."""

    folder: Path

    @property
    def pixels(self) -> Path:
        """(pictures, channels, height, width) as a numpy file."""
        return self.folder / "pixels.npy"

    @cached_property
    def described(self) -> dict[str, Any]:
        """By picture: `digests`, reasons that it is `unusable` ("" where none), what of it was
        `converted`."""
        described: dict[str, Any] = json.loads(self.description.read_text(encoding="utf-8"))
        return described

    @cached_property
    def kept(self) -> np.ndarray:
        """The pixels, read from disk as they are used."""
        kept: np.ndarray = np.load(self.pixels, mmap_mode="r")
        return kept

    def is_complete(self) -> bool:
        return self.description.is_file()

    @property
    def description(self) -> Path:
        return self.folder / "pixels.json"


def cached_pixels(
    cache: Path,
    encoder: SentenceTransformer,
    images: ImageColumn,
    sources: Mapping[str, int],
    scale: PixelScale,
    workers: int | None = None,
) -> PixelCache:
    """The cache of these pictures, made if it is not there.

    What another cache of the same preprocessing holds is copied, the rest decoded. A cache appears
    whole or not at all, also where several processes make it at once.

    Args:
        cache: folder of caches.
        encoder, images: what preprocesses the pictures, and where they are.
        sources: an item with each distinct picture, by digest, in the order to keep them.
        scale: how pixels are kept.
        workers: processes that decode; one a core without it.
    """
    made_by = _short_hash([str(_SCHEMA), str(MAX_PIXELS), str(MAX_RATIO), scale.signature])
    kept = PixelCache(cache / f"{made_by}-{_short_hash(list(sources))}")
    if not kept.is_complete():
        known = _known(cache, made_by)
        with sharing_folder(kept.folder) as staging:
            _write(PixelCache(staging), encoder, images, sources, known, scale, workers)
    return kept


# Item index, reason against its picture, what was done to it, its pixels.
_Picture = tuple[int, str, list[str], np.ndarray | None]


class _Decoding(IterableDataset):
    """Reads and preprocesses pictures, each worker process its share of them."""

    def __init__(
        self,
        encoder: SentenceTransformer,
        images: ImageColumn,
        sources: np.ndarray,
        scale: PixelScale,
    ) -> None:
        self.encoder, self.images, self.sources, self.scale = encoder, images, sources, scale

    def __iter__(self) -> Iterator[_Picture]:
        worker = get_worker_info()
        share = (
            self.sources
            if worker is None
            else np.array_split(self.sources, worker.num_workers)[worker.id]
        )
        for index, data in self.images.stream(share):
            try:
                if isinstance(data, UnusableImageError):
                    raise data
                picture, done = open_image(data)
            except UnusableImageError as error:
                yield index, error.kind, [], None
                continue
            yield index, "", done, self.scale.encode(preprocessed(self.encoder, [picture]))[0]


# A cache of the same preprocessing that holds a picture, and the place there.
_Known = tuple[PixelCache, int]


def _known(cache: Path, made_by: str) -> dict[str, _Known]:
    """Pictures that are in caches already, by the digest of their files."""
    return {
        digest: (other, place)
        for other in map(PixelCache, cache.glob(f"{made_by}-*"))
        if other.is_complete()
        for place, digest in enumerate(other.described["digests"])
    }


def _write(
    made: PixelCache,
    encoder: SentenceTransformer,
    images: ImageColumn,
    sources: Mapping[str, int],
    known: Mapping[str, _Known],
    scale: PixelScale,
    workers: int | None,
) -> None:
    """Copy what is known, decode and preprocess the rest."""
    unusable: list[str] = [""] * len(sources)
    converted: list[list[str]] = [[] for _ in sources]
    new = {item: place for place, item in enumerate(sources.values())}
    shape = (len(sources), *scale.shape)
    pixels = np.lib.format.open_memmap(made.pixels, mode="w+", dtype=scale.dtype, shape=shape)
    for place, (digest, item) in enumerate(sources.items()):
        if digest in known:
            other, there = known[digest]
            unusable[place] = other.described["unusable"][there]
            converted[place] = other.described["converted"][there]
            pixels[place] = other.kept[there]
            del new[item]
    for item, reason, done, values in _decoded(encoder, images, list(new), scale, workers):
        place = new[item]
        unusable[place], converted[place] = reason, done
        if values is not None:
            pixels[place] = values
    pixels.flush()
    described = {"digests": list(sources), "unusable": unusable, "converted": converted}
    made.description.write_text(json.dumps(described), encoding="utf-8")


def _decoded(
    encoder: SentenceTransformer,
    images: ImageColumn,
    items: Sequence[int],
    scale: PixelScale,
    workers: int | None,
) -> Iterator[_Picture]:
    """What `_Decoding` makes of these items, in any order."""
    if not items:
        return
    # So that each process reads one stretch of a file with embedded pictures.
    ordered = images.in_file_order(np.asarray(items, dtype=np.int64))
    processes = min(len(os.sched_getaffinity(0)), len(items)) if workers is None else workers
    loader = DataLoader(
        _Decoding(encoder, images, ordered, scale),
        batch_size=None,
        collate_fn=_as_it_is,  # turning each picture into a tensor takes longer than sending it
        num_workers=processes,
        prefetch_factor=8 if processes else None,
    )
    yield from progress_bar(loader, total=len(items), desc="read pictures", unit="item")


def _as_it_is(picture: Any) -> Any:
    return picture


def _short_hash(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
