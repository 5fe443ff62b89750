"""goodbooks-10k as a dataset folder.

    beekit prepare goodbooks OUT [--items FILE]

As in the beeFormer paper, an interaction is a rating of 4 or more, and users with fewer than 5
items are left out. The paper also leaves out 25 of the 10,000 books, which have no description.
Give the list of the others by --items; the file of descriptions that was published with the paper
can be used. Ratings have no timestamps. Items have title, authors, year, language, their ten most
frequent shelves as `tags`, and a link to their cover.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from beekit.prepare.build import RawDataset
from beekit.prepare.command import Options
from beekit.prepare.ratings import Layout, RatingLines
from beekit.prepare.records import Records, csv_rows

RATINGS = Layout(user="user_id", item="book_id", value="rating")
TEXTS = ("title", "authors", "year", "language", "tags", "image_url")
BOOKS = pa.schema([("item_id", pa.int64()), *((name, pa.string()) for name in TEXTS)])
TAGS = pa.schema({"tag_id": pa.string(), "tag_name": pa.string()})
SHELVES = pa.schema({"goodreads_book_id": pa.string(), "tag_id": pa.string(), "count": pa.int64()})
# Shelves that describe what a reader does with a book, and not the book.
USES = {
    *("to-read", "currently-reading", "owned", "favorites", "favourites", "books-i-own", "library"),
    *("owned-books", "my-books", "my-library", "wish-list", "to-buy", "default", "kindle"),
    *("ebook", "ebooks", "e-book", "e-books", "audiobook", "audiobooks", "audio", "i-own"),
}


def read_shelves(tags: Iterable[pa.Table], book_tags: Iterable[pa.Table]) -> dict[str, str]:
    """The ten most frequent shelves of each book, by its goodreads id."""
    names = {tag["tag_id"]: tag["tag_name"] for table in tags for tag in table.to_pylist()}
    shelves: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for table in book_tags:
        for row in table.to_pylist():
            name = names.get(row["tag_id"])
            if name and name not in USES:
                shelves[row["goodreads_book_id"]].append((-row["count"], name))
    return {book: ", ".join(name for _, name in sorted(on)[:10]) for book, on in shelves.items()}


def shelf(record: Mapping[str, str]) -> dict[str, Any]:
    return {**record, "count": int(record["count"])}


def prepare(options: Options) -> RawDataset:
    books, ratings, tags, book_tags = (
        options.fetch(f"{name}.csv") for name in ("books", "ratings", "tags", "book_tags")
    )
    limit = options.max_malformed
    shelving = (
        Records(tags, csv_rows(), dict, TAGS, limit=limit),
        Records(book_tags, csv_rows(), shelf, SHELVES, limit=limit),
    )
    shelves = read_shelves(*shelving)

    def book(record: Mapping[str, str]) -> dict[str, Any]:
        return {
            "item_id": int(record["book_id"]),
            "title": record["title"],
            "authors": record["authors"],
            "year": record["original_publication_year"].removesuffix(".0"),
            "language": record["language_code"],
            "tags": shelves.get(record["goodreads_book_id"], ""),
            "image_url": record["image_url"],
        }

    return RawDataset(
        options.public,
        items=Records(books, csv_rows(), book, BOOKS, limit=limit),
        interactions=RatingLines(ratings, RATINGS, limit=limit),
        item_names=("item_id", "book_id"),
        also_read=shelving,
    )
