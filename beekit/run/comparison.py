"""The configuration of `beekit evaluate`: a dataset, a split, and the models of the table."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np

from beekit.checked import checked, mapping, read_content, require_known, require_type
from beekit.errors import ConfigError
from beekit.models import model_class, model_names
from beekit.run.chosen import check_chosen_on
from beekit.run.config import (
    EvaluationConfig,
    SplitConfig,
    check_image_policy,
    check_repeats,
    with_sections,
)

# Keys of a model that say which one, whose embeddings it gets, and how it was set; all others are
# its settings.
_OWN_KEYS = ("model", "encoder", "run", "chosen_on")
# The setting that takes item embeddings.
VECTORS = "vectors"


@dataclass(frozen=True)
class Entry:
    """A row of the table to be.

    Attributes:
        label: its name there.
        kind: class of the model.
        settings: of the class, without item vectors.
        encoder: whose embeddings of the catalog it gets; None for a model without content.
        run: run folder the encoder comes from, if so.
        chosen_on: how its settings were chosen, where the configuration says so of it.
    """

    label: str
    kind: type
    settings: Mapping[str, Any]
    encoder: str | None = None
    run: str | None = None
    chosen_on: str | None = None

    @property
    def seed(self) -> int | None:
        """What it draws with; None for a class without a seed."""
        found = self.settings.get("seed", getattr(self.kind, "seed", None))
        return found if isinstance(found, int) else None


@dataclass(frozen=True)
class Comparison:
    """Everything a comparison depends on, under the keys of its YAML file.

    `repeats` is how often all of it is done, each time with the next `split.seed` and the next seed
    of every model that has one; a model's `run` is then a training with as many repeats.
    `chosen_on` says how settings were chosen: "defaults", "validation", "test", "elsewhere"
    (another dataset), or a sentence; for all models that have any, or under a model for it alone.
    """

    data: str
    out: str
    models: dict[str, Any]
    encoder: str | None = None
    text: str | None = None
    image: str | None = None
    min_value: float | None = None
    user_min_support: int = 1
    item_min_support: int = 1
    unknown_items: str = "error"
    missing_text: str = "error"
    missing_image: str = "error"
    cache: str | None = None
    duplicates: str = "error"
    max_seq_length: int | None = None
    trust_remote_code: bool = False
    note: str | None = None
    chosen_on: str | None = None
    save_models: bool = False
    repeats: int = 1
    split: SplitConfig = field(default_factory=SplitConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def entries(self) -> list[Entry]:
        """The models, in the order of the configuration.

        Raises:
            ConfigError: if there is no such model or setting, if a value has the wrong type or is
                outside its range, if a model that knows items by their content has no encoder, or
                if a model that learns from interactions alone has one.
        """
        return [
            self._entry(label, mapping({} if given is None else given, f"models.{label}"))
            for label, given in self.models.items()
        ]

    def _entry(self, label: str, given: Mapping[str, Any]) -> Entry:
        where = f"models.{label}."
        kind = model_class(_model_name(str(given.get("model", label)), where))
        hints = typing.get_type_hints(kind)
        fields = {f.name: f for f in dataclasses.fields(kind) if f.init}  # type: ignore[arg-type]
        # Item vectors come from an encoder, and a configuration holds no other arrays.
        arrays = {name for name in fields if np.ndarray in (hints[name], *get_args(hints[name]))}
        for key, value in given.items():
            if key in _OWN_KEYS:
                require_type(f"{where}{key}", value, str)
                if key == "chosen_on":
                    check_chosen_on(f"{where}{key}", value)
                continue
            require_known(key, [*(set(fields) - arrays), *_OWN_KEYS], where)
            require_type(f"{where}{key}", value, hints[key])
        run = given.get("run")
        encoder = f"{run}/model" if run else given.get("encoder")
        if VECTORS in fields:
            required = fields[VECTORS].default is dataclasses.MISSING
            if encoder is None and required:
                encoder = self.encoder
            if encoder is None and required:
                raise ConfigError(
                    f"models.{label} and no encoder",
                    expected=f"an encoder, since {kind.__name__} knows items by their content",
                    remedy=f"Add encoder: NAME to the configuration, or {where}encoder.",
                )
        elif encoder is not None:
            raise ConfigError(
                f"{where}{'run' if run else 'encoder'}",
                expected=f"no encoder, since {kind.__name__} learns from interactions alone",
                remedy="Remove that key.",
            )
        settings = {key: value for key, value in given.items() if key not in _OWN_KEYS}
        # Refuses values outside their range now, not when the others have been fitted.
        content = {VECTORS: np.eye(2, dtype=np.float32)} if encoder is not None else {}
        kind(**settings, **content)
        return Entry(label, kind, settings, encoder, run, given.get("chosen_on"))


def load_comparison(path: str, overrides: Sequence[str] = ()) -> Comparison:
    """Read a YAML file and apply `key=value` overrides, dots reaching into sections.

    Raises:
        ConfigError: if the file cannot be read, or if `make_comparison` refuses what it says.
    """
    return make_comparison(read_content(path, overrides))


def make_comparison(content: Mapping[str, Any]) -> Comparison:
    """Checked configuration from nested keys and values; `models` may be a list of names.

    Raises:
        ConfigError: if a key, model or setting is unknown, if a value has the wrong type, is
            outside its range or does not fit the others, or if no model is named.
    """
    values = with_sections(content)
    if isinstance(values.get("models"), list):
        values["models"] = {str(name): None for name in values["models"]}
    comparison: Comparison = checked(Comparison, values, "")
    check_image_policy(comparison)
    check_chosen_on("chosen_on", comparison.chosen_on)
    entries = comparison.entries()
    if not entries:
        raise ConfigError(
            "no models", expected="at least one model", remedy="Name some under models."
        )
    published = comparison.split.kind == "published"
    if comparison.split.kind == "none" or published != (comparison.split.test is not None):
        raise ConfigError(
            f"split.kind={comparison.split.kind}, split.test={comparison.split.test}",
            expected="a split that holds something out; files train and test with kind published",
            remedy="Correct the section split.",
        )
    filters = ("min_value", "user_min_support", "item_min_support", "text")
    given = [name for name in filters if getattr(comparison, name) != _default(name)]
    if published and given:
        raise ConfigError(
            f"{', '.join(given)} with split.kind=published",
            expected="interactions as they were published, without a catalog",
            remedy=f"Remove {' and '.join(given)}.",
        )
    seeded = any(entry.seed is not None or entry.run is not None for entry in entries)
    unvaried = published or (comparison.split.kind == "time" and not seeded)
    check_repeats(comparison.repeats, unvaried=comparison.split.kind if unvaried else None)
    return comparison


def _default(name: str) -> Any:
    return next(f.default for f in dataclasses.fields(Comparison) if f.name == name)


def _model_name(given: str, where: str) -> str:
    """The class a name means: capitals, spaces and hyphens do not matter."""
    plain = {_plain(name): name for name in model_names()}
    if _plain(given) in plain:
        return plain[_plain(given)]
    near = difflib.get_close_matches(_plain(given), plain, n=1, cutoff=0.5)
    raise ConfigError(
        f"{where}model={given!r}",
        expected=f"one of {', '.join(sorted(plain.values()))}",
        remedy=f"Did you mean {plain[near[0]]}?" if near else f"Write {where}model: EASE.",
    )


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
