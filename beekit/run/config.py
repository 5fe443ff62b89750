"""The configuration of a run: YAML and overrides in, checked dataclasses out."""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from beekit.errors import ConfigError
from beekit.files import write_text

DEFAULT_METRIC = "calibrated_recall@20"
SPLIT_KINDS = ("cold_start", "user", "time", "none")


@dataclass(frozen=True)
class SplitConfig:
    """What is held out; `validation` is a number (int) or share (float) beside the test part."""

    kind: str = "cold_start"
    items: int | None = None
    users: int | None = None
    fraction: float | None = None
    validation: float | None = None
    seed: int = 42


@dataclass(frozen=True)
class EvaluationConfig:
    """What is measured; no metrics means the library's usual ones."""

    metrics: list[str] = field(default_factory=list)
    top_k: int = 100
    seed: int = 0


@dataclass(frozen=True)
class Config:
    """Everything a training run depends on, under the keys of its YAML file."""

    data: str
    out: str
    encoder: str
    text: str | None = None
    min_value: float | None = None
    user_min_support: int = 1
    item_min_support: int = 1
    unknown_items: str = "error"
    missing_text: str = "error"
    duplicates: str = "error"
    max_seq_length: int | None = None
    trust_remote_code: bool = False
    note: str | None = None
    split: SplitConfig = field(default_factory=SplitConfig)
    training: dict[str, Any] = field(default_factory=dict)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def save(self, path: str | Path) -> None:
        """Write the resolved configuration as YAML."""
        text = yaml.safe_dump(dataclasses.asdict(self), sort_keys=False, allow_unicode=True)
        write_text(path, text)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML file and apply `key=value` overrides, dots reaching into sections.

    Raises:
        ConfigError: no such file, not YAML, or a key or value that `make_config` refuses.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(
            f"no file {path}",
            expected="a YAML configuration",
            remedy="Check the path; train/recipes holds examples.",
        )
    try:
        content = _parse(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not UTF-8 text ({error.reason})",
            expected="a YAML configuration",
            remedy="Save it as UTF-8.",
        ) from error
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path} holds {type(content).__name__}",
            expected="keys and values",
            remedy="Start from a recipe in train/recipes.",
        )
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise ConfigError(
                f"argument {override!r}",
                expected="key=value",
                remedy="Write for example training.learning_rate=5e-5.",
            )
        # Paths and templates are taken as they stand: braces and digits mean nothing in them.
        parsed = value if key in _TEXT_KEYS else _parse(value, override)
        _assign(content, key, parsed if value else None)
    return make_config(content)


def make_config(content: Mapping[str, Any]) -> Config:
    """Checked configuration from nested keys and values.

    Raises:
        ConfigError: an unknown key (with the nearest known one), a value of the wrong type, or a
            required key left out.
    """
    values = dict(content)
    sections: dict[str, Any] = {}
    for name, kind in (("split", SplitConfig), ("evaluation", EvaluationConfig)):
        section = values.pop(name, None) or {}
        sections[name] = _checked(kind, _mapping(section, name), f"{name}.")
    values["training"] = _checked_training(_mapping(values.pop("training", None) or {}, "training"))
    config: Config = _checked(Config, {**values, **sections}, "")
    if config.split.seed < 0 or config.evaluation.seed < 0 or config.evaluation.top_k < 1:
        raise ConfigError(
            f"split.seed={config.split.seed}, evaluation.seed={config.evaluation.seed}, "
            f"evaluation.top_k={config.evaluation.top_k}",
            expected="seeds of at least 0 and a top_k of at least 1",
            remedy="Correct the value.",
        )
    if config.split.kind not in SPLIT_KINDS:
        raise ConfigError(
            f"split.kind={config.split.kind!r}",
            expected=f"one of {', '.join(SPLIT_KINDS)}",
            remedy="Choose one of those.",
        )
    return config


# Keys whose value on the command line is text, whatever it looks like.
_TEXT_KEYS = ("data", "out", "encoder", "text", "note")

# Keys of the training section under beekit's names, and what the Trainer calls them.
TRAINING_ALIASES = {"epochs": "num_train_epochs"}


def _checked_training(section: Mapping[str, Any]) -> dict[str, Any]:
    from beekit.training.arguments import BeeFormerTrainingArguments

    hints = typing.get_type_hints(BeeFormerTrainingArguments)
    named = {
        f.name: hints[f.name] for f in dataclasses.fields(BeeFormerTrainingArguments) if f.init
    }
    owned = {"output_dir", "per_device_train_batch_size"}
    known = [name for name in named if name not in owned] + list(TRAINING_ALIASES)
    for key, value in section.items():
        _require_known(key, known, "training.")
        if key == "bf16" and value == "auto":
            continue
        _require_type(f"training.{key}", value, named[TRAINING_ALIASES.get(key, key)])
    if "epochs" in section and "max_steps" in section:
        raise ConfigError(
            "training.epochs and training.max_steps together",
            expected="one of the two",
            remedy="Leave one out.",
        )
    return dict(section)


def _checked(kind: type, section: Mapping[str, Any], prefix: str) -> Any:
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    for key in section:
        _require_known(key, [f.name for f in fields], prefix)
    for f in fields:
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if required and section.get(f.name) is None:
            raise ConfigError(
                f"no key {prefix}{f.name}",
                expected=f"a value for {prefix}{f.name}",
                remedy=f"Add it to the configuration, or {prefix}{f.name}=... to the command.",
            )
    for key, value in section.items():
        if not dataclasses.is_dataclass(value):
            _require_type(f"{prefix}{key}", value, hints[key])
    return kind(**section)


def _require_known(key: str, known: Sequence[str], prefix: str) -> None:
    if key in known:
        return
    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
    raise ConfigError(
        f"unknown key {prefix}{key}",
        expected="a key beekit knows",
        remedy=f"Did you mean {prefix}{near[0]}?"
        if near
        else f"Known here: {', '.join(sorted(known)[:20])}.",
    )


def _require_type(name: str, value: Any, hint: Any) -> None:
    """Refuse a value that none of the annotated plain types fits; "true" is not true."""
    options = typing.get_args(hint) if _is_union(hint) else (hint,)
    plain = [typing.get_origin(option) or option for option in options]
    # An enumeration or the like: the Trainer's arguments check those themselves.
    checkable = all(o in (bool, int, float, str, list, dict, type(None)) for o in plain)
    if not checkable and not isinstance(value, (dict, list)):
        return
    for option in plain:
        if option is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            return
        if option is int and isinstance(value, int) and not isinstance(value, bool):
            return
        if option in (bool, str, list, dict, type(None)) and isinstance(value, option):
            if option is list and hint == list[str] and not all(isinstance(v, str) for v in value):
                continue
            return
    names = {bool: "true or false", int: "an integer", float: "a number", str: "text"}
    names |= {list: "a list", dict: "keys and values", type(None): "nothing"}
    raise ConfigError(
        f"{name}={value!r}",
        expected=" or ".join(names.get(option, str(option)) for option in plain),
        remedy="Correct the value.",
    )


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _mapping(section: Any, name: str) -> Mapping[str, Any]:
    if isinstance(section, dict):
        return section
    raise ConfigError(
        f"{name}={section!r}", expected="keys and values", remedy=f"Indent them under {name}:."
    )


def _assign(content: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, last = dotted.split(".")
    for section in sections:
        if content.get(section) is None:
            content[section] = {}
        _mapping(content[section], section)
        content = content[section]
    content[last] = value


class _Loader(yaml.SafeLoader):
    """YAML with the floats of YAML 1.2, so that 5e-5 is a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
    list("-+0123456789."),
)


def _parse(text: str, source: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(
            f"{source} is not YAML ({str(error).splitlines()[0]})",
            expected="key: value lines",
            remedy="Quote values that hold braces, colons or hashes.",
        ) from error
