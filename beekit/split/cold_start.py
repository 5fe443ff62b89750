"""Cold-start split: items that training never sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from beekit.split.config import SplitConfig, share_field, validation_field, validation_size
from beekit.split.draw import share, shuffled, validation_share
from beekit.split.entries import columns, entries, source_entries, used_items
from beekit.split.split import HeldOut, Split

if TYPE_CHECKING:
    from beekit.data import Interactions


class ColdStartSplit(SplitConfig):
    """Hold out items, with all their interactions; see `cold_start_split`."""

    kind: Literal["cold_start"] = "cold_start"
    items: int | None = Field(None, ge=1, description="How many items the test part has.")
    fraction: float | None = share_field(
        None, "Share of the items in the test part, instead of `items`; 0.2 by default."
    )
    validation: int | float | None = validation_field("items")
    warm_fraction: float | None = share_field(
        None,
        "Share of each user's interactions with training items that is held out too, for the "
        "parts `warm` and `overall`.",
    )

    meaning = (
        "Some items were held out with all their interactions, so training does not know who used "
        "them, and they have to be recommended from their descriptions. A user's interactions with "
        "held-out items are the targets, the other ones are the source."
    )
    task = "recommendation of items without history"
    drawn = "the items held out"
    rates = False
    candidates = "cold items of the test part"

    def make(self, interactions: Interactions) -> Split:
        """The split that `cold_start_split` makes."""
        neither = self.items is None and self.fraction is None
        return cold_start_split(
            interactions,
            items=self.items,
            fraction=0.2 if neither else self.fraction,
            **validation_size("items", self.validation),
            warm_fraction=self.warm_fraction,
            seed=self.seed,
        )


def cold_start_split(
    interactions: Interactions,
    *,
    items: int | None = None,
    fraction: float | None = None,
    validation_items: int | None = None,
    validation_fraction: float | None = None,
    warm_fraction: float | None = None,
    seed: int = 42,
) -> Split:
    """Hold out items, with all their interactions.

    Of the items with interactions, exactly `items`, or a share of `fraction`, are drawn without
    replacement as test items. Validation items are drawn from the rest. A test user's source is the
    user's interactions with training items, and the target those with test items; all test items
    are candidates. Items without interactions are neither in training nor candidates.

    Args:
        interactions: X.
        items: number of test items.
        fraction: share of test items, instead of `items`.
        validation_items: number of validation items; 0 for no validation part. If neither this nor
            `validation_fraction` is given, a quarter of the number of test items.
        validation_fraction: share of validation items, instead of `validation_items`.
        warm_fraction: share of each user's interactions with training items that is held out too,
            for two more parts. In `warm` they are the targets, and training items the candidates.
            In `overall` the targets and candidates are those of the test part and `warm` together.
        seed: seed of the draw.

    Raises:
        SplitError: if a share leaves nothing to train on or to evaluate, if not exactly one of
            `items` and `fraction` is given, or if `seed` is negative.
    """
    used = interactions.used_items
    used = used[np.argsort(interactions.item_ids[used], kind="stable")]
    test_count = share(items, fraction, len(used), "items")
    validation_count = validation_share(
        validation_items, validation_fraction, test_count, len(used), "items"
    )
    drawn = used[shuffled(len(used), seed)]
    test = np.sort(drawn[:test_count])
    validation = np.sort(drawn[test_count : test_count + validation_count])
    train = columns(interactions.matrix, np.setdiff1d(used, np.concatenate([test, validation])))
    counts = {"items": test_count, "validation_items": validation_count}
    settings: dict[str, int | float] = {**counts, "seed": seed}
    hidden = None
    if warm_fraction is not None:
        known = source_entries(train, interactions.item_ids, 1 - warm_fraction, seed)
        hidden = entries(train, ~known)
        train = entries(train, known)
        settings["warm_fraction"] = warm_fraction
    validation_part, test_part = (
        HeldOut(train, columns(interactions.matrix, cold), cold) if len(cold) else None
        for cold in (validation, test)
    )
    warm = None if hidden is None else HeldOut(train, hidden, used_items(train))
    return Split("cold_start", settings, interactions, train, validation_part, test_part, warm)
