"""The split a configuration asks for."""

from __future__ import annotations

from typing import Any

from beekit.data import Interactions
from beekit.errors import ConfigError
from beekit.run.config import SplitConfig
from beekit.split import (
    Split,
    cold_start_split,
    time_split,
    user_split,
    zero_shot_split,
)

# Held out where the configuration gives neither number nor share.
_USUAL_SHARE = {"cold_start": 0.2, "user": 0.1, "time": 0.1}
# Which number each kind understands.
_COUNTED = {"cold_start": "items", "user": "users"}
# Which kinds a key means something to.
_BELONGS_TO = {
    "items": ("cold_start",),
    "users": ("user",),
    "warm_fraction": ("cold_start",),
    "source_fraction": ("user", "zero_shot"),
    "train": ("published",),
    "test": ("published",),
}


def make_split(interactions: Interactions, config: SplitConfig) -> Split:
    """Split X as configured.

    Raises:
        ConfigError: if a key is set that the kind of split has no use for, or if `validation` of a
            split by time is a number.
        SplitError: if such a split cannot be made from these interactions.
    """
    counted = _COUNTED.get(config.kind)
    for name, kinds in _BELONGS_TO.items():
        if getattr(config, name) is not None and config.kind not in kinds:
            raise ConfigError(
                f"split.{name}={getattr(config, name)} with split.kind={config.kind}",
                expected=f"split.{counted} or split.fraction" if counted else "no such key there",
                remedy=f"Remove split.{name}.",
            )
    if config.kind == "none":
        return Split("none", {}, interactions, interactions.matrix)
    source: dict[str, Any] = {}
    if config.source_fraction is not None:
        source["source_fraction"] = config.source_fraction
    if config.kind == "zero_shot":
        return zero_shot_split(interactions, seed=config.seed, **source)
    number = getattr(config, counted) if counted else None
    fraction = config.fraction
    if number is None and fraction is None:
        fraction = _USUAL_SHARE[config.kind]
    validation = config.validation
    if config.kind == "time":
        if isinstance(validation, int) and validation != 0:
            raise ConfigError(
                f"split.validation={validation} with split.kind=time",
                expected="a share between 0 and 1",
                remedy="Write for example split.validation=0.05.",
            )
        return time_split(interactions, fraction=fraction or 0.0, validation_fraction=validation)
    as_number = isinstance(validation, int)
    shares: dict[str, Any] = {
        "fraction": fraction,
        "validation_fraction": None if as_number else validation,
        "seed": config.seed,
    }
    if config.kind == "user":
        return user_split(
            interactions,
            users=number,
            validation_users=validation if as_number else None,  # type: ignore[arg-type]
            **shares,
            **source,
        )
    return cold_start_split(
        interactions,
        items=number,
        validation_items=validation if as_number else None,  # type: ignore[arg-type]
        warm_fraction=config.warm_fraction,
        **shares,
    )
