"""Zero-shot split: every user asked, nothing to train on."""

from __future__ import annotations

from beekit.data import Interactions
from beekit.split.entries import entries, require_source_fraction, source_entries
from beekit.split.split import HeldOut, Split


def zero_shot_split(
    interactions: Interactions, *, source_fraction: float = 0.8, seed: int = 42
) -> Split:
    """Hold out everything: for models that learnt elsewhere, or nothing at all.

    Of each user's interactions `source_fraction` (drawn at random, at least one and never all) are
    the source and the rest the target. The candidates are all items anybody used.

    Raises:
        SplitError: if `source_fraction` is not above 0 and below 1, if no user has two
            interactions, or if `seed` is negative.
    """
    require_source_fraction(source_fraction)
    known = source_entries(interactions.matrix, interactions.item_ids, source_fraction, seed)
    nothing = entries(interactions, known & False)
    return Split(
        "zero_shot",
        {"source_fraction": source_fraction, "seed": seed},
        interactions,
        nothing,
        test=HeldOut(
            entries(interactions, known), entries(interactions, ~known), interactions.used_items
        ),
    )
