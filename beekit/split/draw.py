"""Drawing without replacement, the same on any machine and for any order of rows in a file."""

from __future__ import annotations

import numpy as np

from beekit.errors import SplitError


def shuffled(count: int, seed: int, stream: int = 0) -> np.ndarray:
    """A permutation of `count` positions.

    Sorts by raw output of PCG64, whose stream numpy guarantees; its distributions may change
    between releases.

    Raises:
        SplitError: if `seed` is negative.
    """
    if seed < 0:
        raise SplitError(
            f"seed={seed}", expected="zero or more", remedy="Use a seed that is not negative."
        )
    keys = np.random.PCG64(np.random.SeedSequence([seed, stream])).random_raw(count)
    return np.argsort(keys, kind="stable")


def share(number: int | None, fraction: float | None, total: int, what: str) -> int:
    """How many of `total` to hold out: exactly `number`, or the nearest to `fraction`.

    Raises:
        SplitError: if not exactly one of `number` and `fraction` is given, if `fraction` is not
            between 0 and 1, or if nothing would be left on one side.
    """
    if (number is None) == (fraction is None):
        raise SplitError(
            f"{what}={number} and fraction={fraction}",
            expected="exactly one of the two",
            remedy=f"Give a number of {what}, or a fraction of them.",
        )
    if fraction is not None and not 0 < fraction < 1:
        raise SplitError(
            f"fraction={fraction} of the {what}",
            expected="a share above 0 and below 1",
            remedy="Hold out another share.",
        )
    count = round(total * fraction) if fraction is not None else number
    if count is None or not 0 < count < total:
        raise SplitError(
            f"{count:,} {what} to hold out of {total:,}",
            expected=f"between 1 and {total - 1:,}",
            remedy="Hold out another share.",
        )
    return count


def validation_share(
    number: int | None, fraction: float | None, held_out: int, total: int, what: str
) -> int:
    """How many of `total` to hold out for validation, besides the `held_out` of the test part.

    A quarter of the test's number unless said otherwise; zero means no validation part.

    Raises:
        SplitError: if `share` refuses the number or fraction, or if nothing is left to train on.
    """
    left = total - held_out
    if number is None and fraction is None:
        return min(max(1, round(held_out / 4)), left - 1)
    if (number, fraction) in ((0, None), (None, 0)):
        return 0
    count = share(number, fraction, total, f"validation {what}")
    if count >= left:
        raise SplitError(
            f"{held_out:,} test and {count:,} validation {what} of {total:,}",
            expected=f"some {what} left to train on",
            remedy="Hold out smaller shares.",
        )
    return count
