"""Text of items from a template over their columns: `"{title}. {plot_short}"`."""

from __future__ import annotations

from string import Formatter

import pyarrow as pa
import pyarrow.compute as pc

from beekit.data.tables import decoded
from beekit.errors import DataError


def template_columns(template: str) -> tuple[str, ...]:
    """Columns a template names, in order.

    Raises:
        DataError: if braces are not closed, or if they hold anything other than the name of a
            column, such as a position, a conversion or a format.
    """
    return tuple(name for _, name in _parts(template) if name is not None)


def render(template: str, fields: pa.Table) -> pa.Array:
    """(items,) large_string array of texts; a missing value is an empty text.

    The text is "" where every column that the template names is empty. A template is refused if it
    names no column, or one that the table does not have or that cannot be written as text.
    """
    names = template_columns(template)
    absent = [name for name in names if name not in fields.column_names]
    if absent or not names:
        raise DataError(
            f"the text template {template!r} names {', '.join(absent) or 'no column'}",
            expected=f"columns among {', '.join(fields.column_names) or 'none'}",
            remedy="Correct the names in braces.",
        )
    columns = {name: _as_text(fields.column(name), name) for name in names}
    pieces: list[pa.Array | pa.Scalar] = []
    for literal, name in _parts(template):
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
    try:
        if pa.types.is_floating(column.type):  # NaN is a missing number
            column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        text = column.cast(pa.large_string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"column {name} of the items has type {column.type}",
            expected="text or numbers where a text template names it",
            remedy="Name another column.",
        ) from error
    return pc.fill_null(text, "").combine_chunks()


def _parts(template: str) -> list[tuple[str, str | None]]:
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise DataError(
            f"the text template {template!r} cannot be read ({error})",
            expected="column names in braces, such as '{title}. {description}'",
            remedy="Close every brace; write {{ and }} for literal ones.",
        ) from error
    for _, name, spec, conversion in parsed:
        named = name is None or name.replace(" ", "_").isidentifier()
        if not named or spec or conversion:
            wrong = f"{name}{f'!{conversion}' if conversion else ''}{f':{spec}' if spec else ''}"
            raise DataError(
                f"the text template {template!r} contains {{{wrong}}}",
                expected="plain column names in braces",
                remedy="Write {title}, without formats or conversions.",
            )
    return [(literal, name) for literal, name, _, _ in parsed]
