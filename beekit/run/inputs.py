"""What a configuration's encoder reads of its dataset: texts or pictures, unusable ones settled."""

from __future__ import annotations

import logging
import os
from collections import Counter
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

from beekit.data import Catalog, Dataset
from beekit.encoders import ItemInputs, ItemPairs, ItemPixels, ItemTokens
from beekit.encoders.text_image import reads_both
from beekit.errors import DataError
from beekit.run.comparison import Comparison
from beekit.run.config import Config
from beekit.run.dataset import load_dataset

logger = logging.getLogger(__name__)


def item_inputs(
    config: Config | Comparison, dataset: Dataset, encoder: SentenceTransformer
) -> tuple[Dataset, ItemInputs]:
    """What this encoder reads of the catalog's items, and the dataset of the items that have it.

    An encoder of text and picture reads both, where the catalog has both. Texts are checked when
    the dataset is loaded; whether a picture can be used shows only when it is opened, so that the
    dataset may have to be loaded again without some items.

    Raises:
        DataError: pictures that cannot be used, with missing_image=error, or all of them.
    """
    catalog, both = dataset.catalog, reads_both(encoder)
    if catalog.images is None or not encoder.supports("image"):
        texts = catalog.texts
        return dataset, ItemPairs(encoder, texts, None) if both else ItemTokens(encoder, texts)
    reads_pictures = encoder[0].image if both else encoder
    pixels = ItemPixels(reads_pictures, catalog.images, pixel_cache(config))
    for change, pictures in sorted(pixels.converted.items()):
        logger.warning("%s pictures are %s", f"{pictures:,}", change)
    left_out = _unusable(config, catalog, pixels)
    if len(left_out):
        dataset = load_dataset(config, leave_out=left_out)
        pixels = pixels.take(~np.isin(catalog.item_ids, left_out))
    if not both:
        return dataset, pixels
    has_text = dataset.catalog.text is not None
    return dataset, ItemPairs(
        encoder, dataset.catalog.texts if has_text else [""] * len(pixels), pixels
    )


def _unusable(config: Config | Comparison, catalog: Catalog, pixels: ItemPixels) -> np.ndarray:
    """Ids of the items to leave out, by the policy for pictures that cannot be used."""
    usable = pixels.unusable == ""
    if usable.all():
        return catalog.item_ids[:0]
    keep = config.missing_image == "keep" and catalog.text is not None
    counts = Counter(pixels.unusable[~usable].tolist())
    said = ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common())
    ids: np.ndarray = catalog.item_ids[~usable]
    found = (
        f"{len(ids):,} of {len(usable):,} items without a usable picture ({said}; "
        f"first: {', '.join(map(str, ids[:3]))})"
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
    return ids[:0] if keep else ids


def pixel_cache(config: Config | Comparison) -> Path:
    """Where preprocessed pictures are kept, below the first there is of these folders: `cache` of
    the configuration, BEEKIT_CACHE, the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "beekit"
    return Path(config.cache or os.environ.get("BEEKIT_CACHE") or default) / "pixels"
