"""Pictures of a catalog as an encoder reads them: decoded once, then read from disk."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from tqdm.auto import tqdm

from beekit.data.image_column import ImageColumn
from beekit.data.images import UnusableImageError, open_image
from beekit.encoders.pixel_scale import PixelScale, preprocessed
from beekit.files import replacing_folder

logger = logging.getLogger(__name__)

# Of what a cache holds and of how pictures are opened: another one, and they are decoded anew.
_SCHEMA = 1


class ItemPixels:
    """The preprocessed pictures of every item, memory-mapped from a cache folder.

    The first time, worker processes decode and preprocess all pictures, each file's contents once,
    and write them to a folder named by contents and preprocessing; later, in this run or another,
    they come from there. Preprocessing is the encoder's own. Pixels are kept in 8 bits where its
    output is such numbers scaled, as of any pipeline that ends in rescaling and normalising, and
    in float32 otherwise; memory holds those of a step.

    Args:
        encoder: its input module preprocesses pictures.
        images: where they are, in item order.
        cache: folder of caches.
        workers: processes that decode; one a core without it.

    Attributes:
        unusable: (items,) reason an item's picture cannot be used, "" where it can.
        converted: what had to be done to how many pictures.

    Raises:
        EncoderError: the encoder takes no pictures, or makes other things than pixels of them.
    """

    def __init__(
        self,
        encoder: SentenceTransformer,
        images: ImageColumn,
        cache: str | Path,
        *,
        workers: int | None = None,
    ) -> None:
        scale = PixelScale.of(encoder)
        digests = images.digests
        distinct = sorted({digest for digest in digests if not digest.startswith("-")})
        first = {digest: index for index, digest in reversed(list(enumerate(digests)))}
        named = "\n".join([str(_SCHEMA), scale.signature, *distinct])
        key = hashlib.sha256(named.encode()).hexdigest()[:32]
        folder = Path(cache) / key
        if not (folder / "pixels.json").is_file():
            sources = [first[digest] for digest in distinct]
            _write(folder, encoder, images, sources, scale, workers)
        described = json.loads((folder / "pixels.json").read_text(encoding="utf-8"))
        reasons = dict(zip(distinct, described["unusable"], strict=True))
        position = {digest: place for place, digest in enumerate(distinct)}
        self.unusable = np.array([reasons.get(digest, digest[1:]) for digest in digests], dtype=str)
        self.converted = Counter[str]()
        for digest in digests:
            self.converted.update(
                described["converted"][position[digest]] if digest in position else ()
            )
        self.distinct_of = np.array(
            [-1 if self.unusable[i] else position[d] for i, d in enumerate(digests)], dtype=np.int64
        )
        self.scale = scale
        self.distinct_sizes = np.full(len(distinct), scale.tokens)
        self._files = [folder / "pixels.npy"]
        self._starts = np.array([0])

    def __len__(self) -> int:
        return len(self.distinct_of)

    def take(self, items: np.ndarray) -> ItemPixels:
        """Those of some items: a mask (bool, items) or item indices."""
        taken = copy(self)
        taken.distinct_of, taken.unusable = self.distinct_of[items], self.unusable[items]
        return taken

    def joined(self, other: ItemPixels) -> ItemPixels:
        """These items, and after them those of another catalog read by the same encoder."""
        both = copy(self)
        held = len(self.distinct_sizes)
        shifted = np.where(other.distinct_of < 0, -1, other.distinct_of + held)
        both.distinct_of = np.concatenate([self.distinct_of, shifted])
        both.unusable = np.concatenate([self.unusable, other.unusable])
        both.converted = self.converted + other.converted
        both.distinct_sizes = np.concatenate([self.distinct_sizes, other.distinct_sizes])
        both._files = self._files + other._files
        both._starts = np.concatenate([self._starts, other._starts + held])
        return both

    def distinct_features(self, positions: np.ndarray) -> dict[str, Any]:
        """`pixel_values` (positions, channels, height, width) float32, and the constants."""
        shape = (len(positions), *self.scale.shape)
        kept: np.ndarray = np.empty(shape, dtype=self.scale.dtype)
        file_of = np.searchsorted(self._starts, positions, side="right") - 1
        for number in np.unique(file_of):
            here = file_of == number
            # Opened anew each time: a map is cheap, and what it has read is not counted as held.
            pixels = np.load(self._files[number], mmap_mode="r")
            kept[here] = pixels[positions[here] - self._starts[number]]
        values = self.scale.decode(torch.from_numpy(kept))
        return {"pixel_values": values, "modality": "image"}

    def mini_batches(self, tokens: int) -> dict[str, Any]:
        """Pictures are all of one size, so mini-batches are cut by their number."""
        return {"mini_batch_size": max(1, tokens // self.scale.tokens)}


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

    def __iter__(self) -> Iterator[tuple[int, str, list[str], np.ndarray | None]]:
        """Item index, reason against its picture, what was done to it, its pixels."""
        worker = get_worker_info()
        share = self.sources if worker is None else self.sources[worker.id :: worker.num_workers]
        for index, data in self.images.stream(share):
            try:
                if isinstance(data, UnusableImageError):
                    raise data
                picture, done = open_image(data)
            except UnusableImageError as error:
                yield index, error.kind, [], None
                continue
            yield index, "", done, self.scale.encode(preprocessed(self.encoder, [picture]))[0]


def _write(
    folder: Path,
    encoder: SentenceTransformer,
    images: ImageColumn,
    sources: Sequence[int],
    scale: PixelScale,
    workers: int | None,
) -> None:
    """Decode and preprocess pictures into a cache folder, whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    processes = min(os.cpu_count() or 1, len(sources)) if workers is None else workers
    # In the order of the catalog, in which embedded pictures are read.
    ascending = np.sort(np.asarray(sources, dtype=np.int64))
    places = {item: place for place, item in enumerate(sources)}
    loader = DataLoader(
        _Decoding(encoder, images, ascending, scale),
        batch_size=None,
        num_workers=processes,
        prefetch_factor=8 if processes else None,
    )
    unusable: list[str] = [""] * len(sources)
    converted: list[list[str]] = [[] for _ in sources]
    with replacing_folder(folder) as staging:
        pixels = np.lib.format.open_memmap(
            staging / "pixels.npy",
            mode="w+",
            dtype=scale.dtype,
            shape=(len(sources), *scale.shape),
        )
        bar = tqdm(loader, total=len(sources), desc="read pictures", unit="item", disable=None)
        for item, reason, done, values in bar:
            place = places[item]
            unusable[place], converted[place] = reason, done
            if values is not None:
                pixels[place] = values
        pixels.flush()
        described = {"schema": _SCHEMA, "unusable": unusable, "converted": converted}
        (staging / "pixels.json").write_text(json.dumps(described), encoding="utf-8")
