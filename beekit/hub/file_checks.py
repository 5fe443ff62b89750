"""Whether files of a run are whole and its own, before they are sent.

What opens them takes seconds to import, so it is imported once it is needed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from beekit import index_files
from beekit.model_files import require_noted
from beekit.results import model_files
from beekit.run_files import broken, parse_json, read_json, read_parquet, read_vectors
from beekit.run_folder import RESULTS, SPLIT_FILE

logger = logging.getLogger(__name__)

# Columns of the split's tables that are sent: what they must have, and what they may.
_COLUMNS = {
    "training_items.parquet": (("item_id",), ("content",)),
    "candidates.parquet": (("part", "item_id"), ()),
}


def require_whole_model(
    folder: Path, files: Mapping[str, Path], results: Mapping[str, Any], *, trust: bool
) -> None:
    """Refuse a model with a broken file, or with one that is not as the results noted it.

    A model of which no digests were noted must load, running code that its files name if `trust`.
    """
    from safetensors import SafetensorError, safe_open

    for path in files.values():
        if path.suffix == ".json":
            parse_json(path)
        elif path.suffix == ".safetensors":
            try:
                with safe_open(path, framework="pt"):
                    pass
            except (SafetensorError, OSError) as problem:
                raise broken(path, str(problem)[:120], "weights as beekit writes them") from problem
    noted = model_files(results)
    require_noted(folder, noted)
    if noted is None:
        logger.warning(
            "%s was trained by a version that noted no digests of it: whether its weights are "
            "those that were measured cannot be told",
            folder,
        )
        from beekit.encoders import load_encoder

        load_encoder(folder, device="cpu", trust_remote_code=trust)


def require_whole_split(files: Mapping[str, Path], results: Mapping[str, Any]) -> None:
    """Refuse files of a split, by their paths in the run, that are broken, of another split, or
    with other columns."""
    for path in files.values():
        if path.suffix == ".parquet":
            needed, more = _COLUMNS[path.name]
            foreign = {*read_parquet(path, needed).column_names} - {*needed, *more}
            if foreign:
                raise broken(path, f"a column {min(foreign)}", "a table of the split")
        else:
            read_json(path)
    place, keys = files[SPLIT_FILE], ("kind", "hash")
    described = read_json(place, keys)
    for key in keys:
        if described[key] != results["split"][key]:
            raise broken(place, f"another {key}", f"the split that {RESULTS} speaks of")


def require_whole_index(folder: Path) -> None:
    """Refuse an index with a broken file, or whose items are not those of its vectors."""
    from beekit.index import ItemIndex

    index = ItemIndex.load(folder, gpu=False)
    path = folder / index_files.ITEMS
    known = read_parquet(path, ("item_id", "label", "cold"))["item_id"].to_pylist()
    if known != index.item_ids.tolist():
        found = f"other items than {index_files.INDEX}"
        raise broken(path, found, "the items of the index, in its order")
    if (folder / index_files.TEXT_PART).is_file():
        read_vectors(folder / index_files.TEXT_PART, index.item_vectors, index.item_ids)
