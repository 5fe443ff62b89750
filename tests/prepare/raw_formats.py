"""Small datasets in the exact formats of their publishers, and the rows they hold."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

USERS, ITEMS, ROWS = 40, 25, 900


@dataclass
class Raw:
    """What a publisher offers.

    Attributes:
        script: that prepares it.
        files: by their paths below the base address.
        rows: (user, item, value, timestamp) as beekit is to see them, value and timestamp 0 where
            there is none.
        items: columns expected of some items, by id.
        ratings: path of the file of ratings.
        arguments: further ones of the script.
    """

    script: str
    files: dict[str, bytes]
    rows: list[tuple[Any, Any, float, float]]
    items: dict[Any, dict[str, Any]]
    ratings: str
    arguments: tuple[str, ...] = ()
    known: set[Any] = field(default_factory=set)


def events(levels, seed=0, times=(789_652_009, 1_427_784_002)):
    """Random rows; some pairs repeat, and some users have few."""
    generator = np.random.default_rng(seed)
    users = np.minimum(generator.geometric(0.06, ROWS), USERS)
    items = generator.integers(1, ITEMS + 1, ROWS)
    values = generator.choice(levels, ROWS)
    stamps = generator.integers(*times, ROWS)
    return list(zip(users.tolist(), items.tolist(), values.tolist(), stamps.tolist(), strict=True))


def table(header, rows, quoting=csv.QUOTE_MINIMAL, encoding="utf-8"):
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator="\n")
    writer.writerows([header, *rows])
    return text.getvalue().encode(encoding)


def lines(header, rows, separator=","):
    text = "".join(separator.join(map(str, row)) + "\n" for row in rows)
    return (f"{header}\n{text}" if header else text).encode()


def zipped(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def movielens(name, files, md5):
    archive = zipped({f"{name}/{path}": content for path, content in files.items()})
    note = md5.format(hashlib.md5(archive).hexdigest())
    return {f"{name}.zip": archive, f"{name}.zip.md5": note.encode()}


def ml20m():
    rows = events([0.5, 3.5, 4.0, 4.5, 5.0])
    films = [(k, f"Film, The {k} ({1930 + k})", "Drama|War") for k in range(1, ITEMS + 3)]
    films[0] = (1, "Léon: The Professional (1994)", "(no genres listed)")
    files = {
        "ratings.csv": lines("userId,movieId,rating,timestamp", rows),
        "movies.csv": table(("movieId", "title", "genres"), films),
    }
    return Raw(
        "ml20m.py",
        movielens("ml-20m", files, "MD5 (ml-20m.zip) = {}\n"),
        rows,
        {
            1: {"title": "Léon: The Professional", "year": 1994, "genres": ""},
            2: {"title": "Film, The 2", "year": 1932, "genres": "Drama, War"},
        },
        "ml-20m.zip",
    )


def ml1m():
    rows = events([1, 3, 4, 5])
    films = [(k, f"Film {k} ({1930 + k})", "Drama") for k in range(1, ITEMS + 1)]
    films[0] = (1, "Misérables, Les (1995)", "Drama|Musical")
    movies = lines("", films, "::").decode().encode("latin-1")
    files = {"ratings.dat": lines("", rows, "::"), "movies.dat": movies}
    title = {"title": "Misérables, Les", "year": 1995, "genres": "Drama, Musical"}
    return Raw(
        "ml1m.py", movielens("ml-1m", files, "{}  ml-1m.zip\n"), rows, {1: title}, "ml-1m.zip"
    )


def goodbooks():
    rows = [(u, i, v, 0) for u, i, v, _ in events([1, 3, 4, 5])]
    header = "book_id,goodreads_book_id,best_book_id,work_id,books_count,isbn,isbn13,authors,"
    header += "original_publication_year,original_title,title,language_code,average_rating,"
    header += "ratings_count,work_ratings_count,work_text_reviews_count,ratings_1,ratings_2,"
    header += "ratings_3,ratings_4,ratings_5,image_url,small_image_url"
    books = [
        (
            *(k, 1000 + k, 1000 + k, 7, 9, "", "9.78e12", "A, B", f"{1900 + k}.0", ""),
            *(f"Book {k}", "eng", 4.3, 1, 1, 1, 1, 1, 1, 1, 1),
            *(f"https://images.example/{k}m.jpg", ""),
        )
        for k in range(1, ITEMS + 1)
    ]
    shelves = [(1001, 2, 50), (1001, 0, 900), (1001, 1, 70), (1002, 3, -1), (1002, 9, 5)]
    tags = ["to-read", "fantasy", "magic, wands", "ya"]
    return Raw(
        "goodbooks.py",
        {
            "ratings.csv": lines("user_id,book_id,rating", [row[:3] for row in rows]),
            "books.csv": table(header.split(","), books),
            "book_tags.csv": lines("goodreads_book_id,tag_id,count", shelves),
            "tags.csv": table(("tag_id", "tag_name"), enumerate(tags)),
        },
        rows,
        {
            1: {
                "title": "Book 1",
                "authors": "A, B",
                "year": "1901",
                "tags": "fantasy, magic, wands",
                "image_url": "https://images.example/1m.jpg",
            },
            2: {"tags": "ya"},
        },
        "ratings.csv",
    )


def amazon2023():
    milliseconds = (1_588_687_728_923, 1_688_687_728_923)
    rows = [
        (f"AE{u:026d}", f"B{i:09d}", v, t)
        for u, i, v, t in events([1.0, 3.0, 4.0, 5.0], times=milliseconds)
    ]
    products = [
        {
            "main_category": "Video Games",
            "title": f"Game {k} &amp; more" if k != 3 else None,
            "average_rating": 4.1,
            "features": ["Fast", "Loud"],
            "description": [],
            "price": None,
            "images": [
                {"thumb": "t", "large": "l", "variant": "PT01", "hi_res": None},
                {"thumb": "t", "large": f"https://i.example/{k}.jpg", "variant": "MAIN"},
            ],
            "videos": [],
            "store": "Shop",
            "categories": ["Video Games", "PC"],
            "details": {"Date": "2020"},
            "parent_asin": f"B{k:09d}",
            "bought_together": None,
        }
        for k in range(1, ITEMS + 1)
    ]
    meta = "".join(json.dumps(product) + "\n" for product in products).encode()
    ratings = lines("user_id,parent_asin,rating,timestamp", rows)
    item = {
        "title": "Game 1 & more",
        "features": "Fast Loud",
        "description": "",
        "categories": "Video Games, PC",
        "store": "Shop",
        "image_url": "https://i.example/1.jpg",
    }
    return Raw(
        "amazon2023.py",
        {
            "raw/meta_categories/meta_Video_Games.jsonl.gz": gzip.compress(meta),
            "benchmark/0core/rating_only/Video_Games.csv.gz": gzip.compress(ratings),
        },
        [(u, i, v, t / 1000) for u, i, v, t in rows],
        {"B000000001": item},
        "benchmark/0core/rating_only/Video_Games.csv.gz",
        ("--category", "Video_Games"),
        {product["parent_asin"] for product in products if product["title"]},
    )


def amazon_books_2018():
    rows = [(f"A{u:013d}", f"{i:09d}X", v, t) for u, i, v, t in events([1.0, 4.0, 5.0])]
    books = [
        {
            "category": ["Books", "Toys &amp; Games"],
            "tech1": "",
            "description": ["It's <b>1</b>."],
            "title": f"Book {k}",
            "also_buy": [],
            "image": ["low"],
            "brand": "An Author",
            "asin": f"{k:09d}X",
            "imageURL": ["low"],
            "imageURLHighRes": ["https://i.example/high.jpg"],
        }
        for k in [*range(1, ITEMS + 1), 1]
    ]
    meta = "".join(json.dumps(book) + "\n" for book in books).encode()
    item = {
        "title": "Book 1",
        "description": "It's <b>1</b>.",
        "categories": "Books, Toys & Games",
        "brand": "An Author",
        "image_url": "https://i.example/high.jpg",
    }
    return Raw(
        "amazon_books.py",
        {
            "metaFiles2/meta_Books.json.gz": gzip.compress(meta),
            "categoryFilesSmall/Books.csv": lines("", [(i, u, v, t) for u, i, v, t in rows]),
        },
        rows,
        {"000000001X": item},
        "categoryFilesSmall/Books.csv",
    )


def amazon_books_2014():
    rows = [(f"A{u:013d}", f"{i:010d}", v, t) for u, i, v, t in events([1.0, 4.0, 5.0])]
    books = [
        {
            "asin": f"{k:010d}",
            "title": f"Book's {k}",
            "imUrl": "https://i.example/1.jpg",
            "salesRank": {"Books": 6334800},
            "categories": [["Books"], ["Books", "Poems"]],
        }
        for k in range(1, ITEMS + 1)
    ]
    meta = "".join(f"{book!r}\n" for book in books).encode()
    item = {"title": "Book's 1", "description": "", "categories": "Books, Books, Poems"}
    return Raw(
        "amazon_books.py",
        {"meta_Books.json.gz": gzip.compress(meta), "ratings_Books.csv": lines("", rows)},
        rows,
        {"0000000001": {**item, "image_url": "https://i.example/1.jpg"}},
        "ratings_Books.csv",
        ("--year", "2014"),
    )


def citeulike_a():
    pairs = sorted({(u - 1, i - 1) for u, i, *_ in events([1])})
    users = []
    for user in range(USERS):
        items = [item for u, item in pairs if u == user]
        users.append(" ".join(map(str, [len(items), *items])))
    articles = [
        (k, f"title {k}", 100 + k, f"Title {k}:\n  the Café", 'An "abstract".')
        for k in range(1, ITEMS + 1)
    ]
    header = ("doc.id", "title", "citeulike.id", "raw.title", "raw.abstract")
    return Raw(
        "citeulike_a.py",
        {
            "users.dat": ("\n".join(users) + "\n").encode(),
            "raw-data.csv": table(header, articles, csv.QUOTE_NONNUMERIC, "latin-1"),
        },
        [(u, i, 0, 0) for u, i in pairs],
        {0: {"title": "Title 1: the Café", "abstract": 'An "abstract".'}},
        "users.dat",
    )


def hm():
    """Not fetched: the files of the competition's archive."""
    days = [datetime(2020, 9, day, tzinfo=UTC) for day in range(1, 23)]
    rows = [
        (f"{u:064x}", f"0{i:09d}", 0, int(days[t % 22].timestamp())) for u, i, _, t in events([1])
    ]
    header = "article_id,product_code,prod_name,product_type_no,product_type_name,"
    header += "product_group_name,graphical_appearance_no,graphical_appearance_name,"
    header += "colour_group_code,colour_group_name,perceived_colour_value_id,"
    header += "perceived_colour_value_name,perceived_colour_master_id,"
    header += "perceived_colour_master_name,department_no,department_name,index_code,index_name,"
    header += "index_group_no,index_group_name,section_no,section_name,garment_group_no,"
    header += "garment_group_name,detail_desc"
    articles = [
        (
            *(f"0{k:09d}", k, f"Top {k}", 1, "Vest top", "Upper body", 1, "Solid", 9, "Black"),
            *(4, "Dark", 5, "Black", 1676, "Jersey Basic", "A", "Ladieswear", 1, "Ladieswear"),
            *(16, "Womens", 1, "Jersey Fancy", "Cotton, with\nstraps." if k != 2 else ""),
        )
        for k in range(1, ITEMS + 1)
    ]
    purchases = [
        (datetime.fromtimestamp(t, UTC).date(), user, item, 0.0508305084745762, 2)
        for user, item, _, t in rows
    ]
    files = {
        "articles.csv": table(header.split(","), articles),
        "transactions_train.csv": lines(
            "t_dat,customer_id,article_id,price,sales_channel_id", purchases
        ),
        "images/000/0000000001.jpg": b"picture 1",
        "images/000/0000000004.jpg": b"picture 4",
    }
    return Raw(
        "hm.py",
        files,
        rows,
        {
            "0000000001": {
                "title": "Top 1",
                "colour": "Black",
                "description": "Cotton, with\nstraps.",
            }
        },
        "transactions_train.csv",
    )
