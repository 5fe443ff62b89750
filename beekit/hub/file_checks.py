"""Checks before a push: the files of a run are complete and belong to it.

The libraries that open the files take seconds to import, so they are imported where they are used.
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

# The split's tables that are pushed: columns they must have, and further ones they may have.
_COLUMNS = {
    "training_items.parquet": (("item_id",), ("content",)),
    "candidates.parquet": (("part", "item_id"), ()),
}


def require_whole_model(
    folder: Path, files: Mapping[str, Path], results: Mapping[str, Any], *, trust: bool
) -> None:
    """Check a model's files.

    If the results hold no digests of the files, because an earlier version trained the model, it is
    loaded as a check. With `trust` this runs code that the files name.

    Raises:
        RunError: if a file is broken, or not the one whose digest the results hold.
        EncoderError: if a model without digests does not load.
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
                raise broken(path, str(problem)[:120], "weights that beekit wrote") from problem
    noted = model_files(results)
    require_noted(folder, noted)
    if noted is None:
        logger.warning(
            "%s was trained by a version of beekit that stored no digests, so it cannot be checked "
            "that its weights are those that were evaluated",
            folder,
        )
        from beekit.encoders import load_encoder

        load_encoder(folder, device="cpu", trust_remote_code=trust)


def require_whole_split(files: Mapping[str, Path], results: Mapping[str, Any]) -> None:
    """Check the files of a split; `files` has them by their paths in the run.

    Raises:
        RunError: if a file is broken, belongs to another split, or has a column that is not pushed.
    """
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
            raise broken(place, f"another {key}", f"the split that {RESULTS} names")


def require_whole_index(folder: Path) -> None:
    """Check an index.

    Raises:
        RunError: if a file is broken, or if its table of items does not have the items of its
            vectors.
    """
    from beekit.index import ItemIndex

    index = ItemIndex.load(folder, gpu=False)
    path = folder / index_files.ITEMS
    known = read_parquet(path, ("item_id", "label", "cold"))["item_id"].to_pylist()
    if known != index.item_ids.tolist():
        found = f"other items than {index_files.INDEX}"
        raise broken(path, found, "the items of the index, in its order")
    if (folder / index_files.TEXT_PART).is_file():
        read_vectors(folder / index_files.TEXT_PART, index.item_vectors, index.item_ids)
