"""Drawing without replacement, with the same result on any machine."""

from __future__ import annotations

import numpy as np

from beekit.errors import SplitError


def shuffled(count: int, seed: int, stream: int = 0) -> np.ndarray:
    """A random permutation of `count` positions.

    It sorts by the raw output of PCG64, which numpy guarantees to stay the same, unlike its
    distributions.

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
    """How many of `total` to hold out: `number`, or the number nearest to a share of `fraction`.

    Raises:
        SplitError: if not exactly one of the two is given, or if nothing or everything would be
            held out.
    """
    if (number is None) == (fraction is None):
        found = f"{what}={number} and fraction={fraction}"
        remedy = f"Give a number of {what}, or a fraction of them."
        raise SplitError(found, expected="exactly one of the two", remedy=remedy)
    other = "Hold out another share."
    if fraction is not None and not 0 < fraction < 1:
        found = f"fraction={fraction} of the {what}"
        raise SplitError(found, expected="a share above 0 and below 1", remedy=other)
    count = round(total * fraction) if fraction is not None else number
    if total < 2:
        raise SplitError(
            f"{total} {what.removeprefix('validation ')} with interactions",
            expected="at least 2, one to hold out and one to learn from",
            remedy="Add data, or lower the filters.",
        )
    if count is None or not 0 < count < total:
        found = f"{count:,} {what} to hold out of {total:,}"
        if fraction is not None:
            said = "all of them" if count else "less than one"
            found = f"fraction={fraction} of {total:,} for the {what}, which is {said}"
        expected = f"between 1 and {total - 1:,}" if total > 2 else "1"
        raise SplitError(found, expected=expected, remedy=other)
    return count


def validation_share(
    number: int | None, fraction: float | None, held_out: int, total: int, what: str
) -> int:
    """How many of `total` to hold out for validation, besides the `held_out` of the test part.

    If neither `number` nor `fraction` is given, a quarter of `held_out`; 0 for no validation part.

    Raises:
        SplitError: if nothing would be left to train on, or if `share` refuses the numbers.
    """
    left = total - held_out
    if number is None and fraction is None:
        return min(max(1, round(held_out / 4)), left - 1)
    if (number, fraction) in ((0, None), (None, 0)):
        return 0
    count = share(number, fraction, total, f"validation {what}")
    if count >= left:
        found = f"{held_out:,} test and {count:,} validation {what} of {total:,}"
        remedy = "Hold out smaller shares."
        raise SplitError(found, expected=f"some {what} left to train on", remedy=remedy)
    return count
