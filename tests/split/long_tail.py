"""A kind of split from outside, as somebody else would write one."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from beekit.data import Interactions
from beekit.split import HeldOut, Split, SplitConfig
from beekit.split.entries import columns


class LongTail(SplitConfig):
    """Hold out the items that the fewest users used."""

    share: float = Field(0.2, gt=0, lt=1, description="Share of the items.")

    meaning = "The least used items were held out."
    task = "recommendation of rarely used items"
    drawn = ""

    def make(self, interactions: Interactions) -> Split:
        used = interactions.used_items
        support = np.bincount(interactions.matrix.indices, minlength=interactions.n_items)[used]
        order = used[np.lexsort((used, support))]
        cut = round(self.share * len(used))
        train = columns(interactions.matrix, np.sort(order[cut:]))
        test = HeldOut(train, columns(interactions.matrix, order[:cut]), order[:cut])
        return Split(self.kind, {"share": self.share}, interactions, train, test=test)


class NoMake(SplitConfig):
    """A kind that does not say how it is made."""


class NoClass:
    """No kind of split."""
