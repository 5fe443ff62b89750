"""Small pictures of the items that a run's report shows."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from beekit.data import Catalog
from beekit.data.images import UnusableImageError, open_image
from beekit.files import write_json
from beekit.run_folder import RunFolder

# Twice what the report shows them at, for screens of two points a pixel.
_SIDE = 192


def write_thumbnails(
    folder: RunFolder, catalog: Catalog, neighbours: Sequence[Mapping[str, Any]]
) -> None:
    """Write the pictures of items and their neighbours beside the results, for the report.

    Their file is their own, since they are part of the data: results can be published without.
    """
    if catalog.images is None:
        return
    shown = {item["item_id"] for item in neighbours}
    shown |= {near["item_id"] for item in neighbours for near in item["before"] + item["after"]}
    ids = list(map(str, catalog.item_ids.tolist()))
    indices = np.flatnonzero([item_id in shown for item_id in ids])
    made = {}
    for index, data in catalog.images.stream(indices):
        try:
            if not isinstance(data, UnusableImageError):
                made[ids[index]] = _data_uri(open_image(data)[0])
        except UnusableImageError:
            continue  # known by its text alone
    write_json(folder.thumbnails, made)


def _data_uri(picture: Image.Image) -> str:
    small = picture.copy()
    small.thumbnail((_SIDE, _SIDE))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=75, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
