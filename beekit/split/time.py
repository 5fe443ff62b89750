"""Time split: train on earlier interactions, predict later ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from beekit.errors import SplitError
from beekit.split.config import SplitConfig, share_field
from beekit.split.entries import entries, used_items
from beekit.split.split import HeldOut, Split

if TYPE_CHECKING:
    from beekit.data import Interactions


class TimeSplit(SplitConfig):
    """Hold out the latest interactions; the seed has no effect. See `time_split`."""

    kind: Literal["time"] = "time"
    fraction: float = share_field(0.1, "Share of the interactions in the test part.")
    validation: int | float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Share of the interactions in the validation part, which comes just before the "
        "test part; by default a quarter of `fraction`.",
    )

    meaning = (
        "The interactions were cut at a point in time: those before it are the source, those after "
        "it the targets."
    )
    task = "recommendation of what users take up next"
    drawn = ""

    def make(self, interactions: Interactions) -> Split:
        """The split that `time_split` makes."""
        return time_split(interactions, fraction=self.fraction, validation_fraction=self.validation)


def time_split(
    interactions: Interactions, *, fraction: float = 0.1, validation_fraction: float | None = None
) -> Split:
    """Hold out the latest interactions.

    The last `fraction` of the interactions are the test part, and those just before them the
    validation part. Interactions with the same timestamp stay together, so the shares are
    approximate. A user's source is all their interactions before the part; the candidates are the
    items with an interaction before it. Timestamps that are places in each user's history are no
    times: what they cut off is the end of long histories.

    Args:
        interactions: X with timestamps.
        fraction: share of the interactions in the test part.
        validation_fraction: share of the interactions in the validation part; 0 for none, None for
            a quarter of `fraction`.

    Raises:
        SplitError: if there are no timestamps, or if the shares leave nothing to train on or to
            evaluate.
    """
    X, stamps = interactions.matrix, interactions.timestamps
    if stamps is None:
        found = "interactions without timestamps"
        remedy = "Add timestamps, or use a cold_start or user split."
        raise SplitError(found, expected="a column timestamp", remedy=remedy)
    validation_fraction = fraction / 4 if validation_fraction is None else validation_fraction
    if not (fraction > 0 and validation_fraction >= 0 and fraction + validation_fraction < 1):
        found = f"fraction={fraction} and validation_fraction={validation_fraction}"
        expected = "shares above 0 that leave something to train on"
        raise SplitError(found, expected=expected, remedy="Choose smaller shares.")
    ordered = np.sort(stamps)
    cut = [
        float(ordered[min(round(len(ordered) * (1 - share)), len(ordered) - 1)])
        for share in (fraction + validation_fraction, fraction)
    ]
    train, before_test = entries(X, stamps < cut[0]), entries(X, stamps < cut[1])
    between = entries(X, (stamps >= cut[0]) & (stamps < cut[1]))
    validation = HeldOut(train, between, used_items(train)) if validation_fraction else None
    test = HeldOut(before_test, entries(X, stamps >= cut[1]), used_items(before_test))
    settings = {"fraction": fraction, "validation_fraction": validation_fraction, "times": cut}
    return Split("time", settings, interactions, train, validation, test, sources="before")
