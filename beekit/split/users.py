"""User split (strong generalisation): test users are not in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from beekit.errors import SplitError
from beekit.split.config import SplitConfig, share_field, validation_field, validation_size
from beekit.split.draw import share, shuffled, validation_share
from beekit.split.entries import entries, source_entries, used_items
from beekit.split.split import HeldOut, Split

if TYPE_CHECKING:
    from beekit.data import Interactions


_SOURCES = ("random", "first")


class UserSplit(SplitConfig):
    """Hold out users, with all their interactions; see `user_split`."""

    kind: Literal["user"] = "user"
    users: int | None = Field(None, ge=1, description="How many users the test part has.")
    fraction: float | None = share_field(
        None, "Share of the users in the test part, instead of `users`; 0.1 by default."
    )
    validation: int | float | None = validation_field("users")
    source_fraction: float = share_field(
        0.8, "Share of a held-out user's interactions that is known."
    )
    source: Literal["random", "first"] = Field(
        "random",
        description="Which interactions of a held-out user are known: a random share, or the first "
        "ones in time.",
    )

    meaning = (
        "Some users were held out with all their interactions. A part of each user's interactions "
        "is the source, the others are the targets."
    )
    task = "recommendation to users unseen in training"
    drawn = "the users held out"

    def make(self, interactions: Interactions) -> Split:
        """The split that `user_split` makes."""
        neither = self.users is None and self.fraction is None
        return user_split(
            interactions,
            users=self.users,
            fraction=0.1 if neither else self.fraction,
            **validation_size("users", self.validation),
            source_fraction=self.source_fraction,
            source=self.source,
            seed=self.seed,
        )


def user_split(
    interactions: Interactions,
    *,
    users: int | None = None,
    fraction: float | None = None,
    validation_users: int | None = None,
    validation_fraction: float | None = None,
    source_fraction: float = 0.8,
    source: Literal["random", "first"] = "random",
    seed: int = 42,
) -> Split:
    """Hold out users, with all their interactions (Liang et al. 2018, strong generalisation).

    Exactly `users`, or a share of `fraction`, of all users are test users. Validation users are
    drawn from the rest. A share `source_fraction` of a held-out user's interactions (at least one,
    and never all of them) is the source, and the rest the target: a random share, or with
    `source="first"` the first ones in time, where the seed decides among equal times. Users with a
    single interaction are drawn like all others and are not in training, but cannot be evaluated.
    The candidates are the items with a training interaction.

    Args:
        interactions: X.
        users: number of test users.
        fraction: share of test users, instead of `users`.
        validation_users: number of validation users; 0 for no validation part. If neither this nor
            `validation_fraction` is given, a quarter of the number of test users.
        validation_fraction: share of validation users, instead of `validation_users`.
        source_fraction: share of a held-out user's interactions that is known.
        source: "random" or "first".
        seed: seed of the draw.

    Raises:
        SplitError: if a share leaves nothing to train on or to evaluate, if not exactly one of
            `users` and `fraction` is given, if `source` is neither "random" nor "first", or if
            `seed` is negative.
        DataError: if `source` is "first" and the interactions have no timestamps, or if those of
            each user are all equal.
    """
    X = interactions.matrix
    if source not in _SOURCES:
        found, remedy = f"source={source!r}", "Choose one of them."
        raise SplitError(found, expected=" or ".join(_SOURCES), remedy=remedy)
    times = interactions.valued(X, "order").data if source == "first" else None
    known = source_entries(X, interactions.item_ids, source_fraction, seed, times)
    total = interactions.n_users
    test_count = share(users, fraction, total, "users")
    validation_count = validation_share(
        validation_users, validation_fraction, test_count, total, "users"
    )
    drawn = shuffled(total, seed)
    role = np.zeros(total, dtype=np.int8)
    role[drawn[:test_count]] = 2
    role[drawn[test_count : test_count + validation_count]] = 1
    rows = np.repeat(role, np.diff(X.indptr))
    train = entries(X, rows == 0)
    warm = used_items(train)

    def part(which: int) -> HeldOut | None:
        if not (role == which).any():
            return None
        mine = rows == which
        return HeldOut(entries(X, mine & known), entries(X, mine & ~known), warm)

    counts = {"users": test_count, "validation_users": validation_count}
    settings = {**counts, "source_fraction": source_fraction, "source": source, "seed": seed}
    validation, test = part(1), part(2)
    return Split("user", settings, interactions, train, validation, test, sources="own")
