"""What a configuration's encoder reads of its dataset: texts or pictures, unusable ones settled."""

from __future__ import annotations

import logging
import os
from collections import Counter
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

from beekit.data import Catalog, Dataset
from beekit.encoders import ItemInputs, ItemPairs, ItemPixels, ItemTokens, embed_items, embed_sides
from beekit.encoders.text_image import reads_both
from beekit.errors import DataError
from beekit.index import ItemIndex
from beekit.run.data_config import DataConfig
from beekit.run.dataset import load_dataset

logger = logging.getLogger(__name__)


def item_inputs(
    config: DataConfig, dataset: Dataset, encoder: SentenceTransformer
) -> tuple[Dataset, ItemInputs]:
    """What this encoder reads of the catalog's items, and the dataset of the items that have it.

    Texts are checked when the dataset is loaded; whether a picture can be used shows only when it
    is opened, so that the dataset may have to be loaded again without some items.

    Raises:
        DataError: if a picture cannot be used and `missing_image` is "error", if no picture can, or
            if an item has nothing that the encoder reads.
    """
    catalog, both = dataset.catalog, reads_both(encoder)
    if catalog.images is None or not encoder.supports("image"):
        texts = catalog.texts
        if both:
            return dataset, ItemPairs(encoder, texts, None)
        _require_every_item(np.array([bool(text) for text in texts]), "text")
        return dataset, ItemTokens(encoder, texts)
    reads_pictures = encoder[0].image if both else encoder
    pixels = ItemPixels(reads_pictures, catalog.images, pixel_cache(config))
    for change, pictures in sorted(pixels.converted.items()):
        logger.warning("%s pictures are %s", f"{pictures:,}", change)
    usable = pixels.unusable == ""
    if not usable.all() and _settle(config, catalog, pixels):
        dataset = load_dataset(config, leave_out=catalog.item_ids[~usable])
        pixels = pixels.take(usable)
    if not both:
        _require_every_item(pixels.distinct_of >= 0, "picture")
        return dataset, pixels
    has_text = dataset.catalog.text is not None
    return dataset, ItemPairs(
        encoder, dataset.catalog.texts if has_text else [""] * len(pixels), pixels
    )


def embed_and_index(
    encoder: SentenceTransformer, inputs: ItemInputs, item_ids: np.ndarray, factory: str = "Flat"
) -> tuple[ItemIndex, np.ndarray | None]:
    """An index over items, and what of their vectors comes from texts if pictures are read too."""
    text_part = None
    if isinstance(inputs, ItemPairs):
        vectors, text_part = embed_sides(encoder, inputs, item_ids=item_ids, progress=True)
    else:
        vectors = embed_items(encoder, inputs, item_ids=item_ids, progress=True)
    return ItemIndex(vectors, item_ids, factory=factory), text_part


def _settle(config: DataConfig, catalog: Catalog, pixels: ItemPixels) -> bool:
    """Whether to leave out the items whose pictures cannot be used, by the policy for them."""
    usable = pixels.unusable == ""
    keep = config.missing_image == "keep"
    counts = Counter(pixels.unusable[~usable].tolist())
    said = ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common())
    first = ", ".join(map(str, catalog.item_ids[~usable][:3]))
    found = (
        f"{np.count_nonzero(~usable):,} of {len(usable):,} items without a usable picture "
        f"({said}; first: {first})"
    )
    neither = keep and any(
        not text for text, shown in zip(catalog.texts, usable, strict=True) if not shown
    )
    if config.missing_image == "error" or not usable.any() or neither:
        raise DataError(
            found + (", some of them without a text either" if neither else ""),
            expected="a picture for every item",
            remedy="Mend those, or set missing_image=drop to leave such items out, or keep for "
            "items with a text.",
        )
    logger.warning("%s are %s", found, "known by their text alone" if keep else "left out")
    return not keep


def _require_every_item(has: np.ndarray, what: str) -> None:
    if not has.all():
        raise DataError(
            f"{np.count_nonzero(~has):,} items kept without a {what}, and an encoder that reads "
            "nothing else",
            expected=f"a {what} for every item",
            remedy="Leave such items out, or use an encoder of text and picture.",
        )


def pixel_cache(config: DataConfig) -> Path:
    """Where preprocessed pictures are kept, below the first there is of these folders: `cache` of
    the configuration, BEEKIT_CACHE, the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "beekit"
    named = config.cache or os.environ.get("BEEKIT_CACHE") or default
    return Path(named).expanduser() / "pixels"
