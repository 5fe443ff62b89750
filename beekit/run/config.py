"""The configuration of `beekit train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from beekit.config_file import mapping, read_config_file
from beekit.config_model import read, text_keys
from beekit.data.table_file import SIGNS
from beekit.data_folder import dataset_name
from beekit.errors import ConfigError
from beekit.run.data_config import DataConfig, DatasetEntry
from beekit.training.key_checks import checked_section

Dtype = Literal["float32", "float16", "bfloat16"] | None
# Keys of which one takes the place of another.
_SIZES = ("items", "users", "fraction")


class Config(DataConfig):
    """Everything a training run depends on, under the keys of its YAML file."""

    data: str | list[Any] = Field(
        description="Dataset folder; or a list for several datasets at once, of folders or of "
        "sections with `data` and the keys whose values differ for this dataset."
    )
    encoder: str = Field(description="Encoder to fine-tune: a name on the Hub, or a folder.")
    image_encoder: str | None = Field(
        None, description="Encoder of the pictures, where `encoder` reads texts only."
    )
    fusion: str | None = Field(
        None, description="How text and picture are joined: mean, concat or gated."
    )
    pooling: str | None = Field(
        None, description="How token embeddings become one, other than the encoder's own way."
    )
    dtype: Dtype = Field(
        None,
        description="What the trained weights are saved in; what "
        "they came in without it. They are trained in float32, with bf16 where `training` asks.",
    )
    training: dict[str, Any] = Field(
        default_factory=dict, description="How the encoder is trained."
    )

    @field_validator("training", mode="before")
    @classmethod
    def _of_keys(cls, given: Any) -> dict[str, Any]:
        return dict(mapping({} if given is None else given, "training"))

    def datasets(self) -> list[Config]:
        """The configuration as it is for each dataset, in their order."""
        if isinstance(self.data, str):
            return [self]
        configs = [self._of_dataset(number, entry) for number, entry in enumerate(self.data)]
        names = [config.name for config in configs]
        if not names or len(set(names)) < len(names):
            found = f"data with the folders {', '.join(names) or '(none)'}"
            expected = "folders of different names, since results are kept by name"
            raise ConfigError(found, expected=expected, remedy="Rename one of them.")
        return configs

    @property
    def name(self) -> str:
        """Of the one dataset."""
        return dataset_name(str(self.data))

    def _of_dataset(self, number: int, entry: Any) -> Config:
        where = f"data.{number}."
        given: dict[str, Any] = {"data": entry}
        if not isinstance(entry, str):
            given = dict(mapping(entry, where[:-1]))
        if "split" in given:
            own = mapping(given["split"] or {}, f"{where}split")
            given["split"] = {**self._split_above(own), **own}
        changed = read(DatasetEntry, given, where)
        return self.replace(**{name: getattr(changed, name) for name in changed.model_fields_set})

    def _split_above(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """What the split section above says that a dataset's own does not replace."""
        if own.get("kind", self.split.kind) != self.split.kind:
            return {"seed": self.split.seed}
        replaced = _SIZES if set(own) & set(_SIZES) else ()
        return {k: v for k, v in self.split.content().items() if k not in replaced}


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML file and apply `key=value` overrides, dots reaching into sections."""
    return make_config(read_config_file(path, overrides, text_keys={*text_keys(Config), *SIGNS}))


def load_saved_config(path: str | Path) -> Config:
    """The configuration that a training wrote; an earlier version may have taken other arguments of
    the Trainer, so its section `training` is taken as it stands."""
    return _consistent(read(Config, read_config_file(path)))


def make_config(content: Mapping[str, Any]) -> Config:
    """Checked configuration from nested keys and values.

    Raises:
        ConfigError: if a key is unknown (the message names the nearest known one), if a required
            key is left out, or if a value is refused or does not fit the others.
    """
    config = read(Config, content)
    return _consistent(config.replace(training=checked_section(config.training)))


def _consistent(config: Config) -> Config:
    """The configuration, if its keys fit each other."""
    datasets = config.datasets()
    for own in datasets:
        own.check_image_policy()
    splits = {own.split.kind: own.split for own in datasets}
    if not all(split.trainable for split in splits.values()):
        raise ConfigError(
            f"split.kind={', '.join(splits)} in a training",
            expected="a split that leaves interactions and texts to train on",
            remedy="Use it with `beekit evaluate`, or train with split.kind=cold_start.",
        )
    config.check_repeats(vary=any(split.repeatable for split in splits.values()))
    return datasets[0] if len(datasets) == 1 else config
