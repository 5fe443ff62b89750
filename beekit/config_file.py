"""A configuration file: YAML, with `key=value` overrides from the command line."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from beekit.errors import ConfigError
from beekit.plain import plain_integer


def read_config_file(
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    text_keys: Collection[str] = (),
    examples: str = "train/recipes",
) -> dict[str, Any]:
    """Read a YAML file and apply `key=value` overrides, dots reaching into sections.

    Args:
        path: of the file.
        overrides: `key=value` each.
        text_keys: keys whose value on the command line is text, whatever it looks like: braces and
            digits mean nothing in paths and templates. Only `data=[A, B]` is a list of folders.
        examples: the folder with files of its kind.

    Raises:
        ConfigError: if there is no such file, if it is not UTF-8 text or not YAML with keys and
            values, or if an override is not `key=value` or cannot be put where its key points.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(
            f"no file {path}",
            expected="a YAML configuration",
            remedy=f"Check the path; {examples} holds examples.",
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
            remedy=f"Start from a file in {examples}.",
        )
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals or not key:
            raise ConfigError(
                f"argument {override!r}",
                expected="key=value",
                remedy="Write for example training.learning_rate=5e-5.",
            )
        as_it_stands = key.rpartition(".")[2] in text_keys and not (
            key == "data" and value.startswith("[")
        )
        parsed = value if as_it_stands else _parse(value, override)
        _assign(content, key, parsed if value else None)
    return content


def mapping(section: Any, name: str) -> Mapping[str, Any]:
    """A section that holds keys and values.

    Raises:
        ConfigError: if the section holds anything other than keys and values.
    """
    if isinstance(section, dict):
        return section
    raise ConfigError(
        f"{name}={section!r}", expected="keys and values", remedy=f"Indent them under {name}:."
    )


def _assign(content: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, last = dotted.split(".")
    for number, section in enumerate(sections):
        inside = content.get(section)
        if isinstance(inside, list):  # data.0.data=DIR reaches into the first of a list
            _assign_in_list(inside, [*sections[number + 1 :], last], dotted, value)
            return
        if inside is None:
            content[section] = {}
        mapping(content[section], section)
        content = content[section]
    content[last] = value


def _assign_in_list(inside: list[Any], keys: list[str], dotted: str, value: Any) -> None:
    written, *rest = keys
    place = plain_integer(written)
    if place is None or not 0 <= place < len(inside):
        raise ConfigError(
            f"argument {dotted}",
            expected=f"a number from 0 to {len(inside) - 1}, since that key holds a list",
            remedy="Write for example data.0.min_value=4.",
        )
    if not rest:
        inside[place] = value
        return
    if not isinstance(inside[place], dict):
        inside[place] = {"data": inside[place]}
    _assign(inside[place], ".".join(rest), value)


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
    except (yaml.YAMLError, ValueError) as error:  # a date that is none is the latter
        raise ConfigError(
            f"{source} is not YAML ({str(error).splitlines()[0]})",
            expected="key: value lines",
            remedy="Quote values that hold braces, colons or hashes.",
        ) from error
