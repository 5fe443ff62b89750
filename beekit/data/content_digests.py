"""What tells an item from others, as digests: the same item under another id or template."""

from __future__ import annotations

import re
import unicodedata
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beekit.data.catalog import Catalog
from beekit.data.columns import decoded
from beekit.data.ids import is_text

# Text shorter than this may stand for two things: a book and a film of one name.
_TELLING = 8
# Names of files are made of ids, which coincide where items do not.
_FILE = re.compile(r"\S+\.(jpe?g|png|webp|gif|bmp|tiff?)", re.IGNORECASE)
# Numbers, dates and times, as they are written after `_plain`.
_NUMBER = re.compile(
    r"[-+]?[\d.,' ]+(e[-+]?\d+)?|nan|[-+]?inf"
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([t ][\d:.]+ ?(z|utc|[-+][\d:]+)?)?"
)


def content_digests(catalog: Catalog, *, numbers: bool = False) -> list[list[str]]:
    """Digests of an item's texts and picture, whatever the template makes of them.

    Of the columns of text those count whose values mostly differ from item to item, such as title
    and description, not a genre. Case, spaces and forms of the same letter make no difference; nor
    does the name of the column. Columns of nothing but numbers or dates, and columns without a
    name, do not count unless `numbers` is set, as for notes of earlier versions: rows are numbered
    alike in any two tables.

    Returns:
        (items,) lists of 16 hexadecimal digits, followed by "+" where the text is long enough to
        mean the same thing anywhere; empty for an item without text and picture.
    """
    digests: list[list[str]] = [[] for _ in range(len(catalog))]
    for name in catalog.fields.column_names:
        pictures = catalog.images is not None and name == catalog.images.name
        if not pictures and (numbers or name.strip()):
            for item, value in _telling_values(catalog.fields.column(name), numbers):
                digests[item].append(_digest(value))
    if catalog.images is not None:
        for own, picture in zip(digests, catalog.images.digests, strict=True):
            if not picture.startswith("-"):
                own.append(f"{picture[:16]}+")
    return digests


def _telling_values(column: pa.ChunkedArray, numbers: bool) -> list[tuple[int, str]]:
    """Items and their texts, of a column that tells items apart; see `content_digests`."""
    column = decoded(column)
    if not is_text(column.type):
        return []
    plain = [
        (item, _plain(value))
        for item, value in enumerate(column.to_pylist())
        if value and not _FILE.fullmatch(value.strip())
    ]
    values = [(item, value) for item, value in plain if value]
    if not numbers and all(_NUMBER.fullmatch(value) for _, value in values):
        return []
    return values if 2 * len({value for _, value in values}) > len(values) else []


def _plain(value: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


def _digest(value: str) -> str:
    found = blake2b(value.encode(errors="replace"), digest_size=8).hexdigest()
    return f"{found}+" if len(value) >= _TELLING else found


def id_hashes(ids: np.ndarray) -> np.ndarray:
    """(ids,) uint64 of ids as text, so that 12 and "12" are the same."""
    texts = pc.cast(pa.array(ids), pa.large_string()).to_pylist()
    raw = b"".join(blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(raw, dtype="<u8").astype(np.uint64)
