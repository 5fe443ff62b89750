"""What a configuration's encoder reads of its dataset: texts or pictures, unusable ones settled."""

from __future__ import annotations

import logging
import os
from collections import Counter
from pathlib import Path

from sentence_transformers import SentenceTransformer

from beekit.data import Dataset
from beekit.encoders import ItemInputs, ItemPixels, ItemTokens
from beekit.errors import DataError
from beekit.run.comparison import Comparison
from beekit.run.config import Config
from beekit.run.dataset import load_dataset

logger = logging.getLogger(__name__)


def item_inputs(
    config: Config | Comparison, dataset: Dataset, encoder: SentenceTransformer
) -> tuple[Dataset, ItemInputs]:
    """The inputs of the catalog's items, and the dataset of the items that have one.

    Texts are checked when the dataset is loaded; whether a picture can be used shows only when it
    is opened, so that the dataset may have to be loaded again without some.

    Raises:
        DataError: pictures that cannot be used, with missing_image=error, or all of them.
    """
    images = dataset.catalog.images
    if images is None:
        return dataset, ItemTokens(encoder, dataset.catalog.texts)
    pixels = ItemPixels(encoder, images, pixel_cache(config))
    for change, pictures in sorted(pixels.converted.items()):
        logger.warning("%s pictures are %s", f"{pictures:,}", change)
    usable = pixels.unusable == ""
    if usable.all():
        return dataset, pixels
    counts = Counter(pixels.unusable[~usable].tolist())
    said = ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common())
    ids = dataset.catalog.item_ids[~usable]
    found = (
        f"{len(ids):,} of {len(usable):,} items without a usable picture ({said}; "
        f"first: {', '.join(map(str, ids[:3]))})"
    )
    if config.missing_image == "error" or not usable.any():
        raise DataError(
            found,
            expected="a picture for every item",
            remedy="Mend those, or set missing_image=drop to leave such items out.",
        )
    logger.warning("%s are left out", found)
    return load_dataset(config, leave_out=ids), pixels.take(usable)


def pixel_cache(config: Config | Comparison) -> Path:
    """Where preprocessed pictures are kept, below the first there is of these folders: `cache` of
    the configuration, BEEKIT_CACHE, the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "beekit"
    return Path(config.cache or os.environ.get("BEEKIT_CACHE") or default) / "pixels"
