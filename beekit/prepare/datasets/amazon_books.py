"""Amazon Books of 2018 or 2014 as a dataset folder.

    beekit prepare amazon_books OUT [--year 2018] [--items FILE] [--images]

The beeFormer paper uses the release of 2018 with ratings of 4 or more, items that have a
description by a language model, and users with at least 5 of these items. Give the list of these
items by --items; the file of descriptions that was published with the paper can be used. Without
--items, all items with a title are kept. Items have title, description, categories, brand (in 2018
also the author) and `image_url`. With --images the pictures are downloaded, and the column `image`
names them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from beekit.prepare.amazon import as_text, first_link
from beekit.prepare.build import RawDataset
from beekit.prepare.command import Options
from beekit.prepare.pictures import LinkedPictures
from beekit.prepare.published import public_dataset
from beekit.prepare.ratings import Layout, RatingLines
from beekit.prepare.records import Records, json_lines, python_lines

# By year: the name of the facts, the two files, the format of the metadata, the rating columns.
RELEASES = {
    2018: (
        "amazon_books",
        ("metaFiles2/meta_Books.json.gz", "categoryFilesSmall/Books.csv"),
        json_lines,
        ("item", "user", "rating", "time"),
    ),
    2014: (
        "amazon_books_2014",
        ("meta_Books.json.gz", "ratings_Books.csv"),
        python_lines,
        ("user", "item", "rating", "time"),
    ),
}
COLUMNS = ("item_id", "title", "description", "categories", "brand", "image_url")
BOOKS = pa.schema([(name, pa.string()) for name in COLUMNS])


def book(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "item_id": record["asin"],
        "title": as_text(record.get("title")),
        "description": as_text(record.get("description")),
        "categories": as_text(record.get("categories") or record.get("category"), ", "),
        "brand": as_text(record.get("brand")),
        "image_url": first_link(
            record.get("imageURLHighRes"), record.get("imageURL"), record.get("imUrl")
        ),
    }


def prepare(options: Options) -> RawDataset:
    name, files, form, columns = RELEASES[options.year]
    options.public = public_dataset(name)
    options.cache = options.cache / str(options.year)
    meta, ratings = map(options.fetch, files)
    layout = Layout("user", "item", "rating", "time", integer_ids=False, columns=columns)
    limit = options.max_malformed
    return RawDataset(
        options.public,
        items=Records(meta, form, book, BOOKS, limit=limit),
        interactions=RatingLines(ratings, layout, limit=limit),
        item_names=("item_id", "asin"),
        pictures=LinkedPictures(options.cache / "images") if options.images else None,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    year = "release (default: %(default)s)"
    parser.add_argument("--year", type=int, choices=RELEASES, default=2018, help=year)
    parser.add_argument("--images", action="store_true", help="download the pictures")
