"""Whether interactions have the numbers that models read."""

from __future__ import annotations

from collections.abc import Mapping

from beekit.data import Interactions
from beekit.errors import DataError
from beekit.matrices import Reads


def reads_of(kind: type) -> Reads:
    """What models of a class read from the numbers of X."""
    reads: Reads = getattr(kind, "reads", "items")
    return reads


def require_readable(kinds: Mapping[str, type], interactions: Interactions) -> None:
    """Refuse interactions without the numbers that a model reads; `kinds` are classes by label.

    Raises:
        DataError: if so.
    """
    for label, kind in kinds.items():
        reads = reads_of(kind)
        try:
            interactions.valued(interactions.matrix, reads)
        except DataError as error:
            found = f"models.{label} ({kind.__name__}), which reads {reads}, and {error.found}"
            raise DataError(found, expected=error.expected, remedy=error.remedy) from error
