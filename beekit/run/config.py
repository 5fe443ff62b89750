"""The configuration of a run: the keys beekit knows, as dataclasses."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from beekit.checked import checked, mapping, plain, read_content, require_known, require_type
from beekit.errors import ConfigError
from beekit.run.chosen import check_chosen_on

SPLIT_KINDS = ("cold_start", "user", "time", "none", "zero_shot", "published")
# Splits with no training interactions, or no items table.
_NOTHING_TO_LEARN = ("zero_shot", "published")


@dataclass(frozen=True)
class SplitConfig:
    """What is held out; `validation` is a number (int) or share (float) beside the test part.

    `warm_fraction` belongs to a cold-start split, `source_fraction` to user and zero-shot splits,
    `train` and `test` (files in the dataset folder) to a published one.
    """

    kind: str = "cold_start"
    items: int | None = None
    users: int | None = None
    fraction: float | None = None
    validation: float | None = None
    warm_fraction: float | None = None
    source_fraction: float | None = None
    train: str | None = None
    test: str | None = None
    seed: int = 42


@dataclass(frozen=True)
class EvaluationConfig:
    """What is measured; no metrics means the library's usual ones."""

    metrics: list[str] = field(default_factory=list)
    top_k: int = 100
    seed: int = 0


@dataclass(frozen=True)
class Config:
    """Everything a training run depends on, under the keys of its YAML file.

    `data` is a dataset folder, or a list for several datasets at once: folders, or mappings with a
    folder under `data` and whatever keys of `DATASET_KEYS` are other for it than above. An item is
    what `text` (a template), `image` (a column) or both say; `missing_text` and `missing_image` are
    "error", "drop", or "keep" for items that have the other. `encoder` reads it; where it reads
    texts only and there are pictures too, `image_encoder` reads those, and `fusion` joins them.
    `pooling` is other than the encoder's own, `cache` keeps preprocessed pictures. `chosen_on` says
    how the training section was chosen: "defaults", "validation", "test", "elsewhere" (another
    dataset), or a sentence. `repeats` is how often all of it is done, each time with the next
    `split.seed` and `training.seed`.
    """

    data: str | list
    out: str
    encoder: str
    image_encoder: str | None = None
    fusion: str | None = None
    pooling: str | None = None
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
    repeats: int = 1
    split: SplitConfig = field(default_factory=SplitConfig)
    training: dict[str, Any] = field(default_factory=dict)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def datasets(self) -> list[Config]:
        """The configuration as it is for each dataset, in their order.

        Raises:
            ConfigError: if `data` is an empty list, if an entry is not a dataset, or if two
                datasets have the same name.
        """
        if isinstance(self.data, str):
            return [self]
        parts = [self._part(number, entry) for number, entry in enumerate(self.data)]
        names = [part.name for part in parts]
        if not names or len(set(names)) < len(names):
            raise ConfigError(
                f"data with the folders {', '.join(names) or '(none)'}",
                expected="folders of different names, since results are kept by name",
                remedy="Rename one of them.",
            )
        return parts

    @property
    def name(self) -> str:
        """Of the one dataset: that of its folder."""
        return Path(str(self.data)).resolve().name

    def _part(self, number: int, entry: Any) -> Config:
        where = f"data.{number}."
        given = {"data": entry} if isinstance(entry, str) else dict(mapping(entry, where[:-1]))
        hints = typing.get_type_hints(Config)
        for key, value in given.items():
            require_known(key, ["data", *DATASET_KEYS], where)
            if key != "split":
                require_type(f"{where}{key}", value, str if key == "data" else hints[key])
        if "data" not in given:
            raise ConfigError(f"no key {where}data", expected="a dataset folder", remedy="Add it.")
        if "split" in given:
            own = dict(mapping(given["split"] or {}, f"{where}split"))
            given["split"] = with_sections({"split": {**self._split_above(own), **own}})["split"]
        return dataclasses.replace(self, **given)

    def _split_above(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """What the split section above says that a dataset's own does not replace."""
        if own.get("kind", self.split.kind) != self.split.kind:
            return {"seed": self.split.seed}
        sizes = ("items", "users", "fraction")
        replaced = sizes if set(own) & set(sizes) else ()
        return {k: v for k, v in dataclasses.asdict(self.split).items() if k not in replaced}


# What an entry of `data` may say for its dataset alone.
DATASET_KEYS = (
    *("text", "image", "min_value", "user_min_support", "item_min_support"),
    *("unknown_items", "missing_text", "missing_image", "duplicates", "split"),
)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML file and apply `key=value` overrides, dots reaching into sections.

    Raises:
        ConfigError: if there is no such file, if it is not YAML, or if `make_config` refuses a key
            or value.
    """
    return make_config(read_content(path, overrides))


def make_config(content: Mapping[str, Any]) -> Config:
    """Checked configuration from nested keys and values.

    Raises:
        ConfigError: if a key is unknown (the message names the nearest known one), if a required
            key is left out, or if a value has the wrong type, is outside its range or does not fit
            the others.
    """
    values = with_sections(content)
    values["training"] = _checked_training(mapping(values.get("training") or {}, "training"))
    config: Config = checked(Config, values, "")
    check_chosen_on("chosen_on", config.chosen_on)
    for part in config.datasets():
        check_image_policy(part)
    if isinstance(config.data, list) and len(config.data) == 1:
        config = config.datasets()[0]
    kinds = [part.split.kind for part in config.datasets()]
    if set(kinds) & set(_NOTHING_TO_LEARN):
        raise ConfigError(
            f"split.kind={', '.join(dict.fromkeys(kinds))} in a training",
            expected="a split that leaves interactions and texts to train on",
            remedy="Use it with `beekit evaluate`, or train with split.kind=cold_start.",
        )
    check_repeats(config.repeats, unvaried="none" if set(kinds) == {"none"} else None)
    return config


def check_repeats(repeats: int, unvaried: str | None) -> None:
    """Refuse a number of repeats below 1, and several that could not differ.

    Args:
        repeats: as configured.
        unvaried: the kind of split, where it leaves nothing to vary or to measure.

    Raises:
        ConfigError: if `repeats` is below 1, or if there are several and they could not differ.
    """
    if repeats < 1:
        raise ConfigError(f"repeats={repeats}", expected="1 or more", remedy="Correct the value.")
    if repeats > 1 and unvaried:
        raise ConfigError(
            f"repeats={repeats} with split.kind={unvaried}",
            expected="results that vary from repeat to repeat",
            remedy="Remove `repeats`, or use a split that is drawn, such as cold_start.",
        )


def require_single(config: Any) -> None:
    """Refuse repeats where one run is made, which would leave the others out in silence.

    Raises:
        ConfigError: if `repeats` is not 1, since the other repeats would be left out without a
            message.
    """
    if config.repeats != 1:
        raise ConfigError(
            f"repeats={config.repeats} for one run",
            expected="repeats=1",
            remedy="Use `beekit train` or `beekit evaluate`, or a function of beekit.run.repeats.",
        )


def check_image_policy(config: Any) -> None:
    """Refuse a `missing_image` that is none, or that keeps items without anything to know them by.

    Raises:
        ConfigError: if `missing_image` is not one of the policies, or if it is "keep" and the
            configuration does not name both `text` and `image`.
    """
    policies = ("error", "drop", "keep")
    if config.missing_image not in policies:
        raise ConfigError(
            f"missing_image={config.missing_image!r}",
            expected=f"one of {', '.join(policies)}",
            remedy="Choose one of those.",
        )
    if config.missing_image == "keep" and (config.text is None or config.image is None):
        raise ConfigError(
            "missing_image=keep without both a text and a picture of items",
            expected="items known by the one where they lack the other",
            remedy="Name `text` and `image`, or use missing_image=drop.",
        )


def with_sections(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with its sections `split` and `evaluation` as checked dataclasses.

    Raises:
        ConfigError: if a key does not belong there, or if a value has the wrong type or is outside
            its range.
    """
    values: dict[str, Any] = plain(content)
    for name, kind in (("split", SplitConfig), ("evaluation", EvaluationConfig)):
        values[name] = checked(kind, mapping(values.get(name) or {}, name), f"{name}.")
    split, evaluation = values["split"], values["evaluation"]
    if split.seed < 0 or evaluation.seed < 0 or evaluation.top_k < 1:
        raise ConfigError(
            f"split.seed={split.seed}, evaluation.seed={evaluation.seed}, "
            f"evaluation.top_k={evaluation.top_k}",
            expected="seeds of at least 0 and a top_k of at least 1",
            remedy="Correct the value.",
        )
    if split.kind not in SPLIT_KINDS:
        raise ConfigError(
            f"split.kind={split.kind!r}",
            expected=f"one of {', '.join(SPLIT_KINDS)}",
            remedy="Choose one of those.",
        )
    return values


# Keys of the training section under beekit's names, and what the Trainer calls them.
TRAINING_ALIASES = {"epochs": "num_train_epochs"}


def _checked_training(section: Mapping[str, Any]) -> dict[str, Any]:
    from beekit.training.arguments import BeeFormerTrainingArguments

    hints = typing.get_type_hints(BeeFormerTrainingArguments)
    named = {
        f.name: hints[f.name] for f in dataclasses.fields(BeeFormerTrainingArguments) if f.init
    }
    # A token would lie in config.yaml for all to read.
    owned = {"output_dir", "per_device_train_batch_size", "hub_token"}
    known = [name for name in named if name not in owned] + list(TRAINING_ALIASES)
    for key, value in section.items():
        require_known(key, known, "training.")
        if key == "bf16" and value == "auto":
            continue
        require_type(f"training.{key}", value, named[TRAINING_ALIASES.get(key, key)])
    if "epochs" in section and "max_steps" in section:
        raise ConfigError(
            "training.epochs and training.max_steps together",
            expected="one of the two",
            remedy="Leave one out.",
        )
    return dict(section)
