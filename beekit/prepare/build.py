"""A dataset folder from raw files, all or nothing, with a manifest of how it came to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from beekit import __version__
from beekit.errors import ConfigError
from beekit.files import replacing_folder, write_json
from beekit.prepare.catalog import ItemStore, read_item_list
from beekit.prepare.fingerprint import folder_fingerprint
from beekit.prepare.interactions import Counts, Filters, write_interactions
from beekit.prepare.lines import Malformed
from beekit.prepare.raw import RawFile
from beekit.prepare.runs import ROWS
from beekit.prepare.source import Source

MANIFEST = "manifest.json"


class Tables(Protocol):
    """Rows of a raw file as tables, and what of it was malformed."""

    @property
    def malformed(self) -> Malformed: ...

    def __iter__(self) -> Iterator[pa.Table]: ...


class Pictures(Protocol):
    """Where pictures of items come from."""

    def place(self, folder: Path) -> Callable[[pa.Table], pa.Table]:
        """A function that adds the column `image` to items, and their pictures to `folder`."""
        ...

    def describe(self) -> dict[str, Any]:
        """For the manifest, once all are placed."""
        ...


@dataclass(frozen=True)
class Prepared:
    """A dataset folder that has been made.

    Attributes:
        folder: where it is.
        manifest: what `manifest.json` in it says.
    """

    folder: Path
    manifest: dict[str, Any]


def build(
    out: Path,
    source: Source,
    raw: Sequence[RawFile],
    *,
    items: Tables,
    interactions: Tables,
    filters: Filters,
    item_list: Path | None = None,
    item_names: tuple[str, ...] = ("item_id",),
    pictures: Pictures | None = None,
    rows: int = ROWS,
) -> Prepared:
    """Make the dataset folder `out`: interactions.parquet, items.parquet and manifest.json.

    Items are read first, so that interactions with items that nothing is known of are left out
    before users are counted. items.parquet has the items with at least one interaction left, in
    the order of the raw file, under the publisher's ids.

    Args:
        out: made, or replaced if it was made so before.
        source: what is known of the dataset.
        raw: the files it is made from.
        items: tables of item_id, title and further columns.
        interactions: tables of user_id, item_id and, where there are any, value and timestamp.
        filters: what of the rows becomes an interaction.
        item_list: file that names the items to keep.
        item_names: what the column in that file may be called.
        pictures: where the items' pictures come from.
        rows: rows in memory at a time.

    Raises:
        ConfigError: `out` holds something else.
        DataError: the raw files, or the filters, leave no dataset.
    """
    require_free(out)
    allowed = None if item_list is None else read_item_list(item_list, item_names)
    with replacing_folder(out) as folder:
        with TemporaryDirectory(prefix=".work-", dir=folder) as name:
            work = Path(name)
            store = ItemStore(items, work / "items.parquet", allowed)
            target = folder / "interactions.parquet"
            counts, used = write_interactions(
                interactions, target, store.item_ids, filters, work, rows=rows
            )
            finish = None if pictures is None else pictures.place(folder)
            store.write(folder / "items.parquet", used, finish)
        malformed = {
            part.malformed.name: part.malformed.describe() for part in (items, interactions)
        }
        manifest = {
            "schema": 1,
            "name": source.name,
            "homepage": source.homepage,
            "licence": source.licence,
            "citation": source.citation,
            "raw": [file.describe() for file in raw],
            "malformed": malformed,
            "filters": {
                **asdict(filters),
                "items": None if item_list is None else item_list.name,
            },
            "counts": counts.describe(),
            "catalog": {
                "listed": store.listed,
                "without_title": store.without_title,
                "repeated": store.repeated,
                "kept": len(store.item_ids),
                "used": int(np.count_nonzero(used)),
            },
            "pictures": None if pictures is None else pictures.describe(),
            "expected": _compared(source, counts, interactions.malformed, filters),
            "fingerprint": folder_fingerprint(folder),
            "beekit": __version__,
        }
        write_json(folder / MANIFEST, manifest)
    return Prepared(out, manifest)


def require_free(out: Path) -> None:
    """Refuse to replace a folder that was not made by `build`.

    Raises:
        ConfigError: `out` is a file, or holds something else than a prepared dataset.
    """
    made_so = all((out / name).is_file() for name in (MANIFEST, "interactions.parquet"))
    if made_so or not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    raise ConfigError(
        f"{out} holds something that was not made by this script",
        expected="a new folder, or one with a manifest.json, which is replaced",
        remedy="Name another folder.",
    )


def summary(prepared: Prepared) -> str:
    """What was made, for people: counts, what was left out, and how published counts compare."""
    manifest = prepared.manifest
    counts, filters = manifest["counts"], manifest["filters"]
    malformed = sum(part["malformed"] for part in manifest["malformed"].values())
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
    if malformed:
        examples = [e for part in manifest["malformed"].values() for e in part["first_malformed"]]
        lines.append(f"malformed lines skipped: {malformed:,} ({'; '.join(examples[:2])})")
    if manifest["pictures"]:
        described = ", ".join(f"{key} {value}" for key, value in manifest["pictures"].items())
        lines.append(f"pictures: {described}")
    lines += [_said(expected) for expected in manifest["expected"]]
    lines.append(f"in {prepared.folder}; manifest.json says from what and how")
    return "\n".join(lines)


def _compared(
    source: Source, counts: Counts, malformed: Malformed, filters: Filters
) -> list[dict[str, Any]]:
    """Every published count beside ours; `equal` is None where they do not speak of the same."""
    ours = {
        "rows": malformed.rows + malformed.count,
        "users": counts.users,
        "items": counts.items,
        "interactions": counts.interactions,
    }
    compared = []
    for published in source.published:
        stated = {name: getattr(published, name) for name in ours}
        stated = {name: count for name, count in stated.items() if count is not None}
        comparable = set(stated) == {"rows"} or (
            published.min_value == filters.min_value
            and published.user_min_support == filters.user_min_support
        )
        found = {name: ours[name] for name in stated}
        compared.append(
            {
                "source": published.source,
                "published": stated,
                "here": found,
                "equal": stated == found if comparable else None,
                "note": published.note,
            }
        )
    return compared


def _said(expected: dict[str, Any]) -> str:
    stated = ", ".join(f"{count:,} {name}" for name, count in expected["published"].items())
    if expected["equal"]:
        return f"as published: {stated} ({expected['source']})"
    how = "unlike published" if expected["equal"] is False else "not comparable, other filters"
    note = f"; {expected['note']}" if expected["note"] else ""
    return f"{how}: {stated} ({expected['source']}){note}"
