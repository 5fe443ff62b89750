"""Which kinds of split there are: a new one is a class in a file of its own, named here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from beekit.errors import ConfigError
from beekit.import_path import imported
from beekit.split.cold_start import ColdStartSplit
from beekit.split.config import SplitConfig
from beekit.split.nothing import NoSplit
from beekit.split.published import PublishedSplit
from beekit.split.split import Split
from beekit.split.time import TimeSplit
from beekit.split.users import UserSplit
from beekit.split.zero_shot import ZeroShotSplit

if TYPE_CHECKING:
    from beekit.data import Interactions

KINDS: dict[str, type[SplitConfig]] = {
    kind.model_fields["kind"].default: kind
    for kind in (ColdStartSplit, UserSplit, TimeSplit, NoSplit, ZeroShotSplit, PublishedSplit)
}
"""beekit's own, by `kind` of the configuration."""

# What results keep of a kind from outside, so that they can be reported without its code.
_KEPT = ("meaning", "task", "drawn", "candidates")


def split_class(kind: Any) -> type[SplitConfig]:
    """The class of a kind of split: one of beekit's, or the `SplitConfig` at an import path."""
    if isinstance(kind, str) and kind in KINDS:
        return KINDS[kind]
    given, expected = f"split.kind={kind!r}", f"one of {', '.join(KINDS)}, or package.module:Class"
    if ":" not in str(kind):
        raise ConfigError(given, expected=expected, remedy="Choose one of those.")
    found = imported(str(kind), given)
    if not (isinstance(found, type) and issubclass(found, SplitConfig)):
        expected = "a class derived from beekit.split.SplitConfig"
        raise ConfigError(given, expected=expected, remedy="Derive it from that class.")
    if found.make is SplitConfig.make and not found.own_files:
        expected = "a class that says how the split is made"
        raise ConfigError(f"{given} without make", expected=expected, remedy="Write make(X).")
    return found


def make_split(interactions: Interactions, config: SplitConfig) -> Split:
    """Split X as configured.

    Raises:
        SplitError: if such a split cannot be made from these interactions.
    """
    split = config.make(interactions)
    if config.kind in KINDS:
        return split
    about = {name: said for name in _KEPT if (said := getattr(config, name)) is not None}
    return dataclasses.replace(split, about=about)


def said_of(split: Mapping[str, Any], what: str) -> str | None:
    """What a kind of split, as results.json describes it, says of itself under `what`.

    That is its "meaning", "task", "drawn" or "candidates"; None of a kind that nobody knows.
    """
    known = KINDS.get(split["kind"])
    said: str | None = getattr(known, what) if known else split.get("about", {}).get(what)
    return said
