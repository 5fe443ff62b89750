"""No split: training sees every interaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from beekit.split.config import SplitConfig
from beekit.split.split import Split

if TYPE_CHECKING:
    from beekit.data import Interactions


class NoSplit(SplitConfig):
    """Hold out nothing; the seed has no effect."""

    kind: Literal["none"] = "none"

    meaning = "Nothing was held out; training saw every interaction."
    drawn = ""
    rates = False
    holds_out = False
    repeatable = False
    without_effect = ("fraction", "validation")

    def make(self, interactions: Interactions) -> Split:
        """The split that trains on all of X."""
        return Split("none", {}, interactions, interactions.matrix)
