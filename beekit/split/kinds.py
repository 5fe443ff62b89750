"""The list of all kinds of split; a new kind is a class in a file of its own and is added here."""

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
from beekit.split.random_share import RandomSplit
from beekit.split.split import Split
from beekit.split.time import TimeSplit
from beekit.split.users import UserSplit
from beekit.split.zero_shot import ZeroShotSplit

if TYPE_CHECKING:
    from beekit.data import Interactions

KINDS: dict[str, type[SplitConfig]] = {
    kind.model_fields["kind"].default: kind
    for kind in (
        ColdStartSplit,
        UserSplit,
        TimeSplit,
        RandomSplit,
        NoSplit,
        ZeroShotSplit,
        PublishedSplit,
    )
}
"""The kinds of beekit, by the `kind` in a configuration."""

# Attributes of a kind from outside that results keep, so that a report does not need its code.
_KEPT = ("meaning", "task", "drawn", "candidates")


def split_class(kind: Any) -> type[SplitConfig]:
    """The class of a kind of split: one of beekit's, or the `SplitConfig` at an import path.

    Raises:
        ConfigError: if there is no such kind, or if the class cannot be used.
    """
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
        expected = "a class with a method make(interactions)"
        raise ConfigError(f"{given} without make", expected=expected, remedy="Add the method make.")
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
    """The "meaning", "task", "drawn" or "candidates" of a kind of split.

    Args:
        split: the split as results.json describes it.
        what: the name of the attribute.

    Returns:
        the text; None if the kind is not known and the results do not hold the text.
    """
    known = KINDS.get(split["kind"])
    said: str | None = getattr(known, what) if known else split.get("about", {}).get(what)
    return said
