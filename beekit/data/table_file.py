"""How a table of a dataset folder is named and written: `interactions`, `items` and `columns`."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from beekit.config_model import ConfigModel, read
from beekit.errors import ConfigError

# What YAML has no plain sign for.
_WORDS = {"tab": "\t", "\\t": "\t", "space": " ", "null": None}
SIGNS = ("separator", "quote", "escape", "decimal")
"""The keys of a table whose values are signs, some of which mean something to YAML."""


class ColumnNames(ConfigModel):
    """The section `columns`: what a file calls the columns that have a meaning."""

    user_id: str | None = Field(None, description="The file's name of the column `user_id`.")
    item_id: str | None = Field(
        None, description="The file's name of the column `item_id`, in both tables."
    )
    value: str | None = Field(None, description="The file's name of the column `value`.")
    timestamp: str | None = Field(
        None,
        description="The file's name of the column `timestamp`: times, or places in each user's "
        "history.",
    )


class TableFile(ConfigModel):
    """A table that is more than a file name: `interactions` or `items` with keys of its own."""

    file: str = Field(
        description="File in the dataset folder; a folder of parts, or a pattern such as "
        "`part-*.csv`, for a table in several."
    )
    columns: ColumnNames = Field(
        default_factory=lambda: ColumnNames.model_validate({}),
        description="Names of its columns, before those of `columns` for both tables.",
    )
    separator: str | None = Field(
        None,
        description="Of CSV: what stands between columns, such as `;`, `tab` or `::`; detected "
        "where only one separator fits the first line. With several signs, quotes mean nothing.",
    )
    encoding: str | None = Field(
        None,
        description="Of CSV and JSON: such as latin-1; UTF-8 unless the file begins otherwise.",
    )
    quote: str | None = Field(
        '"', description="Of CSV: what stands around a field with separators; null for nothing."
    )
    escape: str | None = Field(
        None,
        description="Of CSV: what stands before a quote that is part of a field, such as `\\`.",
    )
    decimal: Literal[".", ","] = Field(
        ".", description="Of CSV: what stands before the decimals of `value` and `timestamp`."
    )
    header: list[str] | None = Field(
        None,
        description="Of CSV without a header line: names of its columns, from the first one on.",
    )

    @field_validator("columns", mode="before")
    @classmethod
    def _without_content(cls, section: Any) -> Any:
        return {} if section is None else section

    @field_validator("file")
    @classmethod
    def _in_the_folder(cls, name: str) -> str:
        require_inside("file", name)
        return name

    @field_validator("separator", "quote", "escape")
    @classmethod
    def _sign(cls, sign: str | None, info: Any) -> str | None:
        if sign is not None and len(sign) > 2 and sign[0] == sign[-1] and sign[0] in "'\"":
            sign = sign[1:-1]  # of a command line, quoted as in YAML
        sign = _WORDS.get(sign or "", sign)
        several = info.field_name == "separator"
        refused = {*"\r\n", *('"' if several else "")}
        fits = sign is None or (sign.isascii() and not refused & {*sign})
        if fits and (sign is None or len(sign) == 1 or (several and sign)):
            return sign
        raise ConfigError(
            f"{info.field_name}={sign!r}",
            expected="one sign" + (" or a few, without quotes" if several else ", or null"),
            remedy='Write for example separator: ";", separator: tab or escape: "\\\\".',
        )

    @field_validator("encoding")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        try:
            known = name is None or getattr(codecs.lookup(name), "_is_text_encoding", True)
        except LookupError:
            known = False
        if not known:
            expected = "an encoding of text that Python knows"
            remedy = "Use utf-8, latin-1, cp1252 or utf-16, for example."
            raise ConfigError(f"encoding={name!r}", expected=expected, remedy=remedy)
        return name

    @field_validator("header")
    @classmethod
    def _distinct(cls, names: list[str] | None) -> list[str] | None:
        if names is not None and (not names or len(set(names)) < len(names)):
            found, expected = f"header={names!r}", "a name for each column, all different"
            raise ConfigError(found, expected=expected, remedy="Correct the names.")
        return names

    @property
    def of_csv(self) -> list[str]:
        """The keys that are given and say how CSV is written."""
        fields = type(self).model_fields
        keys = ("separator", "quote", "escape", "decimal", "header")
        return [key for key in keys if getattr(self, key) != fields[key].default]


def require_inside(key: str, name: str) -> None:
    """Refuse a name that does not lead to a place below the dataset folder."""
    parts = name.replace("\\", "/").split("/")
    if not name.strip() or name.startswith(("/", "~")) or ".." in parts:
        expected = "the name of a file below the dataset folder"
        raise ConfigError(f"{key}={name!r}", expected=expected, remedy="Put the file there.")


def table_section(key: str, given: Any) -> Any:
    """What `interactions` or `items` is set to: a name, or a section as a `TableFile`."""
    if isinstance(given, str):
        require_inside(key, given)
    return read(TableFile, given, f"{key}.") if isinstance(given, Mapping) else given


def as_table(key: str, given: Any) -> TableFile | None:
    """The table that an argument names; None where it names none."""
    given = table_section(key, given)
    if given is None or isinstance(given, TableFile):
        return given
    if isinstance(given, str):
        return TableFile.model_validate({"file": given})
    expected = "the name of a file, or keys and values"
    raise ConfigError(f"{key}={given!r}", expected=expected, remedy="Correct the value.")


def as_columns(given: Any) -> ColumnNames:
    """The names of columns that an argument gives."""
    if given is None or isinstance(given, ColumnNames):
        return given or ColumnNames.model_validate({})
    return read(ColumnNames, given, "columns.")
