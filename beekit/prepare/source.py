"""What is known of a public dataset before it is prepared."""

from __future__ import annotations

from dataclasses import dataclass


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


@dataclass(frozen=True)
class Source:
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
