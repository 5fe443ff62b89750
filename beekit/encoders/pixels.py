"""Pictures of a catalog as an encoder reads them: decoded once, then read from disk."""

from __future__ import annotations

from collections import Counter
from copy import copy
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from beekit.data.image_column import ImageColumn
from beekit.encoders.inputs import ItemInputs
from beekit.encoders.pixel_cache import cached_pixels
from beekit.encoders.pixel_scale import PixelScale


class ItemPixels(ItemInputs):
    """The preprocessed pictures of every item, memory-mapped from a cache folder.

    The first time, worker processes decode and preprocess all pictures, each file's contents once,
    and write them to a folder named by contents and preprocessing. Later, in this run or another,
    they come from there, and of a catalog that has grown only the new ones are decoded.
    Preprocessing is the encoder's own. Pixels are kept in 8 bits where its output is such numbers
    scaled, as of any pipeline that ends in rescaling and normalising, and in float32 otherwise;
    memory holds those of a step.

    Args:
        encoder: its input module preprocesses pictures.
        images: where they are, in item order.
        cache: folder of caches.
        workers: processes that decode; one a core without it.

    Attributes:
        unusable: (items,) reason an item's picture cannot be used, "" where it can.
        converted: what had to be done to how many pictures.

    Raises:
        EncoderError: if the encoder takes no pictures, or does not turn them into finite pixels of
            one size.
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
        sources = {digest: first[digest] for digest in distinct}
        kept = cached_pixels(Path(cache), encoder, images, sources, scale, workers)
        reasons = dict(zip(distinct, kept.described["unusable"], strict=True))
        done = dict(zip(distinct, kept.described["converted"], strict=True))
        position = {digest: place for place, digest in enumerate(distinct)}
        self.unusable = np.array([reasons.get(digest, digest[1:]) for digest in digests], dtype=str)
        self.converted = Counter(each for digest in digests for each in done.get(digest, ()))
        self.distinct_of = np.array(
            [-1 if self.unusable[i] else position[d] for i, d in enumerate(digests)], dtype=np.int64
        )
        self.scale = scale
        self.distinct_sizes = np.full(len(distinct), scale.tokens)
        self._files, self._starts = [kept.pixels], np.array([0])

    def take(self, items: np.ndarray) -> Self:
        taken = super().take(items)
        taken.unusable = self.unusable[items]
        return taken

    def joined(self, other: Self) -> Self:
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
        if len(positions) and positions.min() < 0:
            raise IndexError("items without a usable picture have no pixels; take the others")
        kept: np.ndarray = np.empty((len(positions), *self.scale.shape), self.scale.dtype)
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
