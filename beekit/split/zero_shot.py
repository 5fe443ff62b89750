"""Zero-shot split: all users are test users, and there is nothing to train on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from beekit.split.config import SplitConfig, share_field
from beekit.split.entries import entries, source_entries
from beekit.split.split import HeldOut, Split

if TYPE_CHECKING:
    from beekit.data import Interactions


class ZeroShotSplit(SplitConfig):
    """Hold out everything, for models trained on another dataset; see `zero_shot_split`."""

    kind: Literal["zero_shot"] = "zero_shot"
    source_fraction: float = share_field(0.8, "Share of each user's interactions that is known.")

    meaning = (
        "No model was trained on this dataset. A part of each user's interactions is the source, "
        "the others are the targets, and all items with an interaction are candidates."
    )
    drawn = "what is known of each user"
    rates = False
    trainable = False
    without_effect = ("fraction", "validation")

    def make(self, interactions: Interactions) -> Split:
        """The split that `zero_shot_split` makes."""
        return zero_shot_split(interactions, source_fraction=self.source_fraction, seed=self.seed)


def zero_shot_split(
    interactions: Interactions, *, source_fraction: float = 0.8, seed: int = 42
) -> Split:
    """Hold out everything, for models trained on another dataset or not trained at all.

    A random share `source_fraction` of each user's interactions (at least one, and never all of
    them) is the source, and the rest the target. The candidates are all items with an interaction.

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
