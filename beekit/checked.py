"""Reading a configuration: YAML and `key=value` overrides in, checked values out."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from beekit.errors import ConfigError

# Keys whose value on the command line is text, whatever it looks like.
TEXT_KEYS = (
    *("data", "out", "cache", "note", "text", "image"),
    *("encoder", "image_encoder", "fusion", "pooling", "chosen_on"),
)


def read_content(
    path: str | Path, overrides: Sequence[str] = (), *, examples: str = "train/recipes"
) -> dict[str, Any]:
    """Read a YAML file and apply `key=value` overrides, dots reaching into sections.

    Args:
        path: of the file.
        overrides: `key=value` each.
        examples: the folder with files of its kind.

    Raises:
        ConfigError: if there is no such file, if it is not UTF-8 text or not YAML with keys and
            values, if an override is not `key=value` or cannot be put where its key points, or if a
            text holds a NUL or a lone surrogate.
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
        # Paths and templates are taken as they stand: braces and digits mean nothing in them. Only
        # data=[A, B] is a list of folders.
        as_it_stands = key.rpartition(".")[2] in TEXT_KEYS and not (
            key == "data" and value.startswith("[")
        )
        parsed = value if as_it_stands else _parse(value, override)
        _assign(content, key, parsed if value else None)
    _require_text(content, "")
    return content


def _require_text(value: Any, where: str) -> None:
    """Refuse text that no file can hold and no path can name."""
    if isinstance(value, dict):
        for key, inside in value.items():
            _require_text(str(key), f"the key {where}{key}")
            _require_text(inside, f"{where}{key}.")
    elif isinstance(value, list):
        for number, inside in enumerate(value):
            _require_text(inside, f"{where}{number}.")
    elif isinstance(value, str) and any(
        sign == "\0" or "\ud800" <= sign <= "\udfff" for sign in value
    ):
        raise ConfigError(
            f"{where.rstrip('.')} with a NUL or half of a character",
            expected="text that UTF-8 can hold",
            remedy="Write it again.",
        )


def checked(kind: type, section: Mapping[str, Any], prefix: str) -> Any:
    """A dataclass from a section: no unknown keys, no wrong types, nothing required left out.

    Raises:
        ConfigError: if a key is unknown, if a required key has no value, if a value has the wrong
            type or is not finite, or if `kind` itself refuses a value.
    """
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    for key in section:
        require_known(key, [f.name for f in fields], prefix)
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
            require_type(f"{prefix}{key}", value, hints[key])
    return kind(**section)


def plain(value: Any) -> Any:
    """A value as YAML has it: numpy's numbers as Python's, tuples as lists, also inside."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(inside) for key, inside in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inside) for inside in value]
    return value


def require_known(key: str, known: Sequence[str], prefix: str) -> None:
    """Refuse a key that is not known, naming the nearest that is."""
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


def require_type(name: str, value: Any, hint: Any) -> None:
    """Refuse a value that none of the annotated plain types fits; "true" is not true."""
    options = typing.get_args(hint) if _is_union(hint) else (hint,)
    plain = [typing.get_origin(option) or option for option in options]
    if tuple in plain and isinstance(value, list):
        (inside,) = (typing.get_args(option)[0] for option in options if option is not type(None))
        for element in value:
            require_type(name, element, inside)
        return
    # An enumeration or the like: the Trainer's arguments check those themselves.
    checkable = all(o in (bool, int, float, str, list, dict, type(None)) for o in plain)
    if not checkable and not isinstance(value, (dict, list)):
        return
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(
            f"{name}={value}", expected="a finite number", remedy="Correct the value."
        )
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ConfigError(
            f"{name}={value}", expected="an integer of 64 bits", remedy="Correct the value."
        )
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
    names |= {list: "a list", tuple: "a list", dict: "keys and values", type(None): "nothing"}
    raise ConfigError(
        f"{name}={value!r}",
        expected=" or ".join(names.get(option, str(option)) for option in plain),
        remedy="Correct the value.",
    )


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def plain_integer(text: str) -> int | None:
    """The integer that a text writes in ASCII digits, at most 19 of them; None for anything else.

    `str.isdigit` is true of "²" too, which `int` refuses.
    """
    return int(text) if re.fullmatch(r"-?[0-9]{1,19}", text) else None


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
