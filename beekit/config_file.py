"""Reading a YAML configuration file and applying `key=value` arguments of the command line."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from beekit.errors import ConfigError
from beekit.json_values import plain_integer


def read_config_file(
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    text_keys: Collection[str] = (),
    examples: str = "`beekit train --list`",
) -> dict[str, Any]:
    """Read a YAML file and apply `key=value` overrides; a key with dots is inside a section.

    Args:
        path: the file.
        overrides: `key=value` texts. Values are YAML.
        text_keys: keys whose values are always text and not YAML, so that paths and templates may
            hold braces and digits; except that `data=[A, B]` is a list of folders.
        examples: for messages, where examples of such files are.

    Raises:
        ConfigError: if the file or an override cannot be read, if a section has a key twice, if two
            overrides give a key different values, or if an override of a section comes after one of
            a key in it.
    """
    path, expected = Path(path), "a YAML configuration"
    if not path.is_file():
        remedy = f"Check the path; see {examples} for examples."
        raise ConfigError(f"no file {path}", expected=expected, remedy=remedy)
    try:
        content = _parse(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        found = f"{path} is not UTF-8 text ({error.reason})"
        raise ConfigError(found, expected=expected, remedy="Save it as UTF-8.") from error
    if not isinstance(content, dict):
        found, remedy = f"{path} holds {type(content).__name__}", f"See {examples} for examples."
        raise ConfigError(found, expected="keys and values", remedy=remedy)
    said: dict[tuple[str, ...], str] = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            remedy = "Write for example training.learning_rate=5e-5."
            raise ConfigError(f"argument {override!r}", expected="key=value", remedy=remedy)
        _require_said_once(said, tuple(key.split(".")), override)
        as_it_stands = key.rpartition(".")[2] in text_keys and not (
            key == "data" and value.startswith("[")
        )
        parsed = value if as_it_stands else _parse(value, override)
        _assign(content, key.split("."), key, parsed if value else None)
    return content


def mapping(section: Any, name: str) -> Mapping[str, Any]:
    """The section itself, if it holds keys and values.

    Raises:
        ConfigError: if it does not.
    """
    if isinstance(section, dict):
        return section
    remedy = f"Indent them under {name}:."
    raise ConfigError(f"{name}={section!r}", expected="keys and values", remedy=remedy)


def _require_said_once(said: dict[tuple[str, ...], str], keys: tuple[str, ...], now: str) -> None:
    """Refuse an override that another one before it contradicts, and keep it otherwise."""
    for before, override in said.items():
        if before[: len(keys)] == keys and override != now:
            found = f"arguments {override} and {now}"
            expected = "each key once" if before == keys else "sections before their keys"
            raise ConfigError(found, expected=expected, remedy="Leave one of them out.")
    said[keys] = now


def _assign(inside: Any, keys: Sequence[str], dotted: str, value: Any) -> None:
    """Set the value at a path of keys; a number in it is a position in a list: data.0.min_value."""
    key: Any = keys[0]
    if isinstance(inside, list):
        key = plain_integer(keys[0])
        if key is None or not 0 <= key < len(inside):
            found, remedy = f"argument {dotted}", "Write for example data.0.min_value=4."
            expected = f"a number from 0 to {len(inside) - 1}, because the key holds a list"
            raise ConfigError(found, expected=expected, remedy=remedy)
    if len(keys) == 1:
        inside[key] = value
        return
    if isinstance(inside, list) and not isinstance(inside[key], dict):
        inside[key] = {"data": inside[key]}
    elif isinstance(inside, dict) and inside.get(key) is None:
        inside[key] = {}
    if not isinstance(inside[key], list):
        mapping(inside[key], keys[0])
    _assign(inside[key], keys[1:], dotted, value)


class _Loader(yaml.SafeLoader):
    """A YAML loader with the floats of YAML 1.2, so that 5e-5 is a number; no section may have a
    key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.value == "<<":
                continue
            key = (key_node.tag, key_node.value)
            if key in seen:
                line = key_node.start_mark.line + 1
                found = f"the key {key_node.value} twice, again in line {line}"
                raise ConfigError(found, expected="each key once", remedy="Remove one of the two.")
            seen.add(key)
        made: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return made


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$"),
    list("-+0123456789."),
)


def _parse(text: str, source: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:  # an impossible date raises a ValueError
        found = f"{source} is not YAML ({str(error).splitlines()[0]})"
        remedy = "Quote values that hold braces, colons or hashes."
        raise ConfigError(found, expected="key: value lines", remedy=remedy) from error
