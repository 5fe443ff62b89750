"""Small files in the very form in which public datasets are downloaded."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

USERS, ITEMS = 40, 30
# Signs that a reader may stumble over.
TITLES = [f'Film {n}, the "{n % 5}"; part | {n % 3} é' for n in range(1, ITEMS + 1)]
MOMENT = 978_300_000


def uses() -> Iterator[tuple[int, int, int, int]]:
    """Users, items and ratings from 1, and times."""
    generator = np.random.default_rng(0)
    for user in range(1, USERS + 1):
        for item in generator.choice(ITEMS, size=9, replace=False):
            yield user, int(item) + 1, int(generator.integers(3, 6)), MOMENT + 60 * user


def lines(rows: Any, separator: str, end: str = "\n") -> str:
    return "".join(separator.join(map(str, row)) + end for row in rows)


def objects(rows: Any) -> bytes:
    return gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())


def quoted(value: object) -> str:
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def movielens(folder: Path) -> None:
    """`ml-latest-small`: CSV with CRLF, quotes where they are needed."""
    tables = {
        "ratings.csv": [("userId", "movieId", "rating", "timestamp")]
        + [(user, item, f"{rating:.1f}", moment) for user, item, rating, moment in uses()],
        "movies.csv": [("movieId", "title", "genres")]
        + [(n, title, "Adventure|Children") for n, title in enumerate(TITLES, 1)],
        "links.csv": [("movieId", "imdbId", "tmdbId"), (1, "0114709", 862)],
    }
    for name, rows in tables.items():
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    (folder / "README.txt").write_text("Summary\n")


def movielens_1m(folder: Path) -> None:
    """`ml-1m`: `::` between columns, latin-1, no header, no quoting."""
    (folder / "ratings.dat").write_text(lines(uses(), "::"))
    movies = ((n, title, "Animation|Children's") for n, title in enumerate(TITLES, 1))
    (folder / "movies.dat").write_bytes(lines(movies, "::").encode("latin-1"))
    (folder / "users.dat").write_text("1::F::1::10::48067\n")


def movielens_100k(folder: Path) -> None:
    """`ml-100k`: tabs, and vertical bars in latin-1; no header."""
    (folder / "u.data").write_text(lines(uses(), "\t"))
    genres = [0] * 19
    movies = (
        (n, title.replace("|", "/"), "01-Jan-1995", "", "http://us.imdb.com/M/title", *genres)
        for n, title in enumerate(TITLES, 1)
    )
    (folder / "u.item").write_bytes(lines(movies, "|").encode("latin-1"))


def goodbooks(folder: Path) -> None:
    """`goodbooks-10k`: CSV, and of books more columns than anybody reads."""
    rows = [(user, item, rating) for user, item, rating, _ in uses()]
    (folder / "ratings.csv").write_text(lines([("user_id", "book_id", "rating"), *rows], ","))
    header = ("book_id", "goodreads_book_id", "isbn", "authors", "original_title", "title")
    with (folder / "books.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [(n, 7 * n, f"0{n}", "A. B, C. D", "", title) for n, title in enumerate(TITLES, 1)]
        csv.writer(file).writerows([header, *rows])


def goodreads(folder: Path) -> None:
    """The UCSD book graph: JSON lines, numbers as text, moments as C prints them."""
    told = [
        {
            "user_id": f"{user:032x}",
            "book_id": str(item),
            "is_read": True,
            "rating": rating,
            "date_added": f"Fri Nov 17 13:{user:02}:05 -0800 2017",
            "started_at": "",
        }
        for user, item, rating, _ in uses()
    ]
    (folder / "goodreads_interactions_poetry.json.gz").write_bytes(objects(told))
    books = [
        {
            "book_id": str(n),
            "title": title,
            "description": "",
            "popular_shelves": [{"count": "100", "name": "to-read"}],
            "authors": [{"author_id": "15585", "role": ""}],
        }
        for n, title in enumerate(TITLES, 1)
    ]
    (folder / "goodreads_books_poetry.json.gz").write_bytes(objects(books))


def amazon(folder: Path) -> None:
    """The reviews of 2023: JSON lines, milliseconds, lists of text, prices of several types."""
    reviews = [
        {
            "rating": float(rating),
            "title": "Fine",
            "images": [],
            "asin": f"B{item:09}",
            "parent_asin": f"B{item:09}",
            "user_id": f"AE{user:026}",
            "timestamp": 1000 * moment,
            "verified_purchase": True,
        }
        for user, item, rating, moment in uses()
    ]
    # Some review twice.
    (folder / "All_Beauty.jsonl.gz").write_bytes(objects([*reviews, reviews[0]]))
    goods = [
        {
            "main_category": "All Beauty",
            "title": title,
            "features": ["Soft", "Small"],
            "description": [],
            "price": [9.99, "from 4.99", None][n % 3],
            "details": {f"Key {n}": "1"},
            "parent_asin": f"B{n:09}",
        }
        for n, title in enumerate(TITLES, 1)
    ]
    (folder / "meta_All_Beauty.jsonl.gz").write_bytes(objects(goods))


def amazon_ratings(folder: Path) -> None:
    """The ratings of 2018: CSV without a header, the item first; some items stand twice."""
    rows = [(f"B{i:09}", f"A{u:013}", f"{r:.1f}", moment) for u, i, r, moment in uses()]
    (folder / "All_Beauty.csv").write_text(lines(rows, ","))
    goods = [
        {"category": [], "description": ["Lasts", "long"], "title": title, "asin": f"B{n:09}"}
        for n, title in enumerate(TITLES, 1)
    ]
    (folder / "meta_All_Beauty.json.gz").write_bytes(objects([*goods, goods[3]]))


def book_crossing(folder: Path) -> None:
    """Semicolons, every field quoted, quotes behind backslashes, latin-1, ratings of 0."""
    header = '"User-ID";"ISBN";"Book-Rating"\n'
    rows = [(user, f"{item:09}X", rating if user % 3 else 0) for user, item, rating, _ in uses()]
    rows.append((1, "3257224281", 8))  # of a book that nobody lists
    body = "".join(";".join(map(quoted, row)) + "\n" for row in rows)
    (folder / "BX-Book-Ratings.csv").write_bytes((header + body).encode("latin-1"))
    header = '"ISBN";"Book-Title";"Book-Author";"Year-Of-Publication"\n'
    books = [(f"{n:09}X", title, "A. & B.", 1999) for n, title in enumerate(TITLES, 1)]
    body = "".join(";".join(map(quoted, row)) + "\n" for row in books)
    (folder / "BX-Books.csv").write_bytes((header + body).encode("latin-1"))


# By the folder that the page names as `data`.
PUBLISHED: dict[str, Callable[[Path], None]] = {
    "ml-latest-small": movielens,
    "ml-1m": movielens_1m,
    "ml-100k": movielens_100k,
    "goodbooks-10k": goodbooks,
    "goodreads-poetry": goodreads,
    "amazon-2023": amazon,
    "amazon-2018": amazon_ratings,
    "BX-CSV-Dump": book_crossing,
}
