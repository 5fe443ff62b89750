"""Building a dataset folder from raw files, completely or not at all, with a manifest."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from beekit import __version__
from beekit.errors import ConfigError
from beekit.files import file_digest, replacing_folder, write_json
from beekit.prepare.catalog import ItemStore, read_item_list
from beekit.prepare.external_sort import ROWS
from beekit.prepare.fingerprint import folder_fingerprint
from beekit.prepare.interactions import Filters, write_interactions
from beekit.prepare.lines import RawTable
from beekit.prepare.published import PublicDataset

MANIFEST = "manifest.json"
_INTERACTIONS = "interactions.parquet"
_ITEMS = "items.parquet"


class Pictures(Protocol):
    """A source of pictures of items."""

    def placing(self, folder: Path) -> AbstractContextManager[Callable[[pa.Table], pa.Table]]:
        """A context with a function that adds the column `image` to a table of items and puts their
        pictures into `folder`. It is entered before any file is read, so that it can fail early."""

    def describe(self) -> dict[str, Any]:
        """The entry in the manifest, after all pictures have been placed."""


@dataclass(frozen=True)
class RawDataset:
    """A dataset in the files of its publisher.

    Attributes:
        public: facts about it.
        items: tables of item_id, title and further columns.
        interactions: tables of user_id, item_id and, if the dataset has them, value and timestamp.
        item_names: names that the column of item ids may have in a file given by --items.
        pictures: source of the items' pictures; None for no pictures.
        also_read: further tables that the items were made from; their malformed lines are counted
            too.
    """

    public: PublicDataset
    items: RawTable
    interactions: RawTable
    item_names: tuple[str, ...] = ("item_id",)
    pictures: Pictures | None = None
    also_read: Sequence[RawTable] = ()


def build(
    out: Path,
    dataset: RawDataset,
    filters: Filters,
    *,
    item_list: Path | None = None,
    rows: int = ROWS,
) -> dict[str, Any]:
    """Make the dataset folder `out`: interactions.parquet, items.parquet and manifest.json.

    Items are read first, so that interactions with unknown items are left out before the items of a
    user are counted. items.parquet has the items that still have an interaction, in the order of
    the raw file and with the publisher's ids.

    Args:
        out: the folder; it is made, or replaced if `require_free` allows that.
        dataset: the raw files.
        filters: which rows become interactions.
        item_list: a file with the ids of the items to keep; None for all.
        rows: about how many rows are in memory at once.

    Returns:
        the content of manifest.json.
    """
    public, pictures = dataset.public, dataset.pictures
    tables = (dataset.items, dataset.interactions, *dataset.also_read)
    require_free(out)
    allowed = None if item_list is None else read_item_list(item_list, dataset.item_names)
    with replacing_folder(out) as folder, ExitStack() as stack:
        finish = None if pictures is None else stack.enter_context(pictures.placing(folder))
        with TemporaryDirectory(prefix=".work-", dir=folder) as name:
            work = Path(name)
            store = ItemStore(dataset.items, work / "items.parquet", allowed)
            target = folder / _INTERACTIONS
            counts, used = write_interactions(
                dataset.interactions, target, store.item_ids, filters, work, rows=rows
            )
            store.write(folder / _ITEMS, used, finish)
        lines, found = dataset.interactions.malformed, asdict(counts)
        ours = {name: found[name] for name in ("users", "items", "interactions")}
        ours = {"rows": lines.rows + lines.count, **ours}
        held, listed = (filters.min_value, filters.user_min_support), item_list is not None
        items = None
        if item_list is not None and allowed is not None:
            items = {"name": item_list.name, "sha256": file_digest(item_list), "ids": len(allowed)}
            items["in_catalog"] = len(store.item_ids)
        manifest = {
            "schema": 1,
            "name": public.name,
            "homepage": public.homepage,
            "licence": public.licence,
            "citation": public.citation,
            "raw": [file.describe() for file in dict.fromkeys(table.raw for table in tables)],
            "malformed": {table.malformed.name: table.malformed.describe() for table in tables},
            "filters": {**asdict(filters), "items": items},
            "counts": found,
            "catalog": {
                "listed": store.listed,
                "without_title": store.without_title,
                "repeated": store.repeated,
                "kept": len(store.item_ids),
                "used": int(np.count_nonzero(used)),
            },
            "pictures": None if pictures is None else pictures.describe(),
            "expected": [one.compare(ours, *held, listed=listed) for one in public.published],
            "fingerprint": folder_fingerprint(folder),
            "items_sha256": file_digest(folder / _ITEMS),
            "beekit": __version__,
        }
        write_json(folder / MANIFEST, manifest)
        require_free(out)  # again, because building takes long
    return manifest


def require_free(out: Path) -> None:
    """Check that `out` does not exist, is empty, or is an unchanged dataset made by `build`.

    Raises:
        ConfigError: if it holds anything else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    manifest, items = _manifest(out), out / _ITEMS
    own = {MANIFEST, _INTERACTIONS, _ITEMS}
    if manifest and manifest.get("pictures"):
        own.add("images")
    if manifest is None:
        found = f"{out} holds files that `beekit prepare` did not make"
    elif others := sorted(entry.name for entry in out.iterdir() if entry.name not in own):
        named = ", ".join(others[:5]) + (", ..." if others[5:] else "")
        found = f"{out} also holds files that `beekit prepare` did not make: {named}"
    elif not items.is_file() or file_digest(items) != manifest.get("items_sha256"):
        found = f"{items} was changed after `beekit prepare` made it"
    else:
        return
    raise ConfigError(
        found,
        expected="a new folder, or an unchanged dataset with its manifest.json",
        remedy="Give another folder, or move these files elsewhere.",
    )


def _manifest(out: Path) -> dict[str, Any] | None:
    """The manifest that `build` wrote in `out`; None if there is no dataset made by `build`."""
    try:
        manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    made_so = isinstance(manifest, dict) and (out / _INTERACTIONS).is_file()
    return manifest if made_so else None


def summary(manifest: Mapping[str, Any], folder: Path) -> str:
    """A text about the dataset: counts, rows left out, and a comparison with published counts."""
    counts, filters = manifest["counts"], manifest["filters"]
    tables = manifest["malformed"].values()
    left_out = {
        f"below {filters['min_value']}": counts["below_min_value"],
        "of other items": counts["other_items"],
        "repeated": counts["repeated"],
        f"of users with fewer than {filters['user_min_support']} items": counts["few_items"],
    }
    gone = ", ".join(f"{count:,} {why}" for why, count in left_out.items() if count)
    lines = [
        f"{manifest['name']}: {counts['users']:,} users, {counts['items']:,} items, "
        f"{counts['interactions']:,} interactions",
        f"left out of {counts['rows']:,} rows: {gone or 'nothing'}",
    ]
    if listed := filters["items"]:
        there = f"{listed['in_catalog']:,} of {listed['ids']:,} listed ids are in the catalog"
        lines.append(f"{listed['name']}: {there}")
    if malformed := sum(table["malformed"] for table in tables):
        examples = [example for table in tables for example in table["first_malformed"]]
        lines.append(f"malformed lines skipped: {malformed:,} ({'; '.join(examples[:2])})")
    if manifest["pictures"]:
        described = ", ".join(f"{key} {value}" for key, value in manifest["pictures"].items())
        lines.append(f"pictures: {described}")
    lines += map(_said, manifest["expected"])
    lines.append(f"written to {folder}; manifest.json lists raw files and filters")
    return "\n".join(lines)


def _said(expected: Mapping[str, Any]) -> str:
    stated = ", ".join(f"{count:,} {name}" for name, count in expected["published"].items())
    if expected["equal"]:
        return f"equal to published counts: {stated} ({expected['source']})"
    other = " and ".join(expected["other"])
    how = f"published counts with other {other}" if other else "different from published counts"
    note = f"; {expected['note']}" if expected["note"] else ""
    return f"{how}: {stated} ({expected['source']}){note}"
