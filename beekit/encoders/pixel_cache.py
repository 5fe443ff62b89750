"""Folders of preprocessed pictures, made once by worker processes and shared by runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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

    @property
    def description(self) -> Path:
        """A JSON file, in the folder once this is complete."""
        return self.folder / "pixels.json"

    @cached_property
    def described(self) -> dict[str, Any]:
        """By picture: `digests`, reasons that it is `unusable` ("" where none), what of it was
        `converted`."""
        return dict(json.loads(self.description.read_text(encoding="utf-8")))

    @cached_property
    def kept(self) -> np.ndarray:
        """The pixels, read from disk as they are used."""
        return np.asarray(np.load(self.pixels, mmap_mode="r"))


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
    if not kept.description.is_file():
        known = {
            digest: (other, place)
            for other in map(PixelCache, cache.glob(f"{made_by}-*"))
            if other.description.is_file()
            for place, digest in enumerate(other.described["digests"])
        }
        with sharing_folder(kept.folder) as staging:
            decoding = _Decoding(encoder, images, scale)
            _write(PixelCache(staging), sources, known, decoding, workers)
    return kept


# Item index, reason against its picture, what was done to it, its pixels.
_Picture = tuple[int, str, list[str], np.ndarray | None]


@dataclass(eq=False)
class _Decoding(IterableDataset):
    """Reads and preprocesses pictures of items, each worker process its share of them."""

    encoder: SentenceTransformer
    images: ImageColumn
    scale: PixelScale
    items: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __iter__(self) -> Iterator[_Picture]:
        worker = get_worker_info()
        shares, own = (1, 0) if worker is None else (worker.num_workers, worker.id)
        for index, data in self.images.stream(np.array_split(self.items, shares)[own]):
            try:
                if isinstance(data, UnusableImageError):
                    raise data
                picture, done = open_image(data)
            except UnusableImageError as error:
                yield index, error.kind, [], None
                continue
            yield index, "", done, self.scale.encode(preprocessed(self.encoder, [picture]))[0]


def _write(
    made: PixelCache,
    sources: Mapping[str, int],
    known: Mapping[str, tuple[PixelCache, int]],
    decoding: _Decoding,
    workers: int | None,
) -> None:
    """Copy the pictures that other caches hold, by digest; decode and preprocess the rest."""
    unusable: list[str] = [""] * len(sources)
    converted: list[list[str]] = [[] for _ in sources]
    new = {item: place for place, item in enumerate(sources.values())}
    scale = decoding.scale
    shape = (len(sources), *scale.shape)
    pixels = np.lib.format.open_memmap(made.pixels, mode="w+", dtype=scale.dtype, shape=shape)
    for place, (digest, item) in enumerate(sources.items()):
        if digest in known:
            other, there = known[digest]
            unusable[place] = other.described["unusable"][there]
            converted[place] = other.described["converted"][there]
            pixels[place] = other.kept[there]
            del new[item]
    # In this order each process reads one stretch of a file with embedded pictures.
    decoding.items = decoding.images.in_file_order(np.array(list(new), dtype=np.int64))
    processes = min(len(os.sched_getaffinity(0)), len(new)) if workers is None else workers
    loader = DataLoader(
        decoding,
        batch_size=None,
        collate_fn=tuple,  # as it is: turning each picture into a tensor takes longer
        num_workers=processes,
        prefetch_factor=8 if processes else None,
    )
    shown = progress_bar(loader, "read pictures", total=len(new), unit="item") if new else ()
    for item, reason, done, values in shown:
        place = new[item]
        unusable[place], converted[place] = reason, done
        if values is not None:
            pixels[place] = values
    pixels.flush()
    described = {"digests": list(sources), "unusable": unusable, "converted": converted}
    made.description.write_text(json.dumps(described), encoding="utf-8")


def _short_hash(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
