"""Zero-shot split: every user asked, nothing to train on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from beekit.split.config import SplitConfig, share_field
from beekit.split.entries import entries, source_entries
from beekit.split.split import HeldOut, Split

if TYPE_CHECKING:
    from beekit.data import Interactions


class ZeroShotSplit(SplitConfig):
    """Hold out everything, for models that learnt elsewhere."""

    kind: Literal["zero_shot"] = "zero_shot"
    source_fraction: float = share_field(0.8, "Share of each user's interactions that is known.")

    meaning = (
        "Nothing of this dataset was trained on. Part of what each user used is the "
        "source, the rest are the targets, and all items anybody used are candidates."
    )
    drawn = "what is known of each user"
    trainable = False
    without_effect = ("fraction", "validation")

    def make(self, interactions: Interactions) -> Split:
        """As `zero_shot_split` does."""
        return zero_shot_split(interactions, source_fraction=self.source_fraction, seed=self.seed)


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
    X = interactions.matrix
    known = source_entries(X, interactions.item_ids, source_fraction, seed)
    source, target = entries(X, known), entries(X, ~known)
    test = HeldOut(source, target, interactions.used_items)
    settings = {"source_fraction": source_fraction, "seed": seed}
    train = entries(X, known & False)
    return Split("zero_shot", settings, interactions, train, test=test, sources="own", trains=False)
