"""What is known of a public dataset before it is prepared, and how our counts compare with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_FACTS = Path(__file__).parent / "datasets" / "public.yaml"


@dataclass(frozen=True)
class Published:
    """Counts that someone has published of a dataset; None for those not stated.

    Attributes:
        source: where, and of what: `"GroupLens README, ml-20m"`.
        rows: of the raw file.
        users, items, interactions: of the dataset after the filters.
        min_value, user_min_support: the filters they hold for.
        listed: they are of the items a list names, as `--items` does; else of the whole catalog.
        note: why counts may differ though nothing is wrong.
    """

    source: str
    rows: int | None = None
    users: int | None = None
    items: int | None = None
    interactions: int | None = None
    min_value: float | None = None
    user_min_support: int | None = None
    listed: bool = False
    note: str = ""

    def compare(
        self, ours: Mapping[str, int], min_value: float | None, support: int, *, listed: bool
    ) -> dict[str, Any]:
        """For the manifest: these counts beside ours, which were made with these filters.

        Where the filters or the items differ, `other` says so, and `equal` is None.
        """
        counts = {name: getattr(self, name) for name in ours}
        stated = {name: count for name, count in counts.items() if count is not None}
        here = {name: ours[name] for name in stated}
        other = []
        if set(stated) != {"rows"}:
            other += ["filters"] * ((self.min_value, self.user_min_support) != (min_value, support))
            other += ["items"] * (self.listed != listed)
        return {
            "source": self.source,
            "published": stated,
            "here": here,
            "equal": None if other else stated == here,
            "other": other,
            "note": self.note,
        }


@dataclass(frozen=True)
class PublicDataset:
    """A public dataset, and how it is prepared unless arguments say otherwise.

    Attributes:
        name: as its publisher calls it.
        homepage: of the publisher.
        licence: the publisher's terms, in short, or that there are none.
        citation: what to cite.
        published: counts to compare with.
        url: folder of the raw files; None for a dataset that the user has to bring.
        min_value: None for a dataset without values.
        user_min_support: items a user needs.
        duplicates: which row of a repeated pair stays, "latest" or "first".
    """

    name: str
    homepage: str
    licence: str
    citation: str
    published: tuple[Published, ...] = ()
    url: str | None = None
    min_value: float | None = None
    user_min_support: int = 5
    duplicates: str = "latest"


def public_dataset(name: str) -> PublicDataset:
    """What `datasets/public.yaml` says of a dataset."""
    facts = yaml.safe_load(_FACTS.read_text(encoding="utf-8"))[name]
    published = tuple(Published(**counts) for counts in facts.pop("published", ()))
    return PublicDataset(**facts, published=published)
