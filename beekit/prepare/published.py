"""Facts about public datasets, and comparing the counts of a prepared one with published counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_FACTS = Path(__file__).parent / "datasets" / "public.yaml"


@dataclass(frozen=True)
class Published:
    """Counts of a dataset that were published; None for a count that was not.

    Attributes:
        source: where they were published and for which dataset: `"GroupLens README, ml-20m"`.
        rows: number of rows in the raw file.
        users, items, interactions: numbers after the filters.
        min_value, user_min_support: the filters that the counts were made with.
        listed: whether they count only items of a list, as with `--items`, or the whole catalog.
        note: a reason why counts may differ although nothing is wrong.
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
        """The entry in the manifest: the published counts beside `ours`.

        `min_value`, `support` and `listed` are the filters of ours. If they differ from those of
        the published counts, `other` names them and `equal` is None.
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
    """Facts about a public dataset, and the default filters for preparing it.

    Attributes:
        name: the publisher's name for it.
        homepage: address of the publisher's page.
        licence: the publisher's terms in short, or a note that there are none.
        citation: the work to cite.
        published: published counts to compare with.
        url: address of the folder of raw files; None if the user has to download them.
        min_value: lowest value of an interaction; None if the dataset has no values.
        user_min_support: how many items a user must have.
        duplicates: which row of a repeated pair is kept, "latest" or "first".
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
    """The facts about a dataset in `datasets/public.yaml`."""
    facts = yaml.safe_load(_FACTS.read_text(encoding="utf-8"))[name]
    published = tuple(Published(**counts) for counts in facts.pop("published", ()))
    return PublicDataset(**facts, published=published)
