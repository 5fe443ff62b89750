"""The configuration of `beekit evaluate`: a dataset, a split, and the models of the table."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from pydantic import Field, field_validator

from beekit.config_file import mapping, read_config_file
from beekit.config_model import read, require_known, require_type, text_keys
from beekit.data.table_file import SIGNS
from beekit.errors import BeekitError, ConfigError
from beekit.evaluation.named_metrics import usual_metrics
from beekit.evaluation.rating_metrics import rating_metrics
from beekit.models.registry import by_name, can_be_saved, parameters, takes_anything
from beekit.results import RATING
from beekit.run.data_config import DataConfig, EvaluationConfig
from beekit.run.settings_source import check_chosen_on

# Keys of a model that say which one, whose embeddings it gets, and how it was set; all others are
# its settings.
OWN_KEYS = ("model", "encoder", "run", "chosen_on")
# The setting that takes item embeddings.
VECTORS = "vectors"


@dataclass(frozen=True)
class Entry:
    """A row of the table to be: a model's class and settings, without item vectors.

    `encoder` embeds the catalog for it, None for a model without content; `run` is the folder that
    the encoder comes from, if so; `chosen_on` says how its settings were chosen, if it is stated.
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
        default = parameters(self.kind).get("seed")
        found = self.settings.get("seed", default and default.default)
        return found if isinstance(found, int) else None


class Comparison(DataConfig):
    """Everything a comparison depends on, under the keys of its YAML file.

    With `repeats`, each has the next `split.seed` and the next seed of every model that has one; a
    model's `run` is then a training with as many repeats.
    """

    needs_catalog: ClassVar[bool] = False

    data: str = Field(description="Dataset folder.")
    encoder: str | None = Field(
        None, description="Encoder of the models that know items by content and name none."
    )
    models: dict[str, Any] = Field(
        description="The table's rows by name, or a list of names: `model` is the class where the "
        "name is another, then `encoder`, or `run` for a run's encoder, `chosen_on`, and the "
        "settings of the class."
    )
    task: Literal["ranking", "rating"] = Field(
        "ranking",
        description="What models are compared by: how they rank items, or how they predict ratings "
        "(the column `value`).",
    )
    save_models: bool = Field(
        False, description="Whether fitted models are kept, for `beekit recommend`."
    )

    @field_validator("models", mode="before")
    @classmethod
    def _by_name(cls, models: Any) -> Any:
        if isinstance(models, list):
            return {str(name): None for name in models}
        return {str(k): v for k, v in models.items()} if isinstance(models, dict) else models

    def entries(self) -> list[Entry]:
        """The models, in the order of the configuration; a ConfigError if one is refused."""
        return [
            self._entry(label, mapping({} if given is None else given, f"models.{label}"))
            for label, given in self.models.items()
        ]

    def _entry(self, label: str, given: Mapping[str, Any]) -> Entry:
        where = f"models.{label}."
        kind = by_name(str(given.get("model", label)), where)
        taken = parameters(kind)
        hints = typing.get_type_hints(kind if dataclasses.is_dataclass(kind) else kind.__init__)
        # Item vectors come from an encoder, and a configuration holds no other arrays.
        for key, value in given.items():
            if key in OWN_KEYS:
                require_type(f"{where}{key}", value, str)
                if key == "chosen_on":
                    check_chosen_on(f"{where}{key}", value)
                continue
            if key in taken or not takes_anything(kind):
                require_key(key, value, {name: hints.get(name, Any) for name in taken}, where)
        run = given.get("run")
        encoder = f"{run}/model" if run else given.get("encoder")
        if VECTORS in taken:
            required = taken[VECTORS].default is inspect.Parameter.empty
            if encoder is None and required:
                encoder = self.encoder
            if encoder is None and required:
                raise ConfigError(
                    f"models.{label} and no encoder",
                    expected=f"an encoder, since {kind.__name__} knows items by their content",
                    remedy=f"Add encoder: NAME to the configuration, or {where}encoder.",
                )
        elif encoder is not None:
            found = f"{where}{'run' if run else 'encoder'}"
            expected = f"no encoder, since {kind.__name__} learns from interactions alone"
            raise ConfigError(found, expected=expected, remedy="Remove that key.")
        settings = {key: value for key, value in given.items() if key not in OWN_KEYS}
        # Refuses values outside their range now, not when the others have been fitted.
        content = {VECTORS: np.eye(2, dtype=np.float32)} if encoder is not None else {}
        try:
            kind(**settings, **content)
        except BeekitError:
            raise
        except Exception as error:  # whatever a class from outside raises
            found = f"models.{label}, of which {kind.__name__} says {type(error).__name__}: {error}"
            expected = "settings that the class takes"
            raise ConfigError(found, expected=expected, remedy="Correct them.") from error
        if self.save_models and not can_be_saved(kind):
            found = f"save_models=true and models.{label}, a {kind.__name__} without save and load"
            remedy = "Make the class a dataclass, or add save(folder) and load(folder)."
            raise ConfigError(found, expected="models that can be kept", remedy=remedy)
        predicts = callable(getattr(kind, "predict", None))
        if self.task == RATING and not (predicts and getattr(kind, "reads", "items") == "values"):
            lacks = 'reads = "values"' if predicts else "predict"
            raise ConfigError(
                f"models.{label} in task: rating, a {kind.__name__} without {lacks}",
                expected="models that predict ratings, such as BiasedMF or AutoRec",
                remedy=f"Remove models.{label}, or set task: ranking.",
            )
        return Entry(label, kind, settings, encoder, run, given.get("chosen_on"))


def require_key(key: str, value: Any, types: Mapping[str, Any], where: str) -> None:
    """Refuse a key that is no setting that a configuration can give, or a value of another type.

    Args:
        key, value: as in the configuration.
        types: the types of all settings of the model.
        where: for messages, what stands before the key.

    Raises:
        ConfigError: if it is refused.
    """
    given_here = [
        name
        for name, kind in types.items()
        if name != VECTORS and np.ndarray not in (kind, *get_args(kind))
    ]
    require_known(key, [*given_here, *OWN_KEYS], where)
    require_type(f"{where}{key}", value, types[key])


def load_comparison(path: str, overrides: Sequence[str] = ()) -> Comparison:
    """Read a YAML file and apply `key=value` overrides, dots reaching into sections."""
    return make_comparison(comparison_content(path, overrides))


def comparison_content(path: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Keys and values of a comparison, of which nothing is checked yet."""
    keys, examples = {*text_keys(Comparison), *SIGNS}, "`beekit evaluate --list`"
    return read_config_file(path, overrides, text_keys=keys, examples=examples)


def make_comparison(content: Mapping[str, Any]) -> Comparison:
    """Checked configuration from nested keys and values; `models` may be a list of names.

    Raises:
        ConfigError: if a key, model or setting is unknown, if a value is refused or does not fit
            the others, or if no model is named.
    """
    comparison = read_comparison(content)
    entries, split = comparison.entries(), comparison.split
    if not entries:
        raise ConfigError(
            "no models", expected="at least one model", remedy="Name some under models."
        )
    seeded = any(entry.seed is not None or entry.run is not None for entry in entries)
    comparison.check_repeats(vary=split.repeatable and (seeded or split.drawn != ""))
    return comparison


def metrics_of(config: Comparison) -> tuple[str, ...]:
    """The names of the metrics of a comparison.

    Raises:
        ConfigError: if one is unknown, or not of its task.
    """
    asked = config.evaluation.metrics
    if config.task == RATING:
        return rating_metrics(asked)
    return usual_metrics(asked, config.evaluation.top_k)


def read_comparison(content: Mapping[str, Any]) -> Comparison:
    """`make_comparison` without a look at the models, whose classes take seconds to import.

    Raises:
        ConfigError: if a key is unknown, or if a value is refused or does not fit the others.
    """
    comparison = read(Comparison, content)
    comparison.check_image_policy()
    split = comparison.split
    if not split.holds_out:
        found = f"split.kind={split.kind}"
        remedy = "Choose another kind."
        raise ConfigError(found, expected="a split that holds something out", remedy=remedy)
    filters = ("min_value", "user_min_support", "item_min_support", "text", "interactions", "items")
    given = [n for n in filters if getattr(comparison, n) != Comparison.model_fields[n].default]
    given += ["columns"] if any(comparison.columns.content().values()) else []
    if split.own_files and given:
        found = f"{', '.join(given)} with split.kind={split.kind}"
        expected = "interactions as they were published, without a catalog"
        raise ConfigError(found, expected=expected, remedy=f"Remove {' and '.join(given)}.")
    if comparison.task == RATING:
        _require_ratings(comparison)
    if not split.repeatable:
        comparison.check_repeats(vary=False)
    return comparison


def _require_ratings(comparison: Comparison) -> None:
    """Refuse what has no meaning, or no effect, where ratings are predicted."""
    split = comparison.split
    if not split.rates:
        raise ConfigError(
            f"task: rating with split.kind={split.kind}",
            expected="a split that holds out ratings of known items, such as random",
            remedy="Set split: {kind: random, fraction: 0.1}, or task: ranking.",
        )
    if comparison.encoder is not None:
        raise ConfigError(
            f"task: rating with encoder={comparison.encoder}",
            expected="no encoder, since models of ratings do not know items by content",
            remedy="Remove encoder.",
        )
    if comparison.evaluation.top_k != EvaluationConfig.model_fields["top_k"].default:
        raise ConfigError(
            f"task: rating with evaluation.top_k={comparison.evaluation.top_k}",
            expected="no length of lists, since nothing is ranked",
            remedy="Remove evaluation.top_k.",
        )
