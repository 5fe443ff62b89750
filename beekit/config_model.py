"""The base class of configurations: keys are declared once, and errors are one line.

A key is declared by a field with its type, range, default and `description`. Reading checks them,
and the table of keys, the JSON schema for editors and error messages are made from them.
"""

from __future__ import annotations

import difflib
import json
import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

import annotated_types
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.fields import FieldInfo

from beekit.errors import ConfigError
from beekit.json_values import plain

_CHECKS = ConfigDict(
    strict=True, frozen=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True
)
_NAMES: dict[Any, str] = {
    **{bool: "true or false", int: "an integer", float: "a number", str: "text"},
    **{list: "a list", tuple: "a list", dict: "keys and values", type(None): "nothing"},
}
_SECTION = _NAMES[dict]


class ConfigModel(BaseModel):
    """A section of a configuration. Types are strict: the text "4" is no number, and true is not 1;
    but an integer is accepted as a number."""

    model_config = _CHECKS

    @classmethod
    def chosen(cls, section: Any) -> type[ConfigModel]:
        """The class that reads a section: this one, unless a subclass chooses by a key."""
        return cls

    @classmethod
    def unknown(cls, key: Any, section: Mapping[str, Any], where: str) -> ConfigError:
        """The error for a key of the section that the class does not have."""
        return _unknown(key, cls.model_fields, where)

    def replace(self, **changes: Any) -> Self:
        """A copy with changed values; these are not checked."""
        return self.model_copy(update=changes)

    def content(self) -> dict[str, Any]:
        """Keys and values in the form in which YAML holds them."""
        return self.model_dump()


M = TypeVar("M", bound=ConfigModel)


def read(kind: type[M], content: Mapping[str, Any], where: str = "") -> M:
    """A configuration from keys and values, after checking them.

    `where` stands before keys in messages, for example "split.".

    Raises:
        ConfigError: if a key is unknown (the message names the nearest known one), if a required
            key is missing, or if a value has a wrong type or is out of range.
    """
    values = plain(content)
    _require_storable(values, where)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise _in_one_line(kind, values, where, error) from error


def require_known(key: Any, known: Iterable[str], where: str) -> None:
    """Check that a key is known.

    Raises:
        ConfigError: if it is not; the message names the nearest known key.
    """
    if key not in (names := list(known)):
        raise _unknown(key, names, where)


def require_type(name: str, value: Any, hint: Any) -> None:
    """Check that a value has a type; a list counts as a tuple, and a text as an enumeration.

    Raises:
        ConfigError: if it has not.
    """
    _require_storable(value, f"{name}.")
    try:
        # Checked as JSON, because JSON has the types of YAML.
        TypeAdapter(hint, config=_CHECKS).validate_json(json.dumps(value))
    except (ValidationError, TypeError) as error:
        raise _unfit(name, value, hint) from error


def accepts_nothing(hint: Any) -> bool:
    """Whether null is a value of a type."""
    return type(None) in _options(hint)


def type_schema(hint: Any) -> dict[str, Any]:
    """The JSON schema of a type; empty if JSON schema cannot express it."""
    try:
        return TypeAdapter(hint, config=_CHECKS).json_schema()
    except PydanticInvalidForJsonSchema:
        return {}


def text_keys(kind: type[ConfigModel]) -> set[str]:
    """The keys that may hold text, and cannot be a section."""
    return {
        name
        for name, field in kind.model_fields.items()
        if str in (options := _options(field.annotation)) and not any(map(_is_section, options))
    }


def described(hint: Any, limits: Iterable[Any] = ()) -> str:
    """A type in words, such as "a number or nothing"; with `limits`, the range instead."""
    if ranged := " and ".join(filter(None, map(_limit, limits))):
        return ranged
    options = _options(hint)
    if float in options:
        options = [option for option in options if option is not int]
    return " or ".join(dict.fromkeys(filter(None, map(_word, options))))


def _word(option: Any) -> str:
    kind = typing.get_origin(option) or option
    if kind is Annotated:
        plain, *limits = typing.get_args(option)
        return f"{_word(plain)}, {described(plain, limits)}"
    if kind is Literal:
        return ", ".join(map(str, typing.get_args(option)))
    if kind is dict and typing.get_origin(named := (*typing.get_args(option), None)[0]) is Literal:
        return f"keys and values, the keys among {_word(named)}"
    return _NAMES.get(kind, _SECTION * _is_section(option))


def _options(hint: Any) -> list[Any]:
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return list(typing.get_args(hint)) if union else [hint]


def _is_section(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, ConfigModel)


def _limit(limit: Any) -> str:
    match limit:
        case annotated_types.Ge(ge=least):
            return f"{least} or more"
        case annotated_types.Gt(gt=least):
            return f"above {least}"
        case annotated_types.Lt(lt=most):
            return f"below {most}"
        case annotated_types.Le(le=most):
            return f"{most} or less"
    return ""


def _in_one_line(
    kind: type[ConfigModel], values: Any, where: str, error: ValidationError
) -> ConfigError:
    """The first mistake as a ConfigError. An unknown key comes first, because a misspelt key also
    leaves out the right one."""
    first = min(error.errors(), key=lambda one: "extra_forbidden" not in one["type"])
    owner, section, key = kind.chosen(values), values, first["loc"][0]
    for deeper in first["loc"][1:]:
        field = owner.model_fields.get(str(key))
        if field is None or not _is_section(field.annotation):
            break  # the rest is inside a list or names a type of several: show the key's value
        owner = typing.cast(type[ConfigModel], field.annotation).chosen(section[key])
        section, where, key = section[key], f"{where}{key}.", deeper
    field, value = owner.model_fields.get(str(key)), section.get(key)
    if field is None:
        return owner.unknown(key, section, where)
    return _mistake(f"{where}{key}", value, field, ranged="than" in first["type"])


def _mistake(name: str, value: Any, field: FieldInfo, *, ranged: bool) -> ConfigError:
    if value is None and field.is_required():
        return ConfigError(
            f"no key {name}",
            expected=f"a value for {name}",
            remedy=f"Add it to the configuration, or {name}=... to the command.",
        )
    return _unfit(name, value, field.annotation, field.metadata if ranged else ())


def _unfit(name: str, value: Any, hint: Any, limits: Iterable[Any] = ()) -> ConfigError:
    if typing.get_origin(hint) is Literal:
        known = list(map(str, typing.get_args(hint)))
        near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
        return ConfigError(
            f"{name}={value!r}",
            expected=f"one of {', '.join(known)}",
            remedy=f"Did you mean {near[0]}?" if near else "Choose one of those.",
        )
    return _wrong(name, value, described(hint, limits))


def _wrong(name: str, value: Any, expected: str) -> ConfigError:
    remedy = f"Indent them under {name}:." if expected == _SECTION else "Correct the value."
    return ConfigError(f"{name}={value!r}", expected=expected, remedy=remedy)


def _unknown(key: Any, known: Iterable[str], where: str) -> ConfigError:
    names = list(known)
    near = difflib.get_close_matches(str(key), names, n=1, cutoff=0.5)
    return ConfigError(
        f"unknown key {where}{key}",
        expected="a known key",
        remedy=f"Did you mean {where}{near[0]}?"
        if near
        else f"Known keys: {', '.join(sorted(names)[:20])}.",
    )


def _require_storable(value: Any, where: str) -> None:
    """Check that no number or text in a value, at any depth, is one that no file can hold.

    Raises:
        ConfigError: if there is one.
    """
    name = where.rstrip(".")
    if isinstance(value, dict):
        for key, inside in value.items():
            _require_storable(str(key), f"the key {where}{key}")
            _require_storable(inside, f"{where}{key}.")
    elif isinstance(value, list):
        for number, inside in enumerate(value):
            _require_storable(inside, f"{where}{number}.")
    elif isinstance(value, float) and not math.isfinite(value):
        raise _wrong(name, value, "a finite number")
    elif isinstance(value, int) and abs(value) >= 2**63:
        raise _wrong(name, value, "an integer of 64 bits")
    elif isinstance(value, str) and any(
        sign == "\0" or "\ud800" <= sign <= "\udfff" for sign in value
    ):
        found = f"{name} with a NUL character or half of a surrogate pair"
        raise ConfigError(found, expected="text that UTF-8 can hold", remedy="Correct the text.")
