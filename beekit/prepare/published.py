"""What is known of a public dataset before it is prepared, and how our counts compare with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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

        `equal` is None where the two do not speak of the same, and `other` says what differs. Which
        row of a repeated pair stays changes no count.
        """
        stated = {name: getattr(self, name) for name in ours}
        stated = {name: count for name, count in stated.items() if count is not None}
        other: list[str] = []
        if set(stated) != {"rows"}:
            held = (self.min_value, self.user_min_support)
            other += ["filters"] * (held != (min_value, support))
            other += ["items"] * (self.listed != listed)
        found = {name: ours[name] for name in stated}
        return {
            "source": self.source,
            "published": stated,
            "here": found,
            "equal": None if other else stated == found,
            "other": other,
            "note": self.note,
        }


@dataclass(frozen=True)
class PublicDataset:
    """A public dataset.

    Attributes:
        name: as its publisher calls it.
        homepage: of the publisher.
        licence: the publisher's terms, in short, or that there are none.
        citation: what to cite.
        published: counts to compare with.
    """

    name: str
    homepage: str
    licence: str
    citation: str
    published: tuple[Published, ...] = ()
