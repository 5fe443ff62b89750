"""Cold-start split: items that training never sees."""

from __future__ import annotations

import numpy as np

from beekit.data import Interactions
from beekit.split.draw import share, shuffled, validation_share
from beekit.split.entries import columns
from beekit.split.split import HeldOut, Split


def cold_start_split(
    interactions: Interactions,
    *,
    items: int | None = None,
    fraction: float | None = None,
    validation_items: int | None = None,
    validation_fraction: float | None = None,
    seed: int = 42,
) -> Split:
    """Hold out items, with all their interactions.

    Test items are exactly `items`, or `fraction`, of those anybody used, drawn without replacement;
    validation items are drawn from the rest, a quarter as many unless said otherwise. A test user's
    source is what they used of the training items, the target what they used of the test items, the
    candidates are all test items. Items nobody used stay out of training and of the candidates.

    Args:
        interactions: X.
        items, fraction: the number of test items, or their share of the used items.
        validation_items, validation_fraction: likewise; 0 for no validation part.
        seed: of the draw.

    Raises:
        SplitError: a share that leaves nothing to train on or to evaluate.
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
    return Split(
        "cold_start",
        {"items": test_count, "validation_items": validation_count, "seed": seed},
        interactions,
        train,
        validation=HeldOut(train, columns(interactions, validation), validation)
        if validation_count
        else None,
        test=HeldOut(train, columns(interactions, test), test),
    )
