"""Text of items from a template over their columns: `"{title}. {plot_short}"`."""

from __future__ import annotations

from collections.abc import Collection
from string import Formatter

import pyarrow as pa
import pyarrow.compute as pc

from beekit.data.columns import decoded, is_bytes
from beekit.data.json_table import as_text
from beekit.errors import DataError


def template_columns(template: str, known: Collection[str] | None = None) -> tuple[str, ...]:
    """Columns a template names, in order; without those that are `known`, no name is refused.

    Raises:
        DataError: if braces are not closed, or if they hold what is neither the name of a known
            column nor of the usual form: a position, a conversion or a format.
    """
    return tuple(name for _, name in _parts(template, known) if name is not None)


def require_columns(template: str, known: Collection[str]) -> tuple[str, ...]:
    """The columns that a template names, at least one, all of them `known`.

    Raises:
        DataError: if it names none, or one that is not known, or if `template_columns` refuses it.
    """
    names = template_columns(template, known)
    absent = [name for name in names if name not in known]
    if absent or not names:
        raise DataError(
            f"the text template {template!r} names {', '.join(absent) or 'no column'}",
            expected=f"columns among {', '.join(known) or 'none'}",
            remedy="Correct the names in braces.",
        )
    return names


def render(template: str, fields: pa.Table) -> pa.Array:
    """(items,) large_string array of texts; a missing value is an empty text.

    The entries of a list are joined by commas. The text is "" where every column that the template
    names is empty. A template is refused if it names no column, or one that the table does not have
    or that cannot be written as text.
    """
    names = require_columns(template, fields.column_names)
    columns = {name: _as_text(fields.column(name), name) for name in names}
    pieces: list[pa.Array | pa.Scalar] = []
    for literal, name in _parts(template, fields.column_names):
        pieces.append(pa.scalar(literal, pa.large_string()))
        if name is not None:
            pieces.append(columns[name])
    separator = pa.scalar("", pa.large_string())
    texts = pc.binary_join_element_wise(*pieces, separator)
    written = pc.binary_join_element_wise(*columns.values(), separator)
    empty = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(written)), 0)
    return pc.if_else(empty, pa.scalar("", pa.large_string()), pc.utf8_trim_whitespace(texts))


def _as_text(column: pa.ChunkedArray, name: str) -> pa.Array:
    column = decoded(column)
    inside = column.type
    while _is_list(inside):
        inside = inside.value_type
    try:
        if _is_list(column.type) and not (pa.types.is_nested(inside) or is_bytes(inside)):
            text = pa.chunked_array([pa.array(map(as_text, column.to_pylist()), pa.large_string())])
        else:
            if pa.types.is_floating(column.type):  # NaN is a missing number
                column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
            text = column.cast(pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"column {name} of the items has type {column.type}",
            expected="text, numbers or lists of them where a text template names it",
            remedy="Name another column.",
        ) from error
    return pc.fill_null(text, "").combine_chunks()


def _is_list(kind: pa.DataType) -> bool:
    t = pa.types
    checks = (
        t.is_list,
        t.is_large_list,
        t.is_fixed_size_list,
        t.is_list_view,
        t.is_large_list_view,
    )
    return any(check(kind) for check in checks)


def _parts(template: str, known: Collection[str] | None) -> list[tuple[str, str | None]]:
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise DataError(
            f"the text template {template!r} cannot be read ({error})",
            expected="column names in braces, such as '{title}. {description}'",
            remedy="Close every brace; write {{ and }} for literal ones.",
        ) from error
    parts: list[tuple[str, str | None]] = []
    for literal, name, spec, conversion in parsed:
        written = f"{name}{f'!{conversion}' if conversion else ''}{f':{spec}' if spec else ''}"
        usual = name is None or name.replace(" ", "_").isidentifier()
        here = name and (known is None or written in known)
        if not here and (not usual or spec or conversion):
            raise DataError(
                f"the text template {template!r} contains {{{written}}}",
                expected="plain column names in braces"
                + (f", such as {', '.join(list(known)[:8])}" if known else ""),
                remedy="Write {title}, without formats or conversions.",
            )
        parts.append((literal, None if name is None else written))
    return parts
