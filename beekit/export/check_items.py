"""The items and histories that an export is checked with: those of the run, or invented ones."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from PIL import Image
from sentence_transformers import SentenceTransformer

from beekit.data import Dataset
from beekit.data.image_column import ImageColumn
from beekit.data.images import UnusableImageError, open_image
from beekit.encoders.load import token_limit
from beekit.encoders.text_image import reads_both
from beekit.errors import DataError
from beekit.run.config import Config
from beekit.run.dataset import load_dataset

logger = logging.getLogger(__name__)

# A few hundred texts take seconds; a picture takes as long as several texts.
_TEXTS, _PICTURES = 256, 48
_USERS = 200
# The number of items in an invented history.
_HISTORY = 5


def run_dataset(config: Config) -> Dataset | None:
    """The dataset of a run, or the first of several; None if it can no longer be read."""
    try:
        return load_dataset(config.datasets()[0])
    except (DataError, OSError) as error:
        logger.warning("the dataset cannot be read, so invented items are checked: %s", error)
        return None


def made_up_histories(users: int, items: int, generator: np.random.Generator) -> list[np.ndarray]:
    """For each user, distinct item indices."""
    length = min(_HISTORY, items)
    return [generator.choice(items, length, replace=False) for _ in range(users)]


class Sample(NamedTuple):
    """Items of one kind: texts, pictures (PIL), or mappings of `text` and `image`."""

    source: str  # the origin of the items, in words; not the source of a test user
    inputs: list[Any]  # (items,) inputs of `SentenceTransformer.encode`
    histories: sp.csr_array  # (users, items) of ones


def samples(
    config: Config, encoder: SentenceTransformer, sides: Collection[str]
) -> dict[str, Sample]:
    """The samples to check, from the first dataset of a run if it can be read.

    The keys are "text" and "image", if `sides` has a graph of that name; or "item" for an encoder
    that makes one embedding of text and picture.
    """
    dataset = run_dataset(config)
    if reads_both(encoder):
        return {"item": _sample(dataset, ("text", "image"), encoder[0].text)}
    return {kind: _sample(dataset, (kind,), encoder) for kind in ("text", "image") if kind in sides}


def _sample(dataset: Dataset | None, kinds: Sequence[str], encoder: SentenceTransformer) -> Sample:
    generator = np.random.default_rng(0)
    count = _PICTURES if "image" in kinds else _TEXTS
    chosen = [] if dataset is None else _of_dataset(dataset, kinds, count)
    if dataset is None or len(chosen) < _HISTORY:
        inputs = _made_up(kinds, count, encoder, generator)
        return Sample("made up", inputs, _random_histories(len(inputs), generator))
    items, inputs = (list(column) for column in zip(*chosen, strict=True))
    used = sp.csr_array(dataset.interactions.matrix[:, items])
    users = np.flatnonzero(np.diff(used.indptr))[:_USERS]
    histories = sp.csr_array(used[users])
    histories.data = np.ones(histories.nnz, dtype=np.float32)
    if not len(users):
        histories = _random_histories(len(inputs), generator)
    return Sample(f"items of {dataset.name}", inputs, histories)


def _of_dataset(dataset: Dataset, kinds: Sequence[str], count: int) -> list[tuple[int, Any]]:
    """Item indices with inputs, from the shortest to the longest text; empty if the catalog has no
    such column."""
    catalog, images = dataset.catalog, dataset.catalog.images
    if ("text" in kinds and catalog.text is None) or ("image" in kinds and images is None):
        return []
    texts = catalog.texts if "text" in kinds else [""] * len(catalog)
    order = sorted(range(len(texts)), key=lambda item: len(texts[item]))
    if "image" not in kinds:
        order = [item for item in order if texts[item]]
    spread = np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int))
    items = [order[place] for place in spread]
    if images is None or "image" not in kinds:
        return [(item, texts[item]) for item in items]
    pictures = {item: _picture(images, item) for item in items}
    items = [item for item in items if texts[item] or pictures[item] is not None]
    if "text" in kinds:
        return [(item, {"text": texts[item], "image": pictures[item]}) for item in items]
    return [(item, pictures[item]) for item in items]


def _picture(images: ImageColumn, item: int) -> Image.Image | None:
    try:
        return open_image(images.read(item))[0]
    except UnusableImageError:
        return None


def _made_up(
    kinds: Sequence[str], count: int, encoder: SentenceTransformer, generator: np.random.Generator
) -> list[Any]:
    """Texts of words that the tokenizer knows, and pictures of noise, of various sizes. Some items
    with text and picture lack one of them."""
    texts = _made_up_texts(count, encoder, generator) if "text" in kinds else []
    if "image" not in kinds:
        return texts
    draw = generator.integers
    sizes = draw(24, 300, (count, 2))
    pictures = [Image.fromarray(draw(0, 256, (*size, 3), dtype=np.uint8)) for size in sizes]
    if not texts:
        return pictures
    return [
        {"text": "" if place % 5 == 1 else text, "image": None if place % 5 == 3 else picture}
        for place, (text, picture) in enumerate(zip(texts, pictures, strict=True))
    ]


def _made_up_texts(
    count: int, encoder: SentenceTransformer, generator: np.random.Generator
) -> list[str]:
    tokenizer = getattr(encoder.tokenizer, "tokenizer", encoder.tokenizer)
    known = tokenizer.encoder if hasattr(tokenizer, "encoder") else tokenizer.get_vocab()
    words = sorted(word for word in known if word.isascii() and word.isalpha()) or ["a", "b"]
    longest = token_limit(encoder) or 64
    lengths = np.linspace(1, longest + 8, count).round().astype(int)
    return [" ".join(generator.choice(words, length)) for length in lengths]


def _random_histories(items: int, generator: np.random.Generator) -> sp.csr_array:
    columns = np.array(made_up_histories(_USERS, items, generator))
    rows = np.repeat(np.arange(_USERS), columns.shape[1])
    ones = np.ones(len(rows), dtype=np.float32)
    return sp.csr_array((ones, (rows, columns.ravel())), shape=(_USERS, items))
