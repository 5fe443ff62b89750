"""A category of Amazon Reviews 2023 as a dataset folder.

    beekit prepare amazon2023 OUT --category Video_Games [--images]

Ratings come from the benchmark files with ratings only (0core: not filtered), items from the
metadata. A category has the name in the addresses of these files: All_Beauty, Books, Video_Games,
... An interaction is a rating of 4 or more of a product with a title; users with fewer than 5 items
are left out. Items have title, features, description, categories, store and `image_url`, a link to
the main picture. With --images the pictures are downloaded, and the column `image` names them.
Timestamps are in seconds, with three decimals.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from beekit.prepare.amazon import as_text, main_picture
from beekit.prepare.build import RawDataset
from beekit.prepare.command import Options
from beekit.prepare.pictures import LinkedPictures
from beekit.prepare.ratings import Layout, RatingLines
from beekit.prepare.records import Records, json_lines

RATINGS = Layout(
    "user_id", "parent_asin", "rating", "timestamp", time="milliseconds", integer_ids=False
)
COLUMNS = ("item_id", "title", "features", "description", "categories", "store", "image_url")
PRODUCTS = pa.schema([(name, pa.string()) for name in COLUMNS])


def product(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "item_id": record["parent_asin"],
        "title": as_text(record.get("title")),
        "features": as_text(record.get("features")),
        "description": as_text(record.get("description")),
        "categories": as_text(record.get("categories"), ", "),
        "store": as_text(record.get("store")),
        "image_url": main_picture(record.get("images")),
    }


def prepare(options: Options) -> RawDataset:
    category = options.category
    meta = options.fetch(f"raw/meta_categories/meta_{category}.jsonl.gz")
    ratings = options.fetch(f"benchmark/0core/rating_only/{category}.csv.gz")
    limit = options.max_malformed
    return RawDataset(
        options.public,
        items=Records(meta, json_lines, product, PRODUCTS, limit=limit),
        interactions=RatingLines(ratings, RATINGS, limit=limit),
        item_names=("item_id", "parent_asin", "asin"),
        pictures=LinkedPictures(options.cache / f"{category}-images") if options.images else None,
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--category", required=True, help="for example Video_Games")
    parser.add_argument("--images", action="store_true", help="download the main pictures")
