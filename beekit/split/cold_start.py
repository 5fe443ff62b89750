"""Cold-start split: items that training never sees."""

from __future__ import annotations

import numpy as np

from beekit.data import Interactions
from beekit.split.draw import share, shuffled, validation_share
from beekit.split.entries import (
    columns,
    matrix_entries,
    require_source_fraction,
    source_entries,
    used_items,
)
from beekit.split.split import HeldOut, Split


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

    Test items are exactly `items`, or `fraction`, of those anybody used, drawn without replacement;
    validation items are drawn from the rest, a quarter as many unless said otherwise. A test user's
    source is what they used of the training items, the target what they used of the test items, the
    candidates are all test items. Items nobody used stay out of training and of the candidates.

    With `warm_fraction` that share of each user's interactions with training items is held out too,
    for two more parts: `warm` asks for those among the training items, and `overall` for them and
    the test items' interactions together, among training and test items together.

    Args:
        interactions: X.
        items, fraction: the number of test items, or their share of the used items.
        validation_items, validation_fraction: likewise; 0 for no validation part.
        warm_fraction: share of warm interactions held out besides; None for none.
        seed: of the draw.

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
    train = columns(interactions, np.setdiff1d(used, np.concatenate([test, validation])))
    settings: dict[str, int | float] = {
        "items": test_count,
        "validation_items": validation_count,
        "seed": seed,
    }
    hidden = None
    if warm_fraction is not None:
        require_source_fraction(1 - warm_fraction)
        known = source_entries(train, interactions.item_ids, 1 - warm_fraction, seed)
        hidden = matrix_entries(train, ~known)
        train = matrix_entries(train, known)
        settings["warm_fraction"] = warm_fraction
    return Split(
        "cold_start",
        settings,
        interactions,
        train,
        validation=HeldOut(train, columns(interactions, validation), validation)
        if validation_count
        else None,
        test=HeldOut(train, columns(interactions, test), test),
        warm=None if hidden is None else HeldOut(train, hidden, used_items(train)),
    )
